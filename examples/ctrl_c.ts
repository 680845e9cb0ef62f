// SPDX-License-Identifier: BSD-3-Clause
/**
 * Ends at Ctrl-C without losing a message: it ends its own direction, receives what is still on its
 * way, and closes the channel only then.
 *
 *     deno run --allow-ffi examples/ctrl_c.ts [DEVICE]
 */

import { type Channel, open } from "jsr:@kup/kup@0";
import { program } from "./program.ts";

const USAGE = {
  text: `usage: deno run --allow-ffi examples/ctrl_c.ts [DEVICE]

Sends numbers to the echo client and receives them back, until Ctrl-C.

  DEVICE   host:echo if not given; /dev/kup/echo is the kernel's`,
  words: 1,
};

/** Sends numbers until the signal. Returns how many. */
async function send(channel: Channel, signal: AbortSignal): Promise<number> {
  let count = 0;
  try {
    for (;; count++) await channel.send(new Float64Array([count]), { signal });
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
  // The kernel's side reads all that was sent, answers it, and then ends its own direction.
  await channel.end();
  return count;
}

/** Receives until the kernel's side has ended its direction. Returns how many came in order. */
async function receive(channel: Channel): Promise<number> {
  let count = 0;
  for await (const message of channel) {
    if (message.f64(0) === count) count++;
  }
  return count;
}

await program(USAGE, async ({ words, signal }) => {
  using device = open(words[0] ?? "host:echo");
  using channel = await device.attach();
  console.log(`Sending to ${device.path}; Ctrl-C ends.`);
  // Both at once. If one of them fails, so does this, and `using` closes the channel.
  const [sent, received] = await Promise.all([send(channel, signal), receive(channel)]);
  console.log(`sent ${sent}, received ${received}: ${sent === received ? "none" : "some"} lost`);
});
