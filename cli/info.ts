// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup info`: what a device reports about itself, and about each channel.
 *
 * @module
 */

import { open } from "../mod.ts";
import type { Command } from "./command.ts";
import { formatBytes } from "./deps.ts";
import { channelsOf, describeUser } from "./device.ts";
import { print, printJson, table } from "./output.ts";

const USAGE = `usage: kup info [--json] DEVICE

Describes a device and its channels, without attaching any.

  --json   print an object`;

function percent(used: number, bytes: number): string {
  return bytes === 0 ? "-" : `${Math.round(100 * used / bytes)}%`;
}

function size(bytes: number): string {
  return formatBytes(bytes, { binary: true });
}

/** The command. */
export const command: Command = {
  usage: { text: USAGE, flags: ["json"], words: 1 },
  least: 1,
  // deno-lint-ignore require-await -- all commands are asynchronous.
  async run(line): Promise<void> {
    using device = open(line.words[0]!);
    const info = device.info();
    const totals = channelsOf(device).map((number) => ({ number, ...device.totals(number) }));
    if (line.flag("json")) return printJson({ path: device.path, ...info, totals });
    const { ringBytes, maxRingBytes } = info;
    const both = (rings: typeof ringBytes) => `${size(rings.toUser)}, ${size(rings.toKernel)}`;
    const lines: [string, string | number][] = [
      ["device", device.path],
      ["name", info.name],
      ["mode", info.mode],
      ["ABI", info.abiVersion],
      ["channels", `${info.channels}, ${info.channelsFree} of them free`],
      ["rings in, out", both(ringBytes)],
      ["at most", both(maxRingBytes)],
      ["attaches", info.attaches],
      ["spins for", `${info.spinMicroseconds} us`],
    ];
    for (const [title, value] of lines) print(`${title.padEnd(14)} ${value}`);
    print("");
    const rows = totals.map((one) => ({
      channel: one.number,
      state: one.state,
      received: one.toUserRecords,
      sent: one.toKernelRecords,
      dropped: one.droppedNoSpace + one.droppedTooLong,
      "wake-ups": one.wakeups,
      kicks: one.kicks,
      "fill in": percent(one.usedBytes.toUser, one.ringBytes.toUser),
      "fill out": percent(one.usedBytes.toKernel, one.ringBytes.toKernel),
      "attached by": describeUser(one) || "-",
    }));
    table(rows).forEach(print);
  },
};
