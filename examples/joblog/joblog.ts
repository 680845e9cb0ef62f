// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes the joblog client's lines to a file, and begins a new file when that one is full:
 *
 *     make -C examples/joblog
 *     deno run --allow-ffi --allow-read --allow-write examples/joblog/joblog.ts my.log
 *
 * In a kernel with joblog.ko, /dev/joblog follows the file's name.
 */

import { type Message, open } from "jsr:@kup/kup@0";
import { program, UsageError } from "../program.ts";
import { RotatingFile } from "./rotating_file.ts";

const HERE = import.meta.resolve("./joblog.so");

const USAGE = {
  text:
    `usage: deno run --allow-ffi --allow-read --allow-write examples/joblog/joblog.ts [--bytes N]
           [--keep N] FILE [DEVICE]

Writes the joblog client's lines to a file, until Ctrl-C.

  --bytes N  how large a file may be; 1000000 if not given
  --keep N   how many old files are kept, as FILE.1 to FILE.N; 5 if not given
  DEVICE     host:${HERE} if not given, which \`make -C examples/joblog\` builds;
             /dev/joblog in a kernel that has joblog.ko`,
  values: ["bytes", "keep"],
  words: 2,
};

/** The types in joblog.h. */
const LEVELS = ["?", "error", "warning", "info"];

function format(message: Message): string {
  const time = new Date(performance.timeOrigin + message.timestamp!).toISOString();
  if (message.gap !== undefined) {
    return `${time} warning ${message.gap.records} lines are missing\n`;
  }
  const text = message.text(8); // behind the joblog_line
  const [job, micros] = [message.u32(0), message.u32(4)];
  return `${time} ${LEVELS[message.type]} cpu ${message.cpu} job ${job}: ${text} (${micros} µs)\n`;
}

await program(USAGE, async (line) => {
  const [path, devicePath = `host:${HERE}`] = line.words;
  if (path === undefined) throw new UsageError("The name of a file is needed.");
  const most = line.number("bytes", 1e6, [1000, 1e12]);
  const file = new RotatingFile(path, most, line.number("keep", 5, [0, 1000]));
  await file.flush(); // learns its size
  using device = open(devicePath);
  using channel = await device.attach();
  console.log(`Writing to ${path}; Ctrl-C ends.`);
  const { signal } = line;
  let lines = 0;
  while (!signal.aborted) {
    // Is woken twice a second, not for each line; sooner if the ring fills.
    const waiting = channel.receiveBatch({ minBytes: 16384, within: 500, signal });
    const batch = await waiting.catch((error) => {
      if (error !== signal.reason) throw error;
      return channel.tryReceiveBatch({ max: 1e6 }); // what has come until Ctrl-C
    });
    if (batch.length === 0 && channel.done) break; // the module is gone
    for (const message of batch) await file.add(format(message));
    await file.flush();
    lines += batch.length;
  }
  console.log(`wrote ${lines} lines`);
});
