// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup list`: the devices, their users and their counters.
 *
 * @module
 */

import { type Device, KupError, open } from "../mod.ts";
import type { Command } from "./command.ts";
import { formatBytes } from "./deps.ts";
import { channelsOf, describeUser, namedDevices } from "./device.ts";
import { oneLine, print, printJson, type Row, table, warn } from "./output.ts";

const USAGE = `usage: kup list [--json] [DEVICE]...

Lists devices, the processes that have attached their channels, and
counters of all channels since the device was created.

  DEVICE   all devices of the system if none is given (Deno needs -A)
  --json   print an array of objects

Devices of the host driver belong to a process. Name one to load it:
kup list host:echo`;

function describe(device: Device) {
  const { name, mode, channels, channelsFree, attaches } = device.info();
  const totals = channelsOf(device).map((number) => ({ number, ...device.totals(number) }));
  return { path: device.path, name, mode, channels, channelsFree, attaches, totals };
}

type Description = ReturnType<typeof describe>;

function sum(totals: Description["totals"], count: (one: Description["totals"][0]) => number) {
  return totals.reduce((all, one) => all + count(one), 0);
}

function toRow({ path, mode, channels, channelsFree, totals }: Description): Row {
  const users = totals.flatMap((one) => one.state === "free" ? [] : [describeUser(one)]);
  return {
    device: path,
    mode,
    taken: `${channels - channelsFree}/${channels}`,
    received: sum(totals, (one) => one.toUserRecords),
    sent: sum(totals, (one) => one.toKernelRecords),
    bytes: formatBytes(sum(totals, (one) => one.toUserBytes + one.toKernelBytes)),
    dropped: sum(totals, (one) => one.droppedNoSpace + one.droppedTooLong),
    "attached by": [...new Set(users)].join(", ") || "-",
  };
}

/** Reports a device that can't be opened, so that the others are still listed. */
function tryDescribe(path: string): Description | undefined {
  try {
    using device = open(path);
    return describe(device);
  } catch (error) {
    if (!(error instanceof KupError)) throw error;
    warn(`kup list: ${oneLine(error.message)}`);
    return undefined;
  }
}

/** The command. */
export const command: Command = {
  usage: { text: USAGE, flags: ["json"], words: Infinity },
  // deno-lint-ignore require-await -- all commands are asynchronous.
  async run(line): Promise<number> {
    const paths = namedDevices(line);
    const found = paths.map(tryDescribe).filter((one) => one !== undefined);
    if (line.flag("json")) printJson(found);
    else if (found.length > 0) table(found.map(toRow)).forEach(print);
    else if (paths.length === 0) print("No module has made a device.");
    return found.length === paths.length ? 0 : 1;
  },
};
