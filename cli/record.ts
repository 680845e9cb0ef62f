// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup record`: a channel's messages, with their times and gaps, into a file.
 *
 * @module
 */

import type { Channel, Device, Message } from "../mod.ts";
import { type Command, type Context, Failure, reasonOf } from "./command.ts";
import type { CommandLine } from "./command_line.ts";
import {
  attach,
  CHANNEL_FLAGS,
  CHANNEL_TEXT,
  CHANNEL_VALUES,
  integer,
  openNamed,
} from "./device.ts";
import { isInterrupt } from "./echo.ts";
import { findFormat, type Format } from "./formats.ts";
import { Progress, warn } from "./output.ts";
import {
  encodeGap,
  encodeHead,
  encodeRecord,
  FEATURE_STAMPS,
  FEATURES_AT,
  type Recorded,
} from "./recording.ts";

const USAGE = `usage: kup record [OPTION]... DEVICE FILE

Writes the messages of a channel to a file, with their times and gaps.
\`kup replay\` sends them again. Ctrl-C ends it, and the file is complete.
Deno needs --allow-write=FILE.

  --count N      stop after so many messages from the device
  --seconds S    stop after this time
  --input F      also send standard input, and record it; F is a format of
                 \`kup cat\`: lines, length, hex or json
  --type N       the type of messages from standard input, 0 if not given
${CHANNEL_TEXT}

The device must be in stream mode.`;

/** Writes records. Whatever ends the run, the file has whole records only. */
class Writer implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #origin = performance.now();
  #hasStamps = false;
  /** Where the file's last whole record ends. */
  #end = 0;
  count = 0;
  lost = 0;

  constructor(path: string, device: Device, channel: Channel) {
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) {
        throw new Failure(`To write ${path}, run Deno with --allow-write=${path}.`);
      }
      throw new Failure(`${path} can't be written; choose another file (${reasonOf(error)}).`);
    }
    this.#append(encodeHead({
      name: device.name,
      mode: channel.mode,
      stamps: false,
      abiVersion: device.abiVersion,
      ringBytes: channel.ringBytes,
      channel: channel.number,
      began: Date.now(),
    }));
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    } catch (error) {
      throw new Failure(`The recording can't be written; make room for it (${reasonOf(error)}).`);
    }
  }

  #append(bytes: Uint8Array): void {
    try {
      this.#write(bytes);
      this.#end += bytes.length;
    } catch (error) {
      try {
        this.#file.truncateSync(this.#end);
      } catch {
        // A device, which has no end.
      }
      throw error;
    }
  }

  /** INFO does not show whether there are stamps; the first message does. */
  #markStamps(): void {
    if (this.#hasStamps) return;
    this.#hasStamps = true;
    this.#file.seekSync(FEATURES_AT, Deno.SeekMode.Start);
    this.#write(Uint8Array.of(FEATURE_STAMPS));
    this.#file.seekSync(0, Deno.SeekMode.End);
  }

  #now(timestamp = performance.now()): bigint {
    return BigInt(Math.round((timestamp - this.#origin) * 1e6));
  }

  received(message: Message): void {
    const { gap, cpu, sequence } = message;
    if (cpu !== undefined) this.#markStamps();
    const record: Recorded = {
      kind: gap === undefined ? "received" : "gap",
      type: message.type,
      nanoseconds: this.#now(message.timestamp),
      bytes: gap === undefined ? message.bytes : encodeGap(gap.records, gap.bytes),
      stamp: cpu === undefined ? undefined : { cpu, sequence: sequence ?? 0 },
    };
    this.#append(encodeRecord(record));
    if (gap === undefined) this.count++;
    else this.lost += gap.records;
  }

  sent(type: number, bytes: Uint8Array): void {
    this.#append(encodeRecord({ kind: "sent", type, nanoseconds: this.#now(), bytes }));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** What the command line asks for. All of it is checked before an older file is replaced. */
interface Wanted {
  readonly count: number;
  readonly seconds: number;
  /** Undefined: nothing is sent. */
  readonly input: Format | undefined;
  readonly type: number;
}

function readOptions(line: CommandLine): Wanted {
  const input = line.value("input");
  return {
    count: integer(line, "count", 1, 2 ** 53 - 1) ?? Infinity,
    seconds: line.number("seconds", { otherwise: Infinity, least: 0.001, most: 1e6 }),
    input: input === undefined ? undefined : findFormat("input", input),
    type: integer(line, "type", 0, 2 ** 32 - 1) ?? 0,
  };
}

async function feed(channel: Channel, writer: Writer, wanted: Wanted, signal: AbortSignal) {
  if (wanted.input === undefined) return;
  const messages = wanted.input.read(Deno.stdin.readable, channel.maxMessage);
  for await (const { data, type = wanted.type } of messages) {
    // Before its answer, whose record follows.
    writer.sent(type, data);
    await channel.send(data, { type, signal });
  }
  await channel.end({ signal });
}

async function receive(
  channel: Channel,
  writer: Writer,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  using progress = new Progress("record");
  for await (const message of channel.messages({ signal })) {
    writer.received(message);
    if (count < Infinity) progress.set(writer.count / count);
    if (writer.count >= count) return;
  }
}

/** Aborts a run that has reached its time; the reason is the signal itself. */
async function run(
  channel: Channel,
  writer: Writer,
  wanted: Wanted,
  { signal }: Context,
): Promise<void> {
  const { count, seconds } = wanted;
  const stop = new AbortController();
  const timer = seconds < Infinity ? setTimeout(() => stop.abort(stop), seconds * 1000) : undefined;
  const both = AbortSignal.any([signal, stop.signal]);
  const ended = new Promise<never>((_, reject) =>
    both.addEventListener("abort", () => reject(both.reason), { once: true })
  );
  const receiving = receive(channel, writer, count, both);
  const sending = feed(channel, writer, wanted, both).then(() => receiving);
  try {
    await Promise.race([receiving, sending, ended]);
  } catch (error) {
    if (!isInterrupt(error) && error !== stop) throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["count", "seconds", "input", "type", ...CHANNEL_VALUES],
    flags: CHANNEL_FLAGS,
    words: 2,
  },
  least: 2,
  async run(line, context): Promise<void> {
    const [path, file] = line.words as [string, string];
    const wanted = readOptions(line);
    using device = openNamed(path, line);
    const { mode } = device.info();
    if (mode !== "stream") {
      throw new Failure(`${path} is in ${mode} mode; only channels in stream mode are recorded.`);
    }
    using channel = await attach(device, line, context);
    using writer = new Writer(file, device, channel);
    await run(channel, writer, wanted, context);
    const lost = writer.lost === 0 ? "" : `, and ${writer.lost} that were lost`;
    warn(`${writer.count} messages in ${file}${lost}`);
  },
};
