// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup replay`: sends the messages of a recording to a channel.
 *
 * @module
 */

import type { Channel } from "../mod.ts";
import { type Command, Failure, pause, reasonOf } from "./command.ts";
import { UsageError } from "./command_line.ts";
import { attach, CHANNEL_FLAGS, CHANNEL_TEXT, CHANNEL_VALUES, openNamed } from "./device.ts";
import { print, printJson, Progress, warn } from "./output.ts";
import { decodeGap, Reader, type Recorded } from "./recording.ts";

const USAGE = `usage: kup replay [OPTION]... FILE DEVICE
       kup replay --json FILE

Sends the messages that \`kup record\` has written to a file. If the file
has messages that were sent to the device, these are sent, and otherwise
those that came from it. Deno needs --allow-read=FILE.

  --fast         as fast as possible; at the recorded times if not given
  --json         print the file, an object a line, and send nothing
${CHANNEL_TEXT}

Answers are counted, and dropped.`;

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How long the answers may take that come after the last message, in milliseconds. */
const LAST_ANSWERS_MS = 1000;

function openRecording(path: string): Reader {
  try {
    return new Reader(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new Failure(`To read ${path}, run Deno with --allow-read=${path}.`);
    }
    if (error instanceof Deno.errors.NotFound) throw new Failure(`There is no file ${path}.`);
    if (error instanceof Failure) throw error;
    throw new Failure(`${path} can't be read; look at its permissions (${reasonOf(error)}).`);
  }
}

function* records(reader: Reader): Generator<Recorded> {
  for (let record; (record = reader.next()) !== undefined;) yield record;
}

/** Which records are sent, and how many there are. Also checks the whole file. */
function survey(path: string): { kind: Recorded["kind"]; count: number } {
  using reader = openRecording(path);
  const { mode } = reader.head();
  if (mode !== "stream") throw new Failure(`${path} is of a device in ${mode} mode.`);
  const counts = { received: 0, sent: 0, gap: 0 };
  for (const { kind } of records(reader)) counts[kind]++;
  const kind = counts.sent > 0 ? "sent" : "received";
  if (counts.gap > 0) warn(`kup replay: messages are missing at ${counts.gap} places of ${path}.`);
  return { kind, count: counts[kind] };
}

function dump(path: string): void {
  using reader = openRecording(path);
  printJson(reader.head());
  for (const { bytes, nanoseconds, ...record } of records(reader)) {
    const content = record.kind === "gap" ? { gap: decodeGap(bytes) } : { hex: bytes.toHex() };
    printJson({ ...record, timeNs: String(nanoseconds), ...content });
  }
}

interface Run {
  readonly file: string;
  readonly chosen: ReturnType<typeof survey>;
  readonly channel: Channel;
  readonly fast: boolean;
  readonly signal: AbortSignal;
}

async function send({ file, chosen, channel, fast, signal }: Run): Promise<number> {
  const { kind, count } = chosen;
  using reader = openRecording(file);
  reader.head();
  using progress = new Progress("replay");
  const begin = performance.now();
  let first: bigint | undefined;
  let sent = 0;
  for (const record of records(reader)) {
    if (record.kind !== kind) continue;
    first ??= record.nanoseconds;
    const due = begin + Number(record.nanoseconds - first) / 1e6;
    while (!fast && due > performance.now()) {
      await pause(Math.min(due - performance.now(), LONGEST_TIMER_MS), signal);
    }
    if (record.bytes.length > channel.maxMessage) {
      throw new Failure(
        `Message ${sent + 1} of ${file} has ${record.bytes.length} bytes, and this channel takes ` +
          `${channel.maxMessage}; use a device with larger rings.`,
      );
    }
    await channel.send(record.bytes, { type: record.type, signal });
    progress.set(++sent / count);
  }
  return sent;
}

/** Receives until the channel ends, so that the device never waits for room. */
async function countAnswers(channel: Channel, signal: AbortSignal, counts: { answers: number }) {
  for await (const message of channel.messages({ signal })) {
    if (message.gap === undefined) counts.answers++;
  }
}

async function replay(run: Run): Promise<void> {
  const { channel, signal } = run;
  const counts = { answers: 0 };
  const stop = new AbortController();
  const receiving = countAnswers(channel, AbortSignal.any([signal, stop.signal]), counts);
  // It is awaited below; until then an error is not unhandled.
  receiving.catch(() => {});
  const sent = await send(run);
  await channel.end({ signal });
  const timer = setTimeout(() => stop.abort(stop), LAST_ANSWERS_MS);
  try {
    await receiving;
  } catch (error) {
    if (error !== stop) throw error;
  } finally {
    clearTimeout(timer);
  }
  print(`${sent} messages sent, ${counts.answers} received`);
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: CHANNEL_VALUES,
    flags: ["fast", "json", ...CHANNEL_FLAGS],
    words: 2,
  },
  least: 1,
  async run(line, context): Promise<void> {
    const [file, path] = line.words;
    if (line.flag("json")) return dump(file!);
    if (path === undefined) {
      throw new UsageError("An argument is missing: the device that the messages are sent to.");
    }
    // A wrong file is found before a channel is taken.
    const chosen = survey(file!);
    using device = openNamed(path, line);
    if (device.info().mode !== "stream") {
      throw new Failure(`${path} is not in stream mode; replay to a device that is.`);
    }
    using channel = await attach(device, line, context);
    const fast = line.flag("fast");
    await replay({ file: file!, chosen, channel, fast, signal: context.signal });
  },
};
