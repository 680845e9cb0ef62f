// SPDX-License-Identifier: BSD-3-Clause
/**
 * The time, processor and number of each message on a channel with stamps.
 *
 * @module
 */

import { STAMP_AT } from "./abi.ts";
import type { ChannelMemory } from "./memory.ts";
import { RecordMessage } from "./message.ts";
import type { Consumer } from "./ring.ts";

/** The time of a stamp in milliseconds, comparable with `performance.now()`. */
export function stampTime(memory: ChannelMemory, at: number): number {
  return memory.number64(at + STAMP_AT.timeNs) / 1e6 - memory.stampOrigin!;
}

/** The time of a stamp as it is in memory. */
export function stampTimeNs(memory: ChannelMemory, at: number): bigint {
  const high = memory.number32(at + STAMP_AT.timeNs + 4);
  return BigInt(high) << 32n | BigInt(memory.number32(at + STAMP_AT.timeNs));
}

/** A message with a stamp, which is valid for as long as the object exists. */
export class StampedMessage extends RecordMessage {
  readonly #timestamp: number;
  readonly #timestampNs: bigint;
  readonly #cpu: number;
  readonly #sequence: number;

  constructor(memory: ChannelMemory, consumer: Consumer) {
    super(memory, consumer);
    const at = consumer.stampAt;
    this.#timestamp = stampTime(memory, at);
    this.#timestampNs = stampTimeNs(memory, at);
    this.#cpu = memory.number32(at + STAMP_AT.cpu);
    this.#sequence = memory.number32(at + STAMP_AT.sequence);
  }

  override get timestamp(): number {
    return this.#timestamp;
  }

  override get timestampNs(): bigint {
    return this.#timestampNs;
  }

  override get cpu(): number {
    return this.#cpu;
  }

  override get sequence(): number {
    return this.#sequence;
  }
}
