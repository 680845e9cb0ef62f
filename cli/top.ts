// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup top`: the rates of all channels, without attaching any.
 *
 * @module
 */

import { type ChannelTotals, type Device, KupError } from "../mod.ts";
import { type Command, type Context, Interrupted, pause } from "./command.ts";
import type { CommandLine } from "./command_line.ts";
import { formatBytes } from "./deps.ts";
import { channelsOf, describeUser, integer, namedDevices, openAll } from "./device.ts";
import { print, printJson, type Row, table, write } from "./output.ts";

const USAGE = `usage: kup top [OPTION]... [DEVICE]...

Shows the rates of each channel, without attaching any. Ctrl-C ends it.

  DEVICE         all devices of the system if none is given (Deno needs -A)
  --interval S   seconds between two looks, 1 if it is not given
  --count N      stop after so many looks
  --all          show free channels, too
  --json         print one object for each look, on a line`;

interface Look {
  readonly at: number;
  readonly totals: readonly ChannelTotals[];
}

function look(device: Device): Look {
  return {
    totals: channelsOf(device).map((number) => device.totals(number)),
    at: performance.now(),
  };
}

function rate(before: Look, after: Look, channel: number) {
  const [old, now] = [before.totals[channel]!, after.totals[channel]!];
  const seconds = (after.at - before.at) / 1000;
  const per = (count: (one: ChannelTotals) => number) =>
    Math.round((count(now) - count(old)) / seconds);
  return {
    channel,
    state: now.state,
    process: now.process,
    receivedPerSecond: per((one) => one.toUserRecords),
    receivedBytesPerSecond: per((one) => one.toUserBytes),
    sentPerSecond: per((one) => one.toKernelRecords),
    sentBytesPerSecond: per((one) => one.toKernelBytes),
    wakeupsPerSecond: per((one) => one.wakeups),
    kicksPerSecond: per((one) => one.kicks),
    droppedPerSecond: per((one) => one.droppedNoSpace + one.droppedTooLong),
    usedBytes: now.usedBytes,
    ringBytes: now.ringBytes,
    user: describeUser(now),
  };
}

type Rate = ReturnType<typeof rate>;

function fill({ usedBytes, ringBytes }: Rate, side: "toUser" | "toKernel"): string {
  const bytes = ringBytes[side];
  return bytes === 0 ? "-" : `${Math.round(100 * usedBytes[side] / bytes)}%`;
}

function toRow(device: Device, rate: Rate): Row {
  return {
    device: device.path,
    ch: rate.channel,
    state: rate.state,
    "in/s": rate.receivedPerSecond,
    "out/s": rate.sentPerSecond,
    "bytes/s": formatBytes(rate.receivedBytesPerSecond + rate.sentBytesPerSecond),
    "wakes/s": rate.wakeupsPerSecond,
    "drops/s": rate.droppedPerSecond,
    "fill in": fill(rate, "toUser"),
    out: fill(rate, "toKernel"),
    user: rate.user || "-",
  };
}

const CLEAR = "\x1b[H\x1b[J";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const encoder = new TextEncoder();

function show(rates: readonly (readonly [Device, Rate])[], line: CommandLine): void {
  if (line.flag("json")) {
    return printJson(rates.map(([{ path }, { user: _, ...rate }]) => ({ device: path, ...rate })));
  }
  if (Deno.stdout.isTerminal()) write(encoder.encode(CLEAR));
  const shown = rates.filter(([, { state }]) => line.flag("all") || state !== "free");
  if (shown.length === 0) print("No channel is attached.");
  table(shown.map(([device, rate]) => toRow(device, rate))).forEach(print);
  if (!Deno.stdout.isTerminal()) print("");
}

/**
 * Looks at all devices. Those that are gone are left out.
 *
 * @throws {KupError} `"gone"` if no device is left.
 */
function lookAtAll(devices: Iterable<Device>): Map<Device, Look> {
  const looks = new Map<Device, Look>();
  let gone: KupError | undefined;
  for (const device of devices) {
    try {
      looks.set(device, look(device));
    } catch (error) {
      if (!(error instanceof KupError && error.code === "gone")) throw error;
      gone = error;
    }
  }
  if (looks.size === 0 && gone !== undefined) throw gone;
  return looks;
}

async function watch(devices: readonly Device[], line: CommandLine, { signal }: Context) {
  const interval = line.number("interval", { otherwise: 1, least: 0.05, most: 3600 });
  const count = integer(line, "count", 1, 2 ** 32) ?? Infinity;
  let before = lookAtAll(devices);
  for (let number = 0; number < count; number++) {
    await pause(interval * 1000, signal);
    const after = lookAtAll(before.keys());
    const rates = [...after].flatMap(([device, now]) =>
      channelsOf(device).map((channel) =>
        [device, rate(before.get(device)!, now, channel)] as const
      )
    );
    show(rates, line);
    before = after;
  }
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["interval", "count"],
    flags: ["all", "json"],
    words: Infinity,
  },
  async run(line, context): Promise<void> {
    using devices = openAll(namedDevices(line));
    const draws = Deno.stdout.isTerminal() && !line.flag("json");
    if (draws) write(encoder.encode(HIDE_CURSOR));
    try {
      await watch(devices, line, context);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    } finally {
      if (draws) write(encoder.encode(SHOW_CURSOR));
    }
  },
};
