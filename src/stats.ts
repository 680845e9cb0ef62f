// SPDX-License-Identifier: BSD-3-Clause
import {
  STATE_BROKEN,
  STATE_CLOSED,
  STATE_DRAINING,
  STATE_FREE,
  STATE_OPEN,
  STATS_AT,
} from "./abi.ts";
import { systemError } from "./errors.ts";
import type { Native } from "./library.ts";
import type { ChannelTotals, RingBytes } from "./types.ts";

const STATES: Readonly<Record<number, ChannelTotals["state"]>> = {
  [STATE_FREE]: "free",
  [STATE_OPEN]: "open",
  [STATE_CLOSED]: "closed",
  [STATE_BROKEN]: "broken",
  [STATE_DRAINING]: "draining",
};

function pair(view: DataView, toUserAt: number, toKernelAt: number): RingBytes {
  return { toUser: view.getUint32(toUserAt, true), toKernel: view.getUint32(toKernelAt, true) };
}

/** Makes the ioctl STATS, on any handle of the device. */
export function readTotals(
  native: Native,
  fd: number,
  channel: number,
  subject: string,
): ChannelTotals {
  const buffer = new Uint8Array(STATS_AT.SIZE);
  const view = new DataView(buffer.buffer);
  view.setUint32(STATS_AT.channel, channel, true);
  const result = native.kup_user_stats(fd, buffer);
  if (result < 0) throw systemError("stats", result, subject);
  const counter = (at: number) => Number(view.getBigUint64(at, true));
  return {
    state: STATES[view.getUint32(STATS_AT.state, true)] ?? "broken",
    generation: view.getUint32(STATS_AT.generation, true),
    toUserRecords: counter(STATS_AT.toUserRecords),
    toUserBytes: counter(STATS_AT.toUserPayload),
    toKernelRecords: counter(STATS_AT.toKernelRecords),
    toKernelBytes: counter(STATS_AT.toKernelPayload),
    droppedNoSpace: counter(STATS_AT.droppedNoSpace),
    droppedTooLong: counter(STATS_AT.droppedTooLong),
    wakeups: counter(STATS_AT.wakeups),
    sleeps: counter(STATS_AT.sleeps),
    kicks: counter(STATS_AT.kicks),
    ioctls: counter(STATS_AT.ioctls),
    polls: counter(STATS_AT.polls),
    process: view.getUint32(STATS_AT.process, true) || undefined,
    ringBytes: pair(view, STATS_AT.toUserBytes, STATS_AT.toKernelBytes),
    usedBytes: pair(view, STATS_AT.toUserUsed, STATS_AT.toKernelUsed),
  };
}
