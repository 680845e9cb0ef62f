// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup bench`: the rates and round trips of a device that echoes, by the size of messages.
 *
 * @module
 */

import type { Channel } from "../mod.ts";
import type { Command } from "./command.ts";
import { formatBytes } from "./deps.ts";
import { attach, CHANNEL_FLAGS, CHANNEL_TEXT, CHANNEL_VALUES, openNamed } from "./device.ts";
import { numbered, Patience, roundTrip } from "./echo.ts";
import { summarise, type Summary } from "./figures.ts";
import { print, printJson, Progress, table } from "./output.ts";

const USAGE = `usage: kup bench [OPTION]... DEVICE

Measures a device that echoes, with messages of 8 bytes to 16 KiB: round
trips one by one, and, in stream mode, messages there and back with many
on their way.

  --seconds S    how long each measurement takes, 0.5 if it is not given
${CHANNEL_TEXT}
  --json         print an array of objects; times are in microseconds`;

const SIZES: readonly number[] = [8, 64, 512, 4096, 16384];

/** How often the clock is read, and the progress shown: every so many messages. */
const STRIDE = 16;

/** Round trips that are not measured: Deno compiles the code meanwhile. */
const WARM_UP = 200;

/** How long it runs without a look at timers and Ctrl-C, in milliseconds. */
const BREATH_MS = 20;

interface Run {
  readonly channel: Channel;
  readonly length: number;
  readonly milliseconds: number;
  readonly patience: Patience;
  progress(part: number): void;
}

async function measureTrips({ channel, length, milliseconds, patience, progress }: Run) {
  const times: number[] = [];
  const bytes = numbered(length, 1);
  for (let i = 0; i < WARM_UP; i++) await roundTrip(channel, bytes, patience.signal);
  const begin = performance.now();
  for (let now = begin; now - begin < milliseconds;) {
    await roundTrip(channel, bytes, patience.signal);
    const end = performance.now();
    times.push((end - now) * 1000);
    patience.touch();
    progress((end - begin) / milliseconds / 2);
    now = end;
  }
  const perSecond = Math.round(times.length / (performance.now() - begin) * 1000);
  return { ...summarise(times), perSecond };
}

/** Sends without waiting for answers, as long as there is room. Returns messages per second. */
async function measureRate({ channel, length, milliseconds, patience, progress }: Run) {
  const bytes = numbered(length, 2);
  const begin = performance.now();
  let sent = 0;
  let received = 0;
  let end = begin;
  let rested = begin;
  const count = () => {
    received++;
  };
  while (end - begin < milliseconds || received < sent) {
    const sends = end - begin < milliseconds;
    for (let i = 0; sends && i < STRIDE && channel.trySend(bytes); i++) sent++;
    if (channel.drain(count) === 0 && received < sent) {
      const message = await channel.receive({ signal: patience.signal });
      if (message === undefined) break;
      received++;
    }
    patience.touch();
    end = performance.now();
    if (end - rested > BREATH_MS) {
      await patience.rest(0);
      rested = end;
    }
    progress(0.5 + (end - begin) / milliseconds / 2);
  }
  return received / (end - begin) * 1000;
}

interface Result {
  readonly bytes: number;
  readonly roundTrip: Summary & { readonly perSecond: number };
  readonly messagesPerSecond: number | undefined;
}

function toRow({ bytes, roundTrip, messagesPerSecond: rate }: Result) {
  return {
    bytes,
    "p50 us": roundTrip.p50,
    "p99 us": roundTrip.p99,
    "trips/s": roundTrip.perSecond,
    ...(rate === undefined
      ? {}
      : { "echoed/s": Math.round(rate), "each way": `${formatBytes(rate * bytes)}/s` }),
  };
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["seconds", ...CHANNEL_VALUES],
    flags: ["json", ...CHANNEL_FLAGS],
    words: 1,
  },
  least: 1,
  async run(line, context): Promise<void> {
    const seconds = line.number("seconds", { otherwise: 0.5, least: 0.01, most: 3600 });
    using device = openNamed(line.words[0]!, line);
    using channel = await attach(device, line, context);
    using patience = new Patience(context.signal, device.path);
    const most = Math.min(channel.maxMessage, channel.maxReceive);
    const sizes = SIZES.filter((size) => size <= most);
    const results: Result[] = [];
    {
      using bar = new Progress("bench");
      for (const [index, length] of sizes.entries()) {
        const progress = (part: number) => bar.set((index + part) / sizes.length);
        const run = { channel, length, milliseconds: seconds * 1000, patience, progress };
        results.push({
          bytes: length,
          roundTrip: await measureTrips(run),
          messagesPerSecond: channel.mode === "stream" ? await measureRate(run) : undefined,
        });
      }
    }
    if (line.flag("json")) return printJson(results);
    table(results.map(toRow)).forEach(print);
  },
};
