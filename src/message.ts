// SPDX-License-Identifier: BSD-3-Clause
import { CONTROL_GAP, CONTROL_PASS, GAP_AT } from "./abi.ts";
import { gapError, KupError } from "./errors.ts";
import type { ChannelMemory } from "./memory.ts";
import type { Consumer } from "./ring.ts";
import type { Gap, Message } from "./types.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The record at the consumer's cursor, as a message. It is valid as long as the consumer's epoch is
 * the same.
 */
export class RecordMessage implements Message {
  readonly type: number;
  readonly length: number;
  readonly gap: Gap | undefined;
  readonly pass: boolean;

  readonly #memory: ChannelMemory;
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
    this.#memory = memory;
    this.#consumer = consumer;
    this.#epoch = consumer.epoch;
    this.#at = consumer.at;
    if (this.pass) this.#bytes = new Uint8Array(0);
  }

  /**
   * Whether the message still lies in the ring. Then it is the newest one, or in the newest batch.
   */
  static isHeld(message: RecordMessage): boolean {
    return message.#consumer.epoch === message.#epoch;
  }

  // These are for StampedMessage.
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
    this.#check();
    // The view's length is 0 after its buffer was transferred.
    if (this.#bytes?.length !== this.length) this.#bytes = this.#memory.view(this.#at, this.length);
    return this.#bytes;
  }

  get view(): DataView<ArrayBuffer> {
    const { buffer, byteOffset, length } = this.bytes;
    if (this.#view?.buffer !== buffer) this.#view = new DataView(buffer, byteOffset, length);
    return this.#view;
  }

  text(): string {
    return decoder.decode(this.#private());
  }

  json(): unknown {
    return JSON.parse(this.text());
  }

  copy(): Uint8Array<ArrayBuffer> {
    // The constructor allocates without zeroing first.
    return new Uint8Array(this.#private());
  }

  copyInto(target: Uint8Array, at = 0): number {
    const bytes = this.#private();
    target.set(bytes, at);
    return bytes.length;
  }

  #check(): void {
    if (this.gap !== undefined) {
      throw gapError("A gap has no bytes", this.gap, "look at `message.gap` first");
    }
    // A pass has no bytes, so it is always valid.
    if (this.pass || this.#consumer.epoch === this.#epoch) return;
    throw new KupError(
      "released",
      "This message's bytes are no longer there: a message is valid until the next receive, on a " +
        "turn channel also until the next send or pass. Copy what has to live longer.",
    );
  }

  /** The bytes, through the private buffer: the public one may be detached. */
  #private(): Uint8Array<ArrayBuffer> {
    this.#check();
    if (this.pass) return new Uint8Array(0);
    return new Uint8Array(this.#memory.bytes.buffer, this.#at, this.length);
  }
}

/** The content of a GAP record whose payload begins at `at`. */
export function readGap(memory: ChannelMemory, at: number): Gap {
  return {
    records: memory.number64(at + GAP_AT.records),
    bytes: memory.number64(at + GAP_AT.bytes),
  };
}
