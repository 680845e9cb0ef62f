// SPDX-License-Identifier: BSD-3-Clause
/**
 * Checks of arguments. A wrong argument is a TypeError or a RangeError that names it.
 *
 * @module
 */

import type { Data, TurnOptions } from "./types.ts";

// An object's own getters (or its class's) may return something else at each call, and may call
// back into this library. So sizes come from the built-in getters, which return what the engine
// knows. They also accept an object of another realm, which `instanceof` does not.
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const lengthOf = getter<number>(typedArray, "length");
const tagOf = getter<string | undefined>(typedArray, Symbol.toStringTag);
const detachedOf = getter<boolean>(ArrayBuffer.prototype, "detached");
const abortedOf = getter<boolean>(AbortSignal.prototype, "aborted");
const ofArray = placeGetters(typedArray);
const ofView = placeGetters(DataView.prototype);
const { at: elementAt, set: setElements } = Uint8Array.prototype;
const { addEventListener, removeEventListener } = AbortSignal.prototype;

/** Undefined in an older runtime, where no device can be opened anyway. */
function getter<T>(prototype: object, name: PropertyKey): () => T {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get!;
}

function placeGetters(prototype: object) {
  return {
    buffer: getter<ArrayBufferLike>(prototype, "buffer"),
    byteOffset: getter<number>(prototype, "byteOffset"),
    byteLength: getter<number>(prototype, "byteLength"),
  };
}

const encoder = new TextEncoder();

/** Short strings are encoded here. An allocation would cost more than the rest of a send. */
const scratch = new Uint8Array(4096);

/** What a value is, for the message about a value of a wrong type. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/**
 * Checks an object with options. Without the check, `null` would lead to an error of the engine
 * about some property.
 */
export function checkOptions(options: object | undefined): void {
  if (options === undefined || (typeof options === "object" && options !== null)) return;
  throw new TypeError(`\`options\` must be an object, not ${kindOf(options)}.`);
}

/** Checks that a value is a number; the caller checks its range. */
export function checkNumber(name: string, value: number): number {
  if (typeof value === "number") return value;
  throw new TypeError(`\`${name}\` must be a number, not ${kindOf(value)}.`);
}

/** Checks that a value is `true` or `false`; truthy and falsy values are refused. */
export function checkBoolean(name: string, value: boolean): void {
  if (typeof value !== "boolean") {
    throw new TypeError(`\`${name}\` must be true or false, not ${kindOf(value)}.`);
  }
}

/** Checks the `discard` option of a turn channel's calls; the default is false. */
export function checkDiscard(options: TurnOptions | undefined): boolean {
  const discard = options?.discard;
  if (discard === undefined) return false;
  checkBoolean("discard", discard);
  return discard;
}

/** Checks that a value can be iterated over. */
export function checkIterable(name: string, value: Iterable<unknown>): void {
  if (value !== null && value !== undefined && Symbol.iterator in Object(value)) return;
  throw new TypeError(`\`${name}\` must be an array or another iterable, not ${kindOf(value)}.`);
}

/** Checks that a value is an integer from `least` to `most`. */
export function checkInteger(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  checkNumber(name, value);
  throw new RangeError(
    `\`${name}\` must be an integer from ${least} to ${most}, not ${String(value)}.`,
  );
}

/** The error for a message that does not even fit into an empty ring. Sizes are in bytes. */
export function tooLong(length: number, most: number, ring: number): RangeError {
  return new RangeError(
    `A message of ${length} bytes is too long: this channel takes at most ${most}. Its ring to ` +
      `the kernel has ${ring}; attach with a larger \`ringBytes.toKernel\`, or raise the limits ` +
      `in the module's config (\`to_kernel_pages\`, \`max_to_kernel_pages\`).`,
  );
}

/** Checks a message's type; the default is 0. */
export function checkType(type: number | undefined): number {
  if (type === undefined) return 0;
  return typeof type === "number" && type >>> 0 === type ? type : refuseType(type);
}

function refuseType(type: number): never {
  checkNumber("type", type);
  throw new RangeError(`\`type\` must be an integer from 0 to 4294967295, not ${String(type)}.`);
}

/** Checks a timeout in milliseconds; returns -1 for no limit. */
export function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return -1;
  if (checkNumber("timeout", timeout) >= 0) return timeout;
  throw new RangeError(
    `\`timeout\` must be a number of milliseconds, 0 or more, not ${String(timeout)}.`,
  );
}

/** Checks that a signal is an AbortSignal. */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || isBranded(abortedOf, signal)) return signal;
  throw new TypeError("`signal` must be an AbortSignal.");
}

/**
 * Whether a value is of the kind that a built-in getter is for. For other values the getter throws.
 */
function isBranded(getter: () => unknown, value: unknown): boolean {
  try {
    getter.call(value);
    return true;
  } catch {
    return false;
  }
}

/** Calls `listener` when the signal is aborted, unless {@linkcode offAbort} is called first. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  addEventListener.call(signal, "abort", listener, { once: true });
}

/** Undoes {@linkcode onAbort}. */
export function offAbort(signal: AbortSignal, listener: () => void): void {
  removeEventListener.call(signal, "abort", listener);
}

/** The number of bytes; the object's own `length` is not used. */
export function byteCount(bytes: Uint8Array): number {
  // After this access V8 knows what kind of object it is, and inlines the getter.
  void bytes[0];
  return lengthOf.call(bytes);
}

/**
 * A copy that the caller alone can reach. It is a Uint8Array, even if `bytes` is of another class.
 */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/**
 * Copies a view of the library's own into the caller's array, and runs no code of the caller's,
 * which could keep the view. Returns the number of bytes.
 *
 * @throws {TypeError} If `target` is no Uint8Array.
 * @throws {RangeError} If the bytes do not fit. Then nothing is copied.
 */
export function copyTo(target: Uint8Array, at: number, bytes: Uint8Array): number {
  if (tagOf.call(target) !== "Uint8Array") {
    throw new TypeError(`\`target\` must be a Uint8Array, not ${kindOf(target)}.`);
  }
  const { length } = bytes;
  const room = lengthOf.call(target) - checkInteger("at", at, 0, Number.MAX_SAFE_INTEGER);
  if (length > room) {
    throw new RangeError(
      `The message has ${length} bytes, and \`target\` has room for ${Math.max(room, 0)} from ` +
        `index ${at} on.`,
    );
  }
  setElements.call(target, bytes, at);
  return length;
}

/** Whether a buffer was transferred; the object's own `detached` is not used. */
export function isDetached(buffer: ArrayBuffer): boolean {
  return detachedOf.call(buffer);
}

function encode(text: string): Uint8Array {
  // A UTF-16 unit takes at most three bytes.
  if (3 * text.length > scratch.length) return encoder.encode(text);
  return new Uint8Array(scratch.buffer, 0, encoder.encodeInto(text, scratch).written);
}

/**
 * Only a view that looks empty can have lost its bytes, so only empty views are checked further.
 */
export function checkNotLost(array: ArrayBufferView): void {
  if (lengthOf.call(array) > 0) return;
  try {
    // If the buffer is lost, any method throws; the getters don't.
    elementAt.call(array, 0);
  } catch (cause) {
    throw lost(cause);
  }
}

function lost(cause?: unknown): TypeError {
  return new TypeError(
    "The data's buffer is detached or has become too small; it was transferred or resized.",
    { cause },
  );
}

/**
 * The bytes to send: the caller's own, or those of a string, which are valid only until the next
 * call. No code of the caller's runs in here. If the result is empty, call `checkNotLost` with it.
 */
export function toBytes(data: Data): Uint8Array {
  return data instanceof Uint8Array ? data : convert(data);
}

function convert(data: Data): Uint8Array {
  if (typeof data === "string") return encode(data);
  if (ArrayBuffer.isView(data)) {
    const isView = tagOf.call(data) === undefined;
    if (!isView) checkNotLost(data);
    const { buffer, byteOffset, byteLength } = isView ? ofView : ofArray;
    return new Uint8Array(buffer.call(data), byteOffset.call(data), byteLength.call(data));
  }
  if (isBranded(detachedOf, data)) {
    if (isDetached(data)) throw lost();
    return new Uint8Array(data);
  }
  throw new TypeError("Data must be a string, an ArrayBuffer or a view of one.");
}

/**
 * The bytes of a C string.
 *
 * @throws {TypeError} If it is not a string, is empty, or contains a NUL character.
 */
export function cString(name: string, value: string): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    throw new TypeError(
      `\`${name}\` must be a string that is not empty and contains no NUL character.`,
    );
  }
  return new TextEncoder().encode(`${value}\0`);
}
