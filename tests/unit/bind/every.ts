// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Generated from every.h by `kup bind every.h`. Do not edit.
// deno-fmt-ignore-file
// deno-lint-ignore-file

/**
 * The messages that every.h declares: readers, writers and constants.
 *
 * @module
 */

export const EVERY_MANY = 5;
/** with 64 bits */
export const EVERY_LARGE = 0x123456789abcn;
export const EVERY_MINUS = -3;
export const EVERY_SUM = 2;
export const EVERY_FIELD = 1;
export const EVERY_ORDER = 16;
export const EVERY_STOP = 17;
export const EVERY_ECHO = 32;
export const EVERY_OFF = 0;
export const EVERY_ON = 1;
export const EVERY_AUTO = 7;
export const EVERY_NEGATIVE = -1;
export const EVERY_ZERO = 0;
export const EVERY_POSITIVE = 1;
export const EVERY_TAG_NONE = 0;
export const EVERY_TAG_NUMBER = 1;
export const EVERY_TAG_POINT = 2;
export const EVERY_KIND_LONG_NUMBER = 1;
export const EVERY_KIND_SPOT = 2;
export const EVERY_RED = 1;
export const EVERY_BLUE = 200;

/** A value of `enum every_mode`. */
export type EveryMode = typeof EVERY_OFF | typeof EVERY_ON | typeof EVERY_AUTO;

/** A value of `enum every_sign`. */
export type EverySign = typeof EVERY_NEGATIVE | typeof EVERY_ZERO | typeof EVERY_POSITIVE;

/** A value of `enum every_tag`. */
export type EveryTag = typeof EVERY_TAG_NONE | typeof EVERY_TAG_NUMBER | typeof EVERY_TAG_POINT;

/** A value of `enum every_kind`. */
export type EveryKind = typeof EVERY_KIND_LONG_NUMBER | typeof EVERY_KIND_SPOT;

/** A value of `enum every_small`. */
export type EverySmall = typeof EVERY_RED | typeof EVERY_BLUE;

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

function otherMember(name: string, tag: string, value: string): TypeError {
  return new TypeError(`${name} is not there: look first whether ${tag} is ${value}.`);
}

function unknownType(name: string, type: number): RangeError {
  return new RangeError(
    `${name} has no record of type ${type}: the other side uses another version of the header.`,
  );
}

/** The text before the first NUL. */
function textOf(source: Source, at: number, size: number): string {
  const text = source.text(at, size);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function whole(value: number, least: number, most: number, name: string): number {
  if (value >= least && value <= most && Math.floor(value) === value) return value;
  throw new RangeError(`${name} takes an integer from ${least} to ${most}, not ${value}.`);
}

function large(value: bigint, least: bigint, most: bigint, name: string): bigint {
  if (value >= least && value <= most) return value;
  throw new RangeError(`${name} takes an integer from ${least} to ${most}, not ${value}.`);
}

/** Writes text and a NUL; the rest is cleared. */
function putText(view: DataView, at: number, size: number, value: string, name: string): void {
  const room = new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
  const { read, written } = new TextEncoder().encodeInto(value, room.subarray(0, size - 1));
  if (read < value.length || room.subarray(0, written).includes(0)) {
    room.fill(0);
    throw new RangeError(`${name} takes at most ${size - 1} bytes of text, without a NUL.`);
  }
}

function swap16(value: number): number {
  return (value & 0xff) << 8 | value >> 8;
}

function swap32(value: number): number {
  return (swap16(value & 0xffff) << 16 | swap16(value >>> 16)) >>> 0;
}

function swap64(value: bigint, signed: boolean): bigint {
  const low = BigInt(swap32(Number(value >> 32n)));
  const all = BigInt(swap32(Number(value & 0xffffffffn))) << 32n | low;
  return signed ? BigInt.asIntN(64, all) : all;
}

/** Reads `every_point_t`. One object reads any number of messages, one by one. */
export class EveryPoint {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    x: 0,
    y: 2,
  } as const;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 4 <= source.length)) {
      throw short("EveryPoint", 4, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get x(): number {
    return (this.#source.u16(this.#at) << 16) >> 16;
  }

  get y(): number {
    return (this.#source.u16(this.#at + 2) << 16) >> 16;
  }
}

/**
 * Writes `every_point_t`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryPointWriter {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 4 <= bytes.length)) {
      throw short("EveryPoint", 4, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 4);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set x(value: number) {
    this.#view.setInt16(this.#at, whole(value, -32768, 32767, "x"), true);
  }

  set y(value: number) {
    this.#view.setInt16(this.#at + 2, whole(value, -32768, 32767, "y"), true);
  }
}

/** Reads what is in EveryFieldUnnamedMore. One object reads any number of messages, one by one. */
export class EveryFieldUnnamedMore {
  /** Its size in bytes. */
  static readonly SIZE = 1;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    deep: 0,
  } as const;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 1 <= source.length)) {
      throw short("EveryFieldUnnamedMore", 1, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get deep(): number {
    return this.#source.u8(this.#at);
  }
}

/**
 * Writes what is in EveryFieldUnnamedMore. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryFieldUnnamedMoreWriter {
  /** Its size in bytes. */
  static readonly SIZE = 1;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 1 <= bytes.length)) {
      throw short("EveryFieldUnnamedMore", 1, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 1);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set deep(value: number) {
    this.#view.setUint8(this.#at, whole(value, 0, 255, "deep"));
  }
}

/** Reads what is in EveryFieldUnnamed. One object reads any number of messages, one by one. */
export class EveryFieldUnnamed {
  /** Its size in bytes. */
  static readonly SIZE = 8;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    inner: 0,
    more: 4,
  } as const;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_more = new EveryFieldUnnamedMore();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 8 <= source.length)) {
      throw short("EveryFieldUnnamed", 8, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get inner(): number {
    return this.#source.u32(this.#at);
  }

  get more(): EveryFieldUnnamedMore {
    return this.#_more.at(this.#source, this.#at + 4);
  }
}

/**
 * Writes what is in EveryFieldUnnamed. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryFieldUnnamedWriter {
  /** Its size in bytes. */
  static readonly SIZE = 8;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_more = new EveryFieldUnnamedMoreWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 8 <= bytes.length)) {
      throw short("EveryFieldUnnamed", 8, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 8);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set inner(value: number) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "inner"), true);
  }

  get more(): EveryFieldUnnamedMoreWriter {
    return this.#_more.over(this.#view, this.#at + 4);
  }
}

/** Reads what is in EveryFieldValue. One object reads any number of messages, one by one. */
export class EveryFieldValue {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    number: 0,
    point: 0,
  } as const;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_point = new EveryPoint();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 4 <= source.length)) {
      throw short("EveryFieldValue", 4, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get number(): number {
    if ((this.#source.u32(this.#at - 4)) !== EVERY_TAG_NUMBER) {
      throw otherMember("number", "tag", "EVERY_TAG_NUMBER");
    }
    return this.#source.u32(this.#at);
  }

  get point(): EveryPoint {
    if ((this.#source.u32(this.#at - 4)) !== EVERY_TAG_POINT) {
      throw otherMember("point", "tag", "EVERY_TAG_POINT");
    }
    return this.#_point.at(this.#source, this.#at);
  }
}

/**
 * Writes what is in EveryFieldValue. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryFieldValueWriter {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_point = new EveryPointWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 4 <= bytes.length)) {
      throw short("EveryFieldValue", 4, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 4);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set number(value: number) {
    this.#view.setUint32(this.#at - 4, EVERY_TAG_NUMBER, true);
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "number"), true);
  }

  get point(): EveryPointWriter {
    this.#view.setUint32(this.#at - 4, EVERY_TAG_POINT, true);
    return this.#_point.over(this.#view, this.#at);
  }
}

/** Reads `struct every_field`. One object reads any number of messages, one by one. */
export class EveryField {
  /** Its size in bytes. */
  static readonly SIZE = 200;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    u8: 0,
    i8: 1,
    u16: 2,
    i16: 4,
    u32: 8,
    i32: 12,
    u64: 16,
    i64: 24,
    f32: 32,
    f64: 40,
    flag: 48,
    mode: 52,
    sign: 56,
    small: 60,
    name: 61,
    be16: 78,
    be32: 80,
    be64: 88,
    point: 96,
    points: 100,
    matrix: 112,
    names: 136,
    large: 152,
    unnamed: 168,
    flat: 176,
    tag: 180,
    value: 184,
    kind: 188,
    longNumber: 192,
    spot: 192,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_FIELD = EVERY_FIELD;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_point = new EveryPoint();
  readonly #_points = new EveryPoint();
  readonly #_unnamed = new EveryFieldUnnamed();
  readonly #_value = new EveryFieldValue();
  readonly #_spot = new EveryPoint();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 200 <= source.length)) {
      throw short("EveryField", 200, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  /** a byte */
  get u8(): number {
    return this.#source.u8(this.#at);
  }

  get i8(): number {
    return (this.#source.u8(this.#at + 1) << 24) >> 24;
  }

  get u16(): number {
    return this.#source.u16(this.#at + 2);
  }

  get i16(): number {
    return (this.#source.u16(this.#at + 4) << 16) >> 16;
  }

  get u32(): number {
    return this.#source.u32(this.#at + 8);
  }

  get i32(): number {
    return this.#source.i32(this.#at + 12);
  }

  get u64(): bigint {
    return this.#source.u64(this.#at + 16);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get u64Number(): number {
    return (this.#source.u32(this.#at + 16 + 4)) * 0x100000000 + this.#source.u32(this.#at + 16);
  }

  get i64(): bigint {
    return this.#source.i64(this.#at + 24);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get i64Number(): number {
    return (this.#source.i32(this.#at + 24 + 4)) * 0x100000000 + this.#source.u32(this.#at + 24);
  }

  get f32(): number {
    return this.#source.f32(this.#at + 32);
  }

  get f64(): number {
    return this.#source.f64(this.#at + 40);
  }

  get flag(): boolean {
    return this.#source.u8(this.#at + 48) !== 0;
  }

  get mode(): EveryMode {
    return (this.#source.u32(this.#at + 52)) as EveryMode;
  }

  get sign(): EverySign {
    return (this.#source.i32(this.#at + 56)) as EverySign;
  }

  get small(): EverySmall {
    return (this.#source.u8(this.#at + 60)) as EverySmall;
  }

  get name(): string {
    return textOf(this.#source, this.#at + 61, 16);
  }

  get be16(): number {
    return swap16(this.#source.u16(this.#at + 78));
  }

  get be32(): number {
    return swap32(this.#source.u32(this.#at + 80));
  }

  get be64(): bigint {
    return swap64(this.#source.u64(this.#at + 88), false);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get be64Number(): number {
    return (swap32(this.#source.u32(this.#at + 88))) * 0x100000000 + swap32(this.#source.u32(this.#at + 88 + 4));
  }

  get point(): EveryPoint {
    return this.#_point.at(this.#source, this.#at + 96);
  }

  /** An element of [3]. */
  points(index: number): EveryPoint {
    return this.#_points.at(this.#source, this.#at + 100 + element(index, 3, "points") * 4);
  }

  /** An element of [2][3]. */
  matrix(index: number, index2: number): number {
    return this.#source.u32(this.#at + 112 + element(index, 2, "matrix") * 12 + element(index2, 3, "matrix") * 4);
  }

  /** An element of [2]. */
  names(index: number): string {
    return textOf(this.#source, this.#at + 136 + element(index, 2, "names") * 8, 8);
  }

  /** An element of [2]. */
  large(index: number): bigint {
    return this.#source.i64(this.#at + 152 + element(index, 2, "large") * 8);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation.; An element of [2]. */
  largeNumber(index: number): number {
    return (this.#source.i32(this.#at + 152 + element(index, 2, "large") * 8 + 4)) * 0x100000000 + this.#source.u32(this.#at + 152 + element(index, 2, "large") * 8);
  }

  get unnamed(): EveryFieldUnnamed {
    return this.#_unnamed.at(this.#source, this.#at + 168);
  }

  get flat(): number {
    return this.#source.u32(this.#at + 176);
  }

  get tag(): EveryTag {
    return (this.#source.u32(this.#at + 180)) as EveryTag;
  }

  get value(): EveryFieldValue {
    return this.#_value.at(this.#source, this.#at + 184);
  }

  get kind(): EveryKind {
    return (this.#source.u32(this.#at + 188)) as EveryKind;
  }

  get longNumber(): bigint {
    if ((this.#source.u32(this.#at + 188)) !== EVERY_KIND_LONG_NUMBER) {
      throw otherMember("long_number", "kind", "EVERY_KIND_LONG_NUMBER");
    }
    return this.#source.u64(this.#at + 192);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get longNumberNumber(): number {
    if ((this.#source.u32(this.#at + 188)) !== EVERY_KIND_LONG_NUMBER) {
      throw otherMember("long_number", "kind", "EVERY_KIND_LONG_NUMBER");
    }
    return (this.#source.u32(this.#at + 192 + 4)) * 0x100000000 + this.#source.u32(this.#at + 192);
  }

  get spot(): EveryPoint {
    if ((this.#source.u32(this.#at + 188)) !== EVERY_KIND_SPOT) {
      throw otherMember("spot", "kind", "EVERY_KIND_SPOT");
    }
    return this.#_spot.at(this.#source, this.#at + 192);
  }
}

/**
 * Writes `struct every_field`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryFieldWriter {
  /** Its size in bytes. */
  static readonly SIZE = 200;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_FIELD = EVERY_FIELD;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_point = new EveryPointWriter();
  readonly #_points = new EveryPointWriter();
  readonly #_unnamed = new EveryFieldUnnamedWriter();
  readonly #_value = new EveryFieldValueWriter();
  readonly #_spot = new EveryPointWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 200 <= bytes.length)) {
      throw short("EveryField", 200, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 200);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  /** a byte */
  set u8(value: number) {
    this.#view.setUint8(this.#at, whole(value, 0, 255, "u8"));
  }

  set i8(value: number) {
    this.#view.setInt8(this.#at + 1, whole(value, -128, 127, "i8"));
  }

  set u16(value: number) {
    this.#view.setUint16(this.#at + 2, whole(value, 0, 65535, "u16"), true);
  }

  set i16(value: number) {
    this.#view.setInt16(this.#at + 4, whole(value, -32768, 32767, "i16"), true);
  }

  set u32(value: number) {
    this.#view.setUint32(this.#at + 8, whole(value, 0, 4294967295, "u32"), true);
  }

  set i32(value: number) {
    this.#view.setInt32(this.#at + 12, whole(value, -2147483648, 2147483647, "i32"), true);
  }

  set u64(value: bigint) {
    this.#view.setBigUint64(this.#at + 16, large(value, 0n, 18446744073709551615n, "u64"), true);
  }

  /** The same as a number, without an allocation. */
  set u64Number(value: number) {
    whole(value, 0, Number.MAX_SAFE_INTEGER, "u64Number");
    this.#view.setUint32(this.#at + 16, value >>> 0, true);
    this.#view.setInt32(this.#at + 16 + 4, Math.floor(value / 0x100000000), true);
  }

  set i64(value: bigint) {
    this.#view.setBigInt64(this.#at + 24, large(value, -9223372036854775808n, 9223372036854775807n, "i64"), true);
  }

  /** The same as a number, without an allocation. */
  set i64Number(value: number) {
    whole(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "i64Number");
    this.#view.setUint32(this.#at + 24, value >>> 0, true);
    this.#view.setInt32(this.#at + 24 + 4, Math.floor(value / 0x100000000), true);
  }

  set f32(value: number) {
    this.#view.setFloat32(this.#at + 32, value, true);
  }

  set f64(value: number) {
    this.#view.setFloat64(this.#at + 40, value, true);
  }

  set flag(value: boolean) {
    this.#view.setUint8(this.#at + 48, value ? 1 : 0);
  }

  set mode(value: EveryMode) {
    this.#view.setUint32(this.#at + 52, whole(value, 0, 4294967295, "mode"), true);
  }

  set sign(value: EverySign) {
    this.#view.setInt32(this.#at + 56, whole(value, -2147483648, 2147483647, "sign"), true);
  }

  set small(value: EverySmall) {
    this.#view.setUint8(this.#at + 60, whole(value, 0, 255, "small"));
  }

  set name(value: string) {
    putText(this.#view, this.#at + 61, 16, value, "name");
  }

  set be16(value: number) {
    this.#view.setUint16(this.#at + 78, whole(value, 0, 65535, "be16"), false);
  }

  set be32(value: number) {
    this.#view.setUint32(this.#at + 80, whole(value, 0, 4294967295, "be32"), false);
  }

  set be64(value: bigint) {
    this.#view.setBigUint64(this.#at + 88, large(value, 0n, 18446744073709551615n, "be64"), false);
  }

  /** The same as a number, without an allocation. */
  set be64Number(value: number) {
    whole(value, 0, Number.MAX_SAFE_INTEGER, "be64Number");
    this.#view.setUint32(this.#at + 88 + 4, value >>> 0, false);
    this.#view.setInt32(this.#at + 88, Math.floor(value / 0x100000000), false);
  }

  get point(): EveryPointWriter {
    return this.#_point.over(this.#view, this.#at + 96);
  }

  points(index: number): EveryPointWriter {
    return this.#_points.over(this.#view, this.#at + 100 + element(index, 3, "points") * 4);
  }

  setMatrix(index: number, index2: number, value: number): void {
    this.#view.setUint32(this.#at + 112 + element(index, 2, "matrix") * 12 + element(index2, 3, "matrix") * 4, whole(value, 0, 4294967295, "matrix"), true);
  }

  setNames(index: number, value: string): void {
    putText(this.#view, this.#at + 136 + element(index, 2, "names") * 8, 8, value, "names");
  }

  setLarge(index: number, value: bigint): void {
    this.#view.setBigInt64(this.#at + 152 + element(index, 2, "large") * 8, large(value, -9223372036854775808n, 9223372036854775807n, "large"), true);
  }

  /** The same as a number, without an allocation. */
  setLargeNumber(index: number, value: number): void {
    whole(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "largeNumber");
    this.#view.setUint32(this.#at + 152 + element(index, 2, "large") * 8, value >>> 0, true);
    this.#view.setInt32(this.#at + 152 + element(index, 2, "large") * 8 + 4, Math.floor(value / 0x100000000), true);
  }

  get unnamed(): EveryFieldUnnamedWriter {
    return this.#_unnamed.over(this.#view, this.#at + 168);
  }

  set flat(value: number) {
    this.#view.setUint32(this.#at + 176, whole(value, 0, 4294967295, "flat"), true);
  }

  set tag(value: EveryTag) {
    this.#view.setUint32(this.#at + 180, whole(value, 0, 4294967295, "tag"), true);
  }

  get value(): EveryFieldValueWriter {
    return this.#_value.over(this.#view, this.#at + 184);
  }

  set kind(value: EveryKind) {
    this.#view.setUint32(this.#at + 188, whole(value, 0, 4294967295, "kind"), true);
  }

  set longNumber(value: bigint) {
    this.#view.setUint32(this.#at + 188, EVERY_KIND_LONG_NUMBER, true);
    this.#view.setBigUint64(this.#at + 192, large(value, 0n, 18446744073709551615n, "longNumber"), true);
  }

  /** The same as a number, without an allocation. */
  set longNumberNumber(value: number) {
    this.#view.setUint32(this.#at + 188, EVERY_KIND_LONG_NUMBER, true);
    whole(value, 0, Number.MAX_SAFE_INTEGER, "longNumberNumber");
    this.#view.setUint32(this.#at + 192, value >>> 0, true);
    this.#view.setInt32(this.#at + 192 + 4, Math.floor(value / 0x100000000), true);
  }

  get spot(): EveryPointWriter {
    this.#view.setUint32(this.#at + 188, EVERY_KIND_SPOT, true);
    return this.#_spot.over(this.#view, this.#at + 192);
  }
}

/** Reads what is in EveryOrderValue. One object reads any number of messages, one by one. */
export class EveryOrderValue {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    number: 0,
    point: 0,
  } as const;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_point = new EveryPoint();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 4 <= source.length)) {
      throw short("EveryOrderValue", 4, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get number(): EveryMode {
    if ((this.#source.u32(this.#at - 4)) !== EVERY_TAG_NUMBER) {
      throw otherMember("number", "tag", "EVERY_TAG_NUMBER");
    }
    return (this.#source.u32(this.#at)) as EveryMode;
  }

  get point(): EveryPoint {
    if ((this.#source.u32(this.#at - 4)) !== EVERY_TAG_POINT) {
      throw otherMember("point", "tag", "EVERY_TAG_POINT");
    }
    return this.#_point.at(this.#source, this.#at);
  }
}

/**
 * Writes what is in EveryOrderValue. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryOrderValueWriter {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_point = new EveryPointWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 4 <= bytes.length)) {
      throw short("EveryOrderValue", 4, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 4);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set number(value: EveryMode) {
    this.#view.setUint32(this.#at - 4, EVERY_TAG_NUMBER, true);
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "number"), true);
  }

  get point(): EveryPointWriter {
    this.#view.setUint32(this.#at - 4, EVERY_TAG_POINT, true);
    return this.#_point.over(this.#view, this.#at);
  }
}

/** Reads `struct every_order`. One object reads any number of messages, one by one. */
export class EveryOrder {
  /** Its size in bytes. */
  static readonly SIZE = 32;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    mode: 0,
    sign: 4,
    small: 8,
    on: 9,
    name: 10,
    flags: 16,
    tag: 24,
    value: 28,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_ORDER = EVERY_ORDER;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_value = new EveryOrderValue();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 32 <= source.length)) {
      throw short("EveryOrder", 32, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get mode(): EveryMode {
    return (this.#source.u32(this.#at)) as EveryMode;
  }

  get sign(): EverySign {
    return (this.#source.i32(this.#at + 4)) as EverySign;
  }

  get small(): EverySmall {
    return (this.#source.u8(this.#at + 8)) as EverySmall;
  }

  get on(): boolean {
    return this.#source.u8(this.#at + 9) !== 0;
  }

  get name(): string {
    return textOf(this.#source, this.#at + 10, 6);
  }

  /** An element of [2][2]. */
  flags(index: number, index2: number): boolean {
    return this.#source.u8(this.#at + 16 + element(index, 2, "flags") * 2 + element(index2, 2, "flags") * 1) !== 0;
  }

  get tag(): EveryTag {
    return (this.#source.u32(this.#at + 24)) as EveryTag;
  }

  get value(): EveryOrderValue {
    return this.#_value.at(this.#source, this.#at + 28);
  }
}

/**
 * Writes `struct every_order`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryOrderWriter {
  /** Its size in bytes. */
  static readonly SIZE = 32;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_ORDER = EVERY_ORDER;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_value = new EveryOrderValueWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 32 <= bytes.length)) {
      throw short("EveryOrder", 32, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 32);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set mode(value: EveryMode) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "mode"), true);
  }

  set sign(value: EverySign) {
    this.#view.setInt32(this.#at + 4, whole(value, -2147483648, 2147483647, "sign"), true);
  }

  set small(value: EverySmall) {
    this.#view.setUint8(this.#at + 8, whole(value, 0, 255, "small"));
  }

  set on(value: boolean) {
    this.#view.setUint8(this.#at + 9, value ? 1 : 0);
  }

  set name(value: string) {
    putText(this.#view, this.#at + 10, 6, value, "name");
  }

  setFlags(index: number, index2: number, value: boolean): void {
    this.#view.setUint8(this.#at + 16 + element(index, 2, "flags") * 2 + element(index2, 2, "flags") * 1, value ? 1 : 0);
  }

  set tag(value: EveryTag) {
    this.#view.setUint32(this.#at + 24, whole(value, 0, 4294967295, "tag"), true);
  }

  get value(): EveryOrderValueWriter {
    return this.#_value.over(this.#view, this.#at + 28);
  }
}

/** Reads `struct every_stop`. One object reads any number of messages, one by one. */
export class EveryStop {
  /** Its size in bytes. */
  static readonly SIZE = 0;
  /** Where each field begins, in bytes. */
  static readonly AT = {
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_STOP = EVERY_STOP;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 0 <= source.length)) {
      throw short("EveryStop", 0, offset, source.length);
    }
    return this;
  }
}

/**
 * Writes `struct every_stop`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryStopWriter {
  /** Its size in bytes. */
  static readonly SIZE = 0;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_STOP = EVERY_STOP;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 0 <= bytes.length)) {
      throw short("EveryStop", 0, offset, bytes.length);
    }
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(_view: DataView, _at: number): this {
    return this;
  }
}

/** Reads what is in EveryRawNothing. One object reads any number of messages, one by one. */
export class EveryRawNothing {
  /** Its size in bytes. */
  static readonly SIZE = 2;
  /** Where each field begins, in bytes. */
  static readonly AT = {
  } as const;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 2 <= source.length)) {
      throw short("EveryRawNothing", 2, offset, source.length);
    }
    return this;
  }
}

/**
 * Writes what is in EveryRawNothing. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryRawNothingWriter {
  /** Its size in bytes. */
  static readonly SIZE = 2;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 2 <= bytes.length)) {
      throw short("EveryRawNothing", 2, offset, bytes.length);
    }
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(_view: DataView, _at: number): this {
    return this;
  }
}

/** Reads `struct every_raw`. One object reads any number of messages, one by one. */
export class EveryRaw {
  /** Its size in bytes. */
  static readonly SIZE = 24;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    source: 0,
    view: 4,
    bytes: 8,
    nothing: 12,
    points: 16,
  } as const;
  #source: Source = NOTHING;
  #at = 0;
  readonly #_source = new EveryPoint();
  readonly #_view = new EveryPoint();
  readonly #_nothing = new EveryRawNothing();
  readonly #_points = new EveryPoint();

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 24 <= source.length)) {
      throw short("EveryRaw", 24, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  /** as a reader's own words */
  get source(): EveryPoint {
    return this.#_source.at(this.#source, this.#at);
  }

  get view(): EveryPoint {
    return this.#_view.at(this.#source, this.#at + 4);
  }

  /** An element of [4]. */
  bytes(index: number): number {
    return this.#source.u8(this.#at + 8 + element(index, 4, "bytes") * 1);
  }

  /** An element of [2]. */
  nothing(index: number): EveryRawNothing {
    return this.#_nothing.at(this.#source, this.#at + 12 + element(index, 2, "nothing") * 2);
  }

  /** An element of [2]. */
  points(index: number): EveryPoint {
    return this.#_points.at(this.#source, this.#at + 16 + element(index, 2, "points") * 4);
  }
}

/**
 * Writes `struct every_raw`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryRawWriter {
  /** Its size in bytes. */
  static readonly SIZE = 24;
  #view: DataView = NO_ROOM;
  #at = 0;
  readonly #_source = new EveryPointWriter();
  readonly #_view = new EveryPointWriter();
  readonly #_nothing = new EveryRawNothingWriter();
  readonly #_points = new EveryPointWriter();

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 24 <= bytes.length)) {
      throw short("EveryRaw", 24, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 24);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  /** as a reader's own words */
  get source(): EveryPointWriter {
    return this.#_source.over(this.#view, this.#at);
  }

  get view(): EveryPointWriter {
    return this.#_view.over(this.#view, this.#at + 4);
  }

  setBytes(index: number, value: number): void {
    this.#view.setUint8(this.#at + 8 + element(index, 4, "bytes") * 1, whole(value, 0, 255, "bytes"));
  }

  nothing(index: number): EveryRawNothingWriter {
    return this.#_nothing.over(this.#view, this.#at + 12 + element(index, 2, "nothing") * 2);
  }

  points(index: number): EveryPointWriter {
    return this.#_points.over(this.#view, this.#at + 16 + element(index, 2, "points") * 4);
  }
}

/** Reads `struct every_echo`. One object reads any number of messages, one by one. */
export class EveryEcho {
  /** Its size in bytes. */
  static readonly SIZE = 10;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    id: 0,
    last: 9,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_ECHO = EVERY_ECHO;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 10 <= source.length)) {
      throw short("EveryEcho", 10, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get id(): bigint {
    return this.#source.u64(this.#at);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get idNumber(): number {
    return (this.#source.u32(this.#at + 4)) * 0x100000000 + this.#source.u32(this.#at);
  }

  get last(): number {
    return this.#source.u8(this.#at + 9);
  }
}

/**
 * Writes `struct every_echo`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class EveryEchoWriter {
  /** Its size in bytes. */
  static readonly SIZE = 10;
  /** The type of the record that it is. */
  readonly recordType: typeof EVERY_ECHO = EVERY_ECHO;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 10 <= bytes.length)) {
      throw short("EveryEcho", 10, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 10);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  set id(value: bigint) {
    this.#view.setBigUint64(this.#at, large(value, 0n, 18446744073709551615n, "id"), true);
  }

  /** The same as a number, without an allocation. */
  set idNumber(value: number) {
    whole(value, 0, Number.MAX_SAFE_INTEGER, "idNumber");
    this.#view.setUint32(this.#at, value >>> 0, true);
    this.#view.setInt32(this.#at + 4, Math.floor(value / 0x100000000), true);
  }

  set last(value: number) {
    this.#view.setUint8(this.#at + 9, whole(value, 0, 255, "last"));
  }
}

/** A record that the kernel sends. Its `recordType` shows which one it is. */
export type EveryToUserRecord = EveryField | EveryEcho;

/** Reads each record that the kernel sends. */
export class EveryToUser {
  readonly #everyField = new EveryField();
  readonly #everyEcho = new EveryEcho();

  /**
   * Returns a reader of the message, by its type. The next call may return the same object.
   *
   * @throws {RangeError} If there is no record of this type, or the message is too short.
   * @throws {KupError} `"gap"` if the message is a gap: look at `message.gap` first.
   */
  read(message: Source & { readonly type: number; readonly gap?: unknown }): EveryToUserRecord {
    if (message.gap !== undefined) message.u8(0); // throws
    switch (message.type) {
      case EVERY_FIELD:
        return this.#everyField.at(message);
      case EVERY_ECHO:
        return this.#everyEcho.at(message);
    }
    throw unknownType("EveryToUser", message.type);
  }
}

/** A record that the user sends. Its `recordType` shows which one it is. */
export type EveryToKernelRecord = EveryOrder | EveryStop | EveryEcho;

/** Reads each record that the user sends. */
export class EveryToKernel {
  readonly #everyOrder = new EveryOrder();
  readonly #everyStop = new EveryStop();
  readonly #everyEcho = new EveryEcho();

  /**
   * Returns a reader of the message, by its type. The next call may return the same object.
   *
   * @throws {RangeError} If there is no record of this type, or the message is too short.
   * @throws {KupError} `"gap"` if the message is a gap: look at `message.gap` first.
   */
  read(message: Source & { readonly type: number; readonly gap?: unknown }): EveryToKernelRecord {
    if (message.gap !== undefined) message.u8(0); // throws
    switch (message.type) {
      case EVERY_ORDER:
        return this.#everyOrder.at(message);
      case EVERY_STOP:
        return this.#everyStop.at(message);
      case EVERY_ECHO:
        return this.#everyEcho.at(message);
    }
    throw unknownType("EveryToKernel", message.type);
  }
}
