// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup ping`: the times of round trips.
 *
 * @module
 */

import type { Channel } from "../mod.ts";
import { type Command, Failure } from "./command.ts";
import type { CommandLine } from "./command_line.ts";
import {
  attach,
  CHANNEL_FLAGS,
  CHANNEL_TEXT,
  CHANNEL_VALUES,
  integer,
  openNamed,
} from "./device.ts";
import { isInterrupt, numbered, Patience, roundTrip } from "./echo.ts";
import { histogram, summarise } from "./figures.ts";
import { columns, print, printJson, Progress } from "./output.ts";

const USAGE = `usage: kup ping [OPTION]... DEVICE

Sends messages to a device that echoes, and measures the round trips.
Ctrl-C ends it, and prints what was measured.

  --count N      how many round trips, 1000 if it is not given
  --bytes N      how long each message is, 64 if it is not given
  --interval MS  milliseconds between two round trips, 0 if it is not given
${CHANNEL_TEXT}
  --json         print an object; all times are in microseconds`;

/** The largest messages that a usual module takes; the channel has a limit of its own. */
const MOST_BYTES = 2 ** 30;

async function measure(
  channel: Channel,
  times: number[],
  line: CommandLine,
  patience: Patience,
): Promise<void> {
  const count = integer(line, "count", 1, 10_000_000) ?? 1000;
  const length = integer(line, "bytes", 1, MOST_BYTES) ?? 64;
  const interval = line.number("interval", { otherwise: 0, least: 0, most: 60_000 });
  const most = Math.min(channel.maxMessage, channel.maxReceive);
  if (length > most) {
    throw new Failure(`The longest message of this channel has ${most} bytes, not ${length}.`);
  }
  using progress = new Progress("ping");
  for (let number = 0; number < count; number++) {
    const bytes = numbered(length, number);
    patience.touch();
    const start = performance.now();
    await roundTrip(channel, bytes, patience.signal);
    times.push((performance.now() - start) * 1000);
    progress.set(number / count);
    if (interval > 0 && number + 1 < count) await patience.rest(interval);
  }
}

function show(times: readonly number[], path: string, length: string, json: boolean): void {
  const summary = summarise(times);
  if (json) return printJson({ device: path, bytes: Number(length), microseconds: summary });
  print(`${path}: ${summary.count} x ${length} bytes, microseconds`);
  const { count: _, ...figures } = summary;
  for (const [title, value] of Object.entries(figures)) {
    print(`  ${title.padEnd(5)} ${value.toFixed(1).padStart(10)}`);
  }
  print("");
  histogram(times, columns()).forEach(print);
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["count", "bytes", "interval", ...CHANNEL_VALUES],
    flags: ["json", ...CHANNEL_FLAGS],
    words: 1,
  },
  least: 1,
  async run(line, context): Promise<void> {
    using device = openNamed(line.words[0]!, line);
    using channel = await attach(device, line, context);
    using patience = new Patience(context.signal, device.path);
    const times: number[] = [];
    try {
      await measure(channel, times, line, patience);
    } catch (error) {
      if (!isInterrupt(error) || times.length === 0) throw error;
    }
    show(times, device.path, line.value("bytes") ?? "64", line.flag("json"));
  },
};
