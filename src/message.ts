// SPDX-License-Identifier: BSD-3-Clause
import { CONTROL_GAP, CONTROL_PASS, GAP_AT } from "./abi.ts";
import { gapError, KupError } from "./errors.ts";
import type { ChannelMemory } from "./memory.ts";
import { addReads, beyond, MEMORY, PLACE } from "./reads.ts";
import type { Consumer } from "./ring.ts";
import type { Gap, Message } from "./types.ts";

/**
 * The record at the consumer's cursor, as a message. It is valid as long as the consumer's epoch is
 * the same.
 */
export class RecordMessage {
  readonly type: number;
  readonly length: number;
  readonly gap: Gap | undefined;
  readonly pass: boolean;

  readonly [MEMORY]: ChannelMemory;
  readonly #consumer: Consumer;
  readonly #epoch: number;
  readonly #at: number;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView<ArrayBuffer> | undefined;

  constructor(memory: ChannelMemory, consumer: Consumer) {
    const isGap = consumer.control === CONTROL_GAP;
    this.type = consumer.type;
    this.length = isGap ? 0 : consumer.length;
    this.gap = isGap ? readGap(memory, consumer.at) : undefined;
    this.pass = consumer.control === CONTROL_PASS;
    this[MEMORY] = memory;
    this.#consumer = consumer;
    this.#epoch = consumer.epoch;
    this.#at = consumer.at;
  }

  /**
   * Whether the message still lies in the ring. Then it is the newest one, or in the newest batch.
   */
  static isHeld(message: RecordMessage): boolean {
    return message.#consumer.epoch === message.#epoch;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.gap !== undefined || !this.#isValid()) throw this.#refusal(0, this.length);
    // The view's length is 0 after its buffer was transferred.
    if (this.#bytes === undefined || this.#bytes.length !== this.length) {
      this.#bytes = this.pass ? new Uint8Array(0) : this[MEMORY].view(this.#at, this.length);
    }
    return this.#bytes;
  }

  get view(): DataView<ArrayBuffer> {
    const { buffer, byteOffset, length } = this.bytes;
    if (this.#view?.buffer !== buffer) this.#view = new DataView(buffer, byteOffset, length);
    return this.#view;
  }

  [PLACE](offset: number, size: number): number {
    // Written so that NaN and fractions fail, too.
    if (
      offset >>> 0 === offset && offset + size <= this.length && this.gap === undefined &&
      this.#isValid()
    ) return this.#at + offset;
    throw this.#refusal(offset, size);
  }

  #isValid(): boolean {
    // A pass has no bytes, so it is always valid.
    return this.#consumer.epoch === this.#epoch || this.pass;
  }

  #refusal(offset: number, size: number): Error {
    if (this.gap !== undefined) {
      return gapError("A gap has no bytes", this.gap, "look at `message.gap` first");
    }
    if (this.#isValid()) return beyond(offset, size, this.length);
    return new KupError(
      "released",
      "This message's bytes are no longer there: a message is valid until the next receive, on a " +
        "turn channel also until the next send or pass. Copy what has to live longer.",
    );
  }
}

export interface RecordMessage extends Message {}
addReads(RecordMessage.prototype);

/** The content of a GAP record whose payload begins at `at`. */
export function readGap(memory: ChannelMemory, at: number): Gap {
  return {
    records: memory.number64(at + GAP_AT.records),
    bytes: memory.number64(at + GAP_AT.bytes),
  };
}
