// SPDX-License-Identifier: BSD-3-Clause
/**
 * The frame that each payload of a call channel begins with: `struct kup_call`. An id is handled as
 * two numbers of 32 bits.
 *
 * @module
 */

import { CALL_AT, RECORD_RESERVE } from "./abi.ts";
import { copyOf } from "./arguments.ts";
import type { Message } from "./types.ts";

/** The length of a frame, in bytes. */
export const FRAME = CALL_AT.SIZE;

/** What a frame contains. */
export interface Frame {
  readonly low: number;
  readonly high: number;
  readonly kind: number;
  readonly status: number;
}

/** The limits of a ring, in bytes. */
export interface Sizes {
  /** What a request leaves free. */
  readonly quarter: number;
  /** The longest data of a request. */
  readonly maxRequest: number;
  /** The longest data of a reply. */
  readonly maxReply: number;
}

/** @param maxMessage The longest message of the ring, in bytes. */
export function sizes(maxMessage: number): Sizes {
  const quarter = (maxMessage + RECORD_RESERVE) / 4;
  return { quarter, maxRequest: maxMessage - quarter - FRAME, maxReply: maxMessage - FRAME };
}

/** A payload without its id. The data is copied. */
export function frameOf(kind: number, status: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  // Shared memory may grow at any time, but the copy does not.
  const copy = copyOf(data);
  const payload = new Uint8Array(FRAME + copy.length);
  const view = new DataView(payload.buffer);
  view.setUint32(CALL_AT.kind, kind, true);
  view.setUint32(CALL_AT.status, status, true);
  payload.set(copy, FRAME);
  return payload;
}

/** Sets a payload's id. */
export function setId(payload: Uint8Array, low: number, high: number): void {
  const view = new DataView(payload.buffer);
  view.setUint32(CALL_AT.id, low, true);
  view.setUint32(CALL_AT.id + 4, high, true);
}

/** Reads a message's frame, each word once; undefined if the message is too short for one. */
export function readFrame(message: Message): Frame | undefined {
  if (message.length < FRAME) return undefined;
  const { view } = message;
  return {
    low: view.getUint32(CALL_AT.id, true),
    high: view.getUint32(CALL_AT.id + 4, true),
    kind: view.getUint32(CALL_AT.kind, true),
    status: view.getUint32(CALL_AT.status, true),
  };
}
