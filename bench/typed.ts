// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Generated from typed.h by `kup bind typed.h`. Do not edit.
// deno-fmt-ignore-file
// deno-lint-ignore-file

/**
 * The messages that typed.h declares: readers, writers and constants.
 *
 * @module
 */


/** What the readers read: a message or a cursor of `@kup/kup`, or {@linkcode Bytes}. */
export interface Source {
  readonly length: number;
  u8(offset: number): number;
  u16(offset: number): number;
  u32(offset: number): number;
  i32(offset: number): number;
  f32(offset: number): number;
  f64(offset: number): number;
  u64(offset: number): bigint;
  i64(offset: number): bigint;
  text(offset: number, length: number): string;
}

/** Bytes that are no message, such as a copy of one, to be read in the same way. */
export class Bytes implements Source {
  readonly length: number;
  readonly #view: DataView;

  constructor(data: ArrayBufferLike | ArrayBufferView) {
    this.#view = ArrayBuffer.isView(data)
      ? new DataView(data.buffer, data.byteOffset, data.byteLength)
      : new DataView(data);
    this.length = this.#view.byteLength;
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  i32(offset: number): number {
    return this.#view.getInt32(offset, true);
  }

  f32(offset: number): number {
    return this.#view.getFloat32(offset, true);
  }

  f64(offset: number): number {
    return this.#view.getFloat64(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(offset, true);
  }

  text(offset: number, length: number): string {
    const { buffer, byteOffset } = this.#view;
    return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + offset, length));
  }
}

const NOTHING: Source = new Bytes(new ArrayBuffer(0));

/** What the writers write: a reservation of `@kup/kup`, or an array of bytes. */
export type Target = Uint8Array | { readonly bytes: Uint8Array };

const NO_ROOM = new DataView(new ArrayBuffer(0));

function short(name: string, size: number, offset: number, length: number): RangeError {
  const from = offset === 0 ? "" : ` from offset ${offset} on`;
  return new RangeError(`${name} takes ${size} bytes${from}, and there are ${length}.`);
}

function element(index: number, count: number, name: string): number {
  if (index >>> 0 === index && index < count) return index;
  throw new RangeError(`${name} has no element ${index}: use 0 to ${count - 1}.`);
}

function whole(value: number, least: number, most: number, name: string): number {
  if (value >= least && value <= most && Math.floor(value) === value) return value;
  throw new RangeError(`${name} takes an integer from ${least} to ${most}, not ${value}.`);
}

/** Reads `struct bench_typed`. One object reads any number of messages, one by one. */
export class BenchTyped {
  /** Its size in bytes. */
  static readonly SIZE = 64;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    number: 0,
    zero: 4,
    temperature: 8,
    flags: 12,
    kind: 14,
    valid: 15,
    mean: 16,
    least: 24,
    most: 28,
    counts: 32,
  } as const;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 64 <= source.length)) {
      throw short("BenchTyped", 64, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get number(): number {
    return this.#source.u32(this.#at);
  }

  get zero(): number {
    return this.#source.u32(this.#at + 4);
  }

  get temperature(): number {
    return this.#source.i32(this.#at + 8);
  }

  get flags(): number {
    return this.#source.u16(this.#at + 12);
  }

  get kind(): number {
    return this.#source.u8(this.#at + 14);
  }

  get valid(): boolean {
    return this.#source.u8(this.#at + 15) !== 0;
  }

  get mean(): number {
    return this.#source.f64(this.#at + 16);
  }

  get least(): number {
    return this.#source.f32(this.#at + 24);
  }

  get most(): number {
    return this.#source.f32(this.#at + 28);
  }

  /** An element of [8]. */
  counts(index: number): number {
    return this.#source.u32(this.#at + 32 + element(index, 8, "counts") * 4);
  }
}

/**
 * Writes `struct bench_typed`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class BenchTypedWriter {
  /** Its size in bytes. */
  static readonly SIZE = 64;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 64 <= bytes.length)) {
      throw short("BenchTyped", 64, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 64);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set number(value: number) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "number"), true);
  }

  set zero(value: number) {
    this.#view.setUint32(this.#at + 4, whole(value, 0, 4294967295, "zero"), true);
  }

  set temperature(value: number) {
    this.#view.setInt32(this.#at + 8, whole(value, -2147483648, 2147483647, "temperature"), true);
  }

  set flags(value: number) {
    this.#view.setUint16(this.#at + 12, whole(value, 0, 65535, "flags"), true);
  }

  set kind(value: number) {
    this.#view.setUint8(this.#at + 14, whole(value, 0, 255, "kind"));
  }

  set valid(value: boolean) {
    this.#view.setUint8(this.#at + 15, value ? 1 : 0);
  }

  set mean(value: number) {
    this.#view.setFloat64(this.#at + 16, value, true);
  }

  set least(value: number) {
    this.#view.setFloat32(this.#at + 24, value, true);
  }

  set most(value: number) {
    this.#view.setFloat32(this.#at + 28, value, true);
  }

  setCounts(index: number, value: number): void {
    this.#view.setUint32(this.#at + 32 + element(index, 8, "counts") * 4, whole(value, 0, 4294967295, "counts"), true);
  }
}

/** Reads `struct bench_bytes`. One object reads any number of messages, one by one. */
export class BenchBytes {
  /** Its size in bytes. */
  static readonly SIZE = 64;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    number: 0,
    zero: 4,
    temperature: 8,
    flags: 12,
    kind: 14,
    valid: 15,
    mean: 16,
    least: 24,
    most: 28,
    counts: 32,
  } as const;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 64 <= source.length)) {
      throw short("BenchBytes", 64, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get number(): number {
    return this.#source.u32(this.#at);
  }

  get zero(): number {
    return this.#source.u32(this.#at + 4);
  }

  get temperature(): number {
    return this.#source.i32(this.#at + 8);
  }

  get flags(): number {
    return this.#source.u16(this.#at + 12);
  }

  get kind(): number {
    return this.#source.u8(this.#at + 14);
  }

  get valid(): boolean {
    return this.#source.u8(this.#at + 15) !== 0;
  }

  get mean(): number {
    return this.#source.f64(this.#at + 16);
  }

  get least(): number {
    return this.#source.f32(this.#at + 24);
  }

  get most(): number {
    return this.#source.f32(this.#at + 28);
  }

  /** An element of [8]. */
  counts(index: number): number {
    return this.#source.u32(this.#at + 32 + element(index, 8, "counts") * 4);
  }
}

/**
 * Writes `struct bench_bytes`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class BenchBytesWriter {
  /** Its size in bytes. */
  static readonly SIZE = 64;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 64 <= bytes.length)) {
      throw short("BenchBytes", 64, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 64);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set number(value: number) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "number"), true);
  }

  set zero(value: number) {
    this.#view.setUint32(this.#at + 4, whole(value, 0, 4294967295, "zero"), true);
  }

  set temperature(value: number) {
    this.#view.setInt32(this.#at + 8, whole(value, -2147483648, 2147483647, "temperature"), true);
  }

  set flags(value: number) {
    this.#view.setUint16(this.#at + 12, whole(value, 0, 65535, "flags"), true);
  }

  set kind(value: number) {
    this.#view.setUint8(this.#at + 14, whole(value, 0, 255, "kind"));
  }

  set valid(value: boolean) {
    this.#view.setUint8(this.#at + 15, value ? 1 : 0);
  }

  set mean(value: number) {
    this.#view.setFloat64(this.#at + 16, value, true);
  }

  set least(value: number) {
    this.#view.setFloat32(this.#at + 24, value, true);
  }

  set most(value: number) {
    this.#view.setFloat32(this.#at + 28, value, true);
  }

  setCounts(index: number, value: number): void {
    this.#view.setUint32(this.#at + 32 + element(index, 8, "counts") * 4, whole(value, 0, 4294967295, "counts"), true);
  }
}
