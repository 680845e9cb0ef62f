// SPDX-License-Identifier: BSD-3-Clause
import { CONTROL_GAP, STAMP_AT } from "./abi.ts";
import { gapError, KupError } from "./errors.ts";
import { readGap } from "./message.ts";
import type { ChannelMemory } from "./memory.ts";
import type { Consumer } from "./ring.ts";
import { stampTime, stampTimeNs } from "./stamps.ts";
import type { Cursor, Gap } from "./types.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** No read fits into a record of this length. */
const OVER = -1;

/** Where no record is. */
const NOWHERE = -1;

/**
 * The record that a drain has reached. One object serves all records of a channel. It reads through
 * the private buffer, and each read is checked against the length that the ring has checked.
 */
export class RecordCursor implements Cursor {
  type = 0;
  length = 0;
  gap: Gap | undefined;

  readonly #memory: ChannelMemory;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  /** Where the record's bytes begin. */
  #at = NOWHERE;
  /** The length for the checks: OVER if there is no record. */
  #end = OVER;

  constructor(memory: ChannelMemory) {
    this.#memory = memory;
    this.#bytes = memory.bytes;
    this.#words = memory.words;
    this.#view = new DataView(memory.bytes.buffer);
  }

  /** Moves to the record that the consumer has reached. */
  move(consumer: Consumer): void {
    this.#at = consumer.at;
    if (consumer.control === 0) {
      this.type = consumer.type;
      this.#end = this.length = consumer.length;
      this.gap = undefined;
    } else {
      this.#setGap(consumer);
    }
  }

  #setGap(consumer: Consumer): void {
    this.type = this.length = 0;
    this.#end = OVER;
    this.gap = consumer.control === CONTROL_GAP ? readGap(this.#memory, consumer.at) : undefined;
  }

  /** Called when the callback has returned: there is no record. */
  leave(): void {
    this.#end = OVER;
    this.#at = NOWHERE;
  }

  get timestamp(): number | undefined {
    const at = this.#stampAt();
    return at === undefined ? undefined : stampTime(this.#memory, at);
  }

  get timestampNs(): bigint | undefined {
    const at = this.#stampAt();
    return at === undefined ? undefined : stampTimeNs(this.#memory, at);
  }

  get cpu(): number | undefined {
    const at = this.#stampAt();
    return at === undefined ? undefined : this.#memory.number32(at + STAMP_AT.cpu);
  }

  get sequence(): number | undefined {
    const at = this.#stampAt();
    return at === undefined ? undefined : this.#memory.number32(at + STAMP_AT.sequence);
  }

  #stampAt(): number | undefined {
    if (this.#at === NOWHERE) throw this.#left();
    return this.#memory.stamped ? this.#at - STAMP_AT.SIZE : undefined;
  }

  u8(offset: number): number {
    return this.#bytes[this.#place(offset, 1)]!;
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#place(offset, 2), true);
  }

  u32(offset: number): number {
    return this.i32(offset) >>> 0;
  }

  i32(offset: number): number {
    const at = this.#place(offset, 4);
    return (at & 3) === 0 ? this.#words[at >> 2]! : this.#view.getInt32(at, true);
  }

  f32(offset: number): number {
    return this.#view.getFloat32(this.#place(offset, 4), true);
  }

  f64(offset: number): number {
    return this.#view.getFloat64(this.#place(offset, 8), true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(this.#place(offset, 8), true);
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(this.#place(offset, 8), true);
  }

  text(offset = 0, length = this.length - offset): string {
    return decoder.decode(this.#part(offset, length));
  }

  copy(offset = 0, length = this.length - offset): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#part(offset, length));
  }

  copyInto(target: Uint8Array, at = 0): number {
    const part = this.#part(0, this.length);
    target.set(part, at);
    return part.length;
  }

  /** Where `size` bytes from `offset` on lie. */
  #place(offset: number, size: number): number {
    // Written so that NaN and fractions fail, too.
    if (offset >>> 0 === offset && offset + size <= this.#end) return this.#at + offset;
    throw this.#refusal(offset, size);
  }

  #part(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (length >>> 0 !== length) throw this.#refusal(offset, length);
    return new Uint8Array(this.#bytes.buffer, this.#place(offset, length), length);
  }

  #refusal(offset: number, size: number): Error {
    if (this.gap !== undefined) {
      return gapError("A gap has no bytes", this.gap, "look at `gap` first");
    }
    if (this.#end === OVER) return this.#left();
    return new RangeError(
      `There are no ${String(size)} bytes at offset ${String(offset)}: the message has ` +
        `${this.length} bytes.`,
    );
  }

  #left(): KupError {
    return new KupError(
      "released",
      "The cursor has no record: it is valid until the callback returns. Copy what has to live " +
        "longer.",
    );
  }
}
