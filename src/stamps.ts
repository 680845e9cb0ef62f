// SPDX-License-Identifier: BSD-3-Clause
/**
 * The time, processor and number of each message on a channel with stamps.
 *
 * @module
 */

import { STAMP_AT } from "./abi.ts";
import type { ChannelMemory } from "./memory.ts";

/** What a stamp contains; `Stamp` describes it. */
export interface StampValues {
  readonly timestamp: number;
  readonly timestampNs: bigint;
  readonly cpu: number;
  readonly sequence: number;
}

/** The stamp that begins at `at`. */
export function readStamp(memory: ChannelMemory, at: number): StampValues {
  return {
    timestamp: stampTime(memory, at),
    timestampNs: stampTimeNs(memory, at),
    cpu: memory.number32(at + STAMP_AT.cpu),
    sequence: memory.number32(at + STAMP_AT.sequence),
  };
}

/** The time of a stamp in milliseconds, comparable with `performance.now()`. */
export function stampTime(memory: ChannelMemory, at: number): number {
  return memory.number64(at + STAMP_AT.timeNs) / 1e6 - memory.stampOrigin!;
}

/** The time of a stamp as it is in memory. */
export function stampTimeNs(memory: ChannelMemory, at: number): bigint {
  const high = memory.number32(at + STAMP_AT.timeNs + 4);
  return BigInt(high) << 32n | BigInt(memory.number32(at + STAMP_AT.timeNs));
}
