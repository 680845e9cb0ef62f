// SPDX-License-Identifier: BSD-3-Clause
/**
 * Checks of what callers pass in: a wrong argument is a TypeError or a RangeError that names it.
 *
 * @module
 */

import type { Data } from "./types.ts";

const encoder = new TextEncoder();

/** Short strings are encoded here, which saves an allocation that costs more than all the rest of a send. */
const scratch = new Uint8Array(4096);

/** Whether bytes that `toBytes` returned are good only until its next call. */
export function isScratch(bytes: Uint8Array): boolean {
  return bytes.buffer === scratch.buffer;
}

/** An integer from `least` to `most`. */
export function checkInteger(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`\`${name}\` must be an integer from ${least} to ${most}, not ${value}.`);
}

/** A message's type. */
export function checkType(type: number | undefined): number {
  if (type === undefined) return 0;
  if (type >>> 0 === type) return type;
  throw new RangeError(`\`type\` must be an integer from 0 to 4294967295, not ${type}.`);
}

/** A timeout in milliseconds; -1 is for ever. */
export function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return -1;
  if (timeout >= 0) return timeout;
  throw new RangeError(`\`timeout\` must be 0 milliseconds or more, not ${timeout}.`);
}

function notDetached(bytes: Uint8Array, buffer: ArrayBufferLike): Uint8Array {
  // Only a buffer that looks empty can be detached, so full ones don't pay for the question.
  if (bytes.length === 0 && buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError("The data's buffer is detached; it was transferred somewhere.");
  }
  return bytes;
}

function encode(text: string): Uint8Array {
  // No UTF-16 unit takes more than three bytes.
  if (3 * text.length > scratch.length) return encoder.encode(text);
  return new Uint8Array(scratch.buffer, 0, encoder.encodeInto(text, scratch).written);
}

/** The bytes of what is to be sent, the caller's own or in the scratch buffer. */
export function toBytes(data: Data): Uint8Array {
  if (data instanceof Uint8Array) {
    return data.length === 0 ? notDetached(data, data.buffer) : data;
  }
  if (typeof data === "string") return encode(data);
  if (ArrayBuffer.isView(data)) {
    const { buffer, byteOffset, byteLength } = data;
    if (buffer instanceof ArrayBuffer && buffer.detached) notDetached(new Uint8Array(0), buffer);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (data instanceof ArrayBuffer) {
    if (data.detached) notDetached(new Uint8Array(0), data);
    return new Uint8Array(data);
  }
  throw new TypeError("Data must be a string, an ArrayBuffer or a view of one.");
}
