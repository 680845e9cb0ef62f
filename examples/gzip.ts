// SPDX-License-Identifier: BSD-3-Clause
/**
 * Compresses what comes from a module into a file, with nothing but Web Streams. The module here is
 * the echo client, which first gets a file's bytes in the same way:
 *
 *     deno run --allow-ffi --allow-read --allow-write examples/gzip.ts INPUT OUTPUT.gz [DEVICE]
 */

import { open } from "jsr:@kup/kup@0";
import { program, UsageError } from "./program.ts";

const USAGE = {
  text:
    `usage: deno run --allow-ffi --allow-read --allow-write examples/gzip.ts INPUT OUTPUT [DEVICE]

Sends a file to the echo client, and compresses what comes back into another file.

  INPUT    a file; /dev/stdin is what you type
  OUTPUT   the compressed file, for gunzip
  DEVICE   host:echo if not given; /dev/kup/echo is the kernel's`,
  words: 3,
};

/** Makes chunks that fit into messages. */
function split(most: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length; at += most) {
        controller.enqueue(chunk.slice(at, at + most));
      }
    },
  });
}

await program(USAGE, async ({ words: [input, output, path = "host:echo"], signal }) => {
  if (input === undefined || output === undefined) throw new UsageError("Two files are needed.");
  using source = await Deno.open(input);
  using target = await Deno.create(output);
  using device = open(path);
  using channel = await device.attach();

  console.log(`Compressing ${input}; Ctrl-C ends it.`);
  // Ctrl-C ends the input, like its last byte: the compressed file is whole in both cases.
  const chunks = source.readable.pipeThrough(split(channel.maxMessage), { signal });
  const sending = chunks.pipeTo(channel.writable).catch(async (error) => {
    if (!signal.aborted) throw error;
    await channel.end();
  });
  // Ends when the module has ended its direction.
  const gzip = new CompressionStream("gzip");
  await Promise.all([sending, channel.readable.pipeThrough(gzip).pipeTo(target.writable)]);

  const { toUserBytes, toUserRecords } = channel.stats();
  const { size } = await Deno.stat(output);
  console.log(`${toUserBytes} bytes in ${toUserRecords} messages became ${size} bytes`);
});
