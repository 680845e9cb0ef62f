// SPDX-License-Identifier: BSD-3-Clause
import { CONTROL_GAP, CONTROL_PASS, GAP_AT } from "./abi.ts";
import { gapError, KupError } from "./errors.ts";
import type { ChannelMemory } from "./memory.ts";
import { addReads, beyond, MEMORY, PLACE } from "./reads.ts";
import type { Consumer } from "./ring.ts";
import { readStamp, type StampValues } from "./stamps.ts";
import type { Gap, Message } from "./types.ts";

/**
 * The record at the consumer's cursor, as a message. It is valid as long as the consumer's epoch is
 * the same. It has no private methods, because V8 stores a brand in each object of a class that has
 * some.
 */
export class RecordMessage {
  readonly type: number;

  readonly #length: number;
  readonly #memory: ChannelMemory;
  readonly #consumer: Consumer;
  readonly #epoch: number;
  readonly #at: number;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView<ArrayBuffer> | undefined;

  constructor(memory: ChannelMemory, consumer: Consumer, length = consumer.length) {
    this.type = consumer.type;
    this.#length = length;
    this.#memory = memory;
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

  get length(): number {
    return this.#length;
  }

  // These are for DetailedMessage.
  get gap(): Gap | undefined {
    return undefined;
  }

  get pass(): boolean {
    return false;
  }

  get timestamp(): number | undefined {
    return undefined;
  }

  get timestampNs(): bigint | undefined {
    return undefined;
  }

  get cpu(): number | undefined {
    return undefined;
  }

  get sequence(): number | undefined {
    return undefined;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    RecordMessage.#check(this);
    // The view's length is 0 after its buffer was transferred.
    if (this.#bytes?.length !== this.#length) {
      this.#bytes = this.pass ? new Uint8Array(0) : this.#memory.view(this.#at, this.#length);
    }
    return this.#bytes;
  }

  get view(): DataView<ArrayBuffer> {
    const { buffer, byteOffset, length } = this.bytes;
    if (this.#view?.buffer !== buffer) this.#view = new DataView(buffer, byteOffset, length);
    return this.#view;
  }

  get [MEMORY](): ChannelMemory {
    return this.#memory;
  }

  [PLACE](offset: number, size: number): number {
    // Written so that NaN and fractions fail, too.
    if (
      offset >>> 0 === offset && offset + size <= this.#length && RecordMessage.isHeld(this) &&
      this.gap === undefined
    ) return this.#at + offset;
    RecordMessage.#check(this);
    // A pass is valid after the next receive, too.
    if (offset === 0 && size === 0) return 0;
    throw beyond(offset, size, this.#length);
  }

  static #check(message: RecordMessage): void {
    if (message.gap !== undefined) {
      throw gapError("A gap has no bytes", message.gap, "look at `message.gap` first");
    }
    // A pass has no bytes, so it is always valid.
    if (message.pass || RecordMessage.isHeld(message)) return;
    throw new KupError(
      "released",
      "This message's bytes are no longer there: a message is valid until the next receive, on a " +
        "turn channel also until the next send or pass. Copy what has to live longer.",
    );
  }
}

export interface RecordMessage extends Message {}
addReads(RecordMessage.prototype);

/**
 * A gap, a pass, or a message with a stamp. Ordinary messages don't have these fields, which costs
 * each of them less. A stamp is valid for as long as the object exists.
 */
export class DetailedMessage extends RecordMessage {
  readonly #gap: Gap | undefined;
  readonly #pass: boolean;
  readonly #stamp: StampValues | undefined;

  constructor(memory: ChannelMemory, consumer: Consumer) {
    const isGap = consumer.control === CONTROL_GAP;
    super(memory, consumer, isGap ? 0 : consumer.length);
    this.#gap = isGap ? readGap(memory, consumer.at) : undefined;
    this.#pass = consumer.control === CONTROL_PASS;
    this.#stamp = memory.stamped ? readStamp(memory, consumer.stampAt) : undefined;
  }

  override get gap(): Gap | undefined {
    return this.#gap;
  }

  override get pass(): boolean {
    return this.#pass;
  }

  override get timestamp(): number | undefined {
    return this.#stamp?.timestamp;
  }

  override get timestampNs(): bigint | undefined {
    return this.#stamp?.timestampNs;
  }

  override get cpu(): number | undefined {
    return this.#stamp?.cpu;
  }

  override get sequence(): number | undefined {
    return this.#stamp?.sequence;
  }
}

/** The content of a GAP record whose payload begins at `at`. */
export function readGap(memory: ChannelMemory, at: number): Gap {
  return {
    records: memory.number64(at + GAP_AT.records),
    bytes: memory.number64(at + GAP_AT.bytes),
  };
}
