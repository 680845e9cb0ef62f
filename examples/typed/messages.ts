// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Generated from messages.h by `kup bind messages.h`. Do not edit.
// deno-fmt-ignore-file
// deno-lint-ignore-file

/**
 * The messages that messages.h declares: readers, writers and constants.
 *
 * @module
 */

/** that one THERMO_ASK may ask for */
export const THERMO_MOST_READINGS = 100;
export const THERMO_READING = 1;
export const THERMO_REFUSED = 2;
export const THERMO_LIMITS = 16;
export const THERMO_ASK = 17;
export const THERMO_COLD = 0;
export const THERMO_GOOD = 1;
export const THERMO_HOT = 2;

/** A value of `enum thermo_state`. */
export type ThermoState = typeof THERMO_COLD | typeof THERMO_GOOD | typeof THERMO_HOT;

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

/** Reads `struct thermo_reading`. One object reads any number of messages, one by one. */
export class ThermoReading {
  /** Its size in bytes. */
  static readonly SIZE = 32;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    timeNs: 0,
    millidegrees: 8,
    state: 12,
    place: 16,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_READING = THERMO_READING;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 32 <= source.length)) {
      throw short("ThermoReading", 32, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  /** of the kernel's monotonic clock */
  get timeNs(): bigint {
    return this.#source.u64(this.#at);
  }

  /** The same as a number, which is exact up to 2^53, and without an allocation. */
  get timeNsNumber(): number {
    return (this.#source.u32(this.#at + 4)) * 0x100000000 + this.#source.u32(this.#at);
  }

  get millidegrees(): number {
    return this.#source.i32(this.#at + 8);
  }

  get state(): ThermoState {
    return (this.#source.u32(this.#at + 12)) as ThermoState;
  }

  /** as in the limits */
  get place(): string {
    return textOf(this.#source, this.#at + 16, 16);
  }
}

/**
 * Writes `struct thermo_reading`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class ThermoReadingWriter {
  /** Its size in bytes. */
  static readonly SIZE = 32;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_READING = THERMO_READING;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 32 <= bytes.length)) {
      throw short("ThermoReading", 32, offset, bytes.length);
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

  /** of the kernel's monotonic clock */
  set timeNs(value: bigint) {
    this.#view.setBigUint64(this.#at, large(value, 0n, 18446744073709551615n, "timeNs"), true);
  }

  /** The same as a number, without an allocation. */
  set timeNsNumber(value: number) {
    whole(value, 0, Number.MAX_SAFE_INTEGER, "timeNsNumber");
    this.#view.setUint32(this.#at, value >>> 0, true);
    this.#view.setInt32(this.#at + 4, Math.floor(value / 0x100000000), true);
  }

  set millidegrees(value: number) {
    this.#view.setInt32(this.#at + 8, whole(value, -2147483648, 2147483647, "millidegrees"), true);
  }

  set state(value: ThermoState) {
    this.#view.setUint32(this.#at + 12, whole(value, 0, 4294967295, "state"), true);
  }

  /** as in the limits */
  set place(value: string) {
    putText(this.#view, this.#at + 16, 16, value, "place");
  }
}

/** Reads `struct thermo_refused`. One object reads any number of messages, one by one. */
export class ThermoRefused {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    type: 0,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_REFUSED = THERMO_REFUSED;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 4 <= source.length)) {
      throw short("ThermoRefused", 4, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  /** of the message that was refused */
  get type(): number {
    return this.#source.u32(this.#at);
  }
}

/**
 * Writes `struct thermo_refused`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class ThermoRefusedWriter {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_REFUSED = THERMO_REFUSED;
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
      throw short("ThermoRefused", 4, offset, bytes.length);
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

  /** of the message that was refused */
  set type(value: number) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "type"), true);
  }
}

/** Reads `struct thermo_limits`. One object reads any number of messages, one by one. */
export class ThermoLimits {
  /** Its size in bytes. */
  static readonly SIZE = 28;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    least: 0,
    most: 4,
    place: 8,
    strict: 24,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_LIMITS = THERMO_LIMITS;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 28 <= source.length)) {
      throw short("ThermoLimits", 28, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  /** millidegrees */
  get least(): number {
    return this.#source.i32(this.#at);
  }

  get most(): number {
    return this.#source.i32(this.#at + 4);
  }

  /** what the user calls it */
  get place(): string {
    return textOf(this.#source, this.#at + 8, 16);
  }

  /** whether a limit itself is out of range */
  get strict(): boolean {
    return this.#source.u8(this.#at + 24) !== 0;
  }
}

/**
 * Writes `struct thermo_limits`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class ThermoLimitsWriter {
  /** Its size in bytes. */
  static readonly SIZE = 28;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_LIMITS = THERMO_LIMITS;
  #view: DataView = NO_ROOM;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, clears it, and returns this writer.
   *
   * @throws {RangeError} If the struct would end beyond the target.
   */
  at(target: Target, offset = 0): this {
    const bytes = target instanceof Uint8Array ? target : target.bytes;
    if (!(offset >>> 0 === offset && offset + 28 <= bytes.length)) {
      throw short("ThermoLimits", 28, offset, bytes.length);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#at = bytes.byteOffset + offset;
    bytes.fill(0, offset, offset + 28);
    return this;
  }

  /** Moves to `at` of a view, without clearing what is there, and returns this writer. */
  over(view: DataView, at: number): this {
    this.#view = view;
    this.#at = at;
    return this;
  }

  /** millidegrees */
  set least(value: number) {
    this.#view.setInt32(this.#at, whole(value, -2147483648, 2147483647, "least"), true);
  }

  set most(value: number) {
    this.#view.setInt32(this.#at + 4, whole(value, -2147483648, 2147483647, "most"), true);
  }

  /** what the user calls it */
  set place(value: string) {
    putText(this.#view, this.#at + 8, 16, value, "place");
  }

  /** whether a limit itself is out of range */
  set strict(value: boolean) {
    this.#view.setUint8(this.#at + 24, value ? 1 : 0);
  }
}

/** Reads `struct thermo_ask`. One object reads any number of messages, one by one. */
export class ThermoAsk {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** Where each field begins, in bytes. */
  static readonly AT = {
    count: 0,
  } as const;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_ASK = THERMO_ASK;
  #source: Source = NOTHING;
  #at = 0;

  /**
   * Moves to a struct that begins at `offset`, and returns this reader.
   *
   * @throws {RangeError} If the struct would end beyond the source.
   */
  at(source: Source, offset = 0): this {
    if (!(offset + 4 <= source.length)) {
      throw short("ThermoAsk", 4, offset, source.length);
    }
    this.#source = source;
    this.#at = offset;
    return this;
  }

  get count(): number {
    return this.#source.u32(this.#at);
  }
}

/**
 * Writes `struct thermo_ask`. One object writes any number of messages, one by one.
 * Don't use it for a reservation that was committed: what lies there is sent.
 */
export class ThermoAskWriter {
  /** Its size in bytes. */
  static readonly SIZE = 4;
  /** The type of the record that it is. */
  readonly recordType: typeof THERMO_ASK = THERMO_ASK;
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
      throw short("ThermoAsk", 4, offset, bytes.length);
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

  set count(value: number) {
    this.#view.setUint32(this.#at, whole(value, 0, 4294967295, "count"), true);
  }
}

/** A record that the kernel sends. Its `recordType` shows which one it is. */
export type ThermoToUserRecord = ThermoReading | ThermoRefused;

/** Reads each record that the kernel sends. */
export class ThermoToUser {
  readonly #thermoReading = new ThermoReading();
  readonly #thermoRefused = new ThermoRefused();

  /**
   * Returns a reader of the message, by its type. The next call may return the same object.
   *
   * @throws {RangeError} If there is no record of this type, or the message is too short.
   * @throws {KupError} `"gap"` if the message is a gap: look at `message.gap` first.
   */
  read(message: Source & { readonly type: number; readonly gap?: unknown }): ThermoToUserRecord {
    if (message.gap !== undefined) message.u8(0); // throws
    switch (message.type) {
      case THERMO_READING:
        return this.#thermoReading.at(message);
      case THERMO_REFUSED:
        return this.#thermoRefused.at(message);
    }
    throw unknownType("ThermoToUser", message.type);
  }
}

/** A record that the user sends. Its `recordType` shows which one it is. */
export type ThermoToKernelRecord = ThermoLimits | ThermoAsk;

/** Reads each record that the user sends. */
export class ThermoToKernel {
  readonly #thermoLimits = new ThermoLimits();
  readonly #thermoAsk = new ThermoAsk();

  /**
   * Returns a reader of the message, by its type. The next call may return the same object.
   *
   * @throws {RangeError} If there is no record of this type, or the message is too short.
   * @throws {KupError} `"gap"` if the message is a gap: look at `message.gap` first.
   */
  read(message: Source & { readonly type: number; readonly gap?: unknown }): ThermoToKernelRecord {
    if (message.gap !== undefined) message.u8(0); // throws
    switch (message.type) {
      case THERMO_LIMITS:
        return this.#thermoLimits.at(message);
      case THERMO_ASK:
        return this.#thermoAsk.at(message);
    }
    throw unknownType("ThermoToKernel", message.type);
  }
}
