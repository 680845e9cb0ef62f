// SPDX-License-Identifier: BSD-3-Clause
import { CONTROL_GAP, STAMP_AT } from "./abi.ts";
import { gapError, KupError } from "./errors.ts";
import { readGap } from "./message.ts";
import type { ChannelMemory } from "./memory.ts";
import { addReads, beyond, MEMORY, PLACE } from "./reads.ts";
import type { Consumer } from "./ring.ts";
import { stampTime, stampTimeNs } from "./stamps.ts";
import type { Cursor, Gap } from "./types.ts";

/** No read fits into a record of this length. */
const OVER = -1;

/**
 * The record that a drain has reached. One object serves all records of a channel. Its reads of
 * numbers are its own: V8 makes shared ones slower, because they get objects of several classes.
 */
export class RecordCursor {
  type = 0;
  length = 0;
  gap: Gap | undefined;
  readonly #memory: ChannelMemory;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #data: DataView<ArrayBuffer>;
  #at = 0;
  /** The length for the checks: OVER if there is nothing to read. */
  #end = OVER;

  constructor(memory: ChannelMemory) {
    this.#memory = memory;
    this.#bytes = memory.bytes;
    this.#words = memory.words;
    this.#data = memory.data;
  }

  /** Moves to a message. `at` is where its bytes begin. */
  move(at: number, type: number, length: number): void {
    this.#at = at;
    this.type = type;
    this.#end = this.length = length;
    this.gap = undefined;
  }

  /** Moves to the control record that the consumer has reached. */
  moveToControl({ at, control }: Consumer): void {
    this.#at = at;
    this.type = this.length = 0;
    this.#end = OVER;
    this.gap = control === CONTROL_GAP ? readGap(this.#memory, at) : undefined;
  }

  /** Called when the drain is over: there is no record. */
  leave(): void {
    this.#end = OVER;
    this.gap = undefined;
  }

  u8(offset: number): number {
    return this.#bytes[this.#place(offset, 1)]!;
  }

  u16(offset: number): number {
    return this.#data.getUint16(this.#place(offset, 2), true);
  }

  u32(offset: number): number {
    return this.i32(offset) >>> 0;
  }

  i32(offset: number): number {
    const at = this.#place(offset, 4);
    return (at & 3) === 0 ? this.#words[at >> 2]! : this.#data.getInt32(at, true);
  }

  f32(offset: number): number {
    return this.#data.getFloat32(this.#place(offset, 4), true);
  }

  f64(offset: number): number {
    return this.#data.getFloat64(this.#place(offset, 8), true);
  }

  u64(offset: number): bigint {
    return this.#data.getBigUint64(this.#place(offset, 8), true);
  }

  i64(offset: number): bigint {
    return this.#data.getBigInt64(this.#place(offset, 8), true);
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

  #isThere(): boolean {
    return this.#end !== OVER || this.gap !== undefined;
  }

  #stampAt(): number | undefined {
    if (!this.#isThere()) throw this.#left();
    return this.#memory.stamped ? this.#at - STAMP_AT.SIZE : undefined;
  }

  get [MEMORY](): ChannelMemory {
    return this.#memory;
  }

  [PLACE](offset: number, size: number): number {
    return this.#place(offset, size);
  }

  #place(offset: number, size: number): number {
    // Written so that NaN and fractions fail, too.
    if (offset >>> 0 === offset && offset + size <= this.#end) return this.#at + offset;
    throw this.#refusal(offset, size);
  }

  #refusal(offset: number, size: number): Error {
    if (!this.#isThere()) return this.#left();
    if (this.gap === undefined) return beyond(offset, size, this.length);
    return gapError("A gap has no bytes", this.gap, "look at `gap` first");
  }

  #left(): KupError {
    return new KupError(
      "released",
      "The cursor has no record: it is valid until the callback returns. Copy what has to live " +
        "longer.",
    );
  }
}

export interface RecordCursor extends Cursor {}
addReads(RecordCursor.prototype);
