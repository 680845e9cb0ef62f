// SPDX-License-Identifier: BSD-3-Clause
/**
 * The test's side of the echo client's commands. Their numbers are read from the client's own
 * header, so that they are written down in one place.
 */

import type { Channel, Message } from "../../../mod.ts";

const header = Deno.readTextFileSync(new URL("../../../kmod/echo/kup_echo.h", import.meta.url));

/** A number of kup_echo.h. */
export function constant(name: string): number {
  const value = header.match(new RegExp(`#define ${name} (0x[0-9a-f]+|\\d+)`))?.[1];
  if (value === undefined) throw new Error(`kup_echo.h has no ${name}`);
  return Number(value);
}

export const PRODUCE = constant("ECHO_PRODUCE");
export const SAMPLE = constant("ECHO_SAMPLE");
export const REPORT = constant("ECHO_REPORT");
export const PAUSE = constant("ECHO_PAUSE");
const SHUFFLE = constant("ECHO_SHUFFLE");
export const CLOSE = constant("ECHO_CLOSE");

/** Where a producer runs. */
export const context = {
  waiting: constant("ECHO_WAITING"),
  interrupt: constant("ECHO_INTERRUPT"),
  deferred: constant("ECHO_DEFERRED"),
  trying: constant("ECHO_TRYING"),
  timer: constant("ECHO_TIMER"),
  together: constant("ECHO_TOGETHER"),
} as const;

/** The bytes of a sample's own fields, before its filler. */
const SAMPLE_HEADER = 16;

/** Asks for `count` samples of `length` bytes each. */
export function produce(
  channel: Channel,
  count: number,
  length: number,
  where: number = context.waiting,
): Promise<void> {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setBigUint64(0, BigInt(count), true);
  bytes.setUint32(8, length, true);
  bytes.setUint32(12, where, true);
  return channel.send(bytes, { type: PRODUCE });
}

/** What the producer reports at its end. */
export function produced(message: Message): { sent: number; lost: number } {
  const view = viewOf(message.bytes);
  return {
    sent: Number(view.getBigUint64(0, true)),
    lost: Number(view.getBigUint64(8, true)),
  };
}

/** Makes the client stop reading for this long. */
export function pause(channel: Channel, milliseconds: number): Promise<void> {
  return channel.send(milliseconds8(milliseconds), { type: PAUSE });
}

/** Three records that are finished out of order; see kup_echo.h. */
export function shuffle(channel: Channel, milliseconds: number): Promise<void> {
  return channel.send(milliseconds8(milliseconds), { type: SHUFFLE });
}

function milliseconds8(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, milliseconds, true);
  return bytes;
}

/** Asks the client to close the channel. */
export function closeFromKernel(channel: Channel): Promise<void> {
  return channel.send(new Uint8Array(0), { type: CLOSE });
}

/** What the client found in the samples that it received. */
export interface Report {
  records: number;
  bytes: number;
  outOfOrder: number;
  damaged: number;
}

export function report(message: Message): Report {
  const view = viewOf(message.bytes);
  const number = (offset: number) => Number(view.getBigUint64(offset, true));
  return { records: number(0), bytes: number(8), outOfOrder: number(16), damaged: number(24) };
}

/** FNV-1a, as in echo_checksum. */
export function checksum(seed: number, bytes: Uint8Array, from = 0): number {
  let hash = (2166136261 ^ seed) | 0;
  for (let i = from; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 16777619);
  return hash >>> 0;
}

/** Writes sample `number` over all of `bytes`. */
export function fillSample(bytes: Uint8Array, number: number): void {
  for (let i = SAMPLE_HEADER; i < bytes.length; i++) bytes[i] = number + i - SAMPLE_HEADER;
  const view = viewOf(bytes);
  view.setUint32(0, number, true);
  view.setUint32(4, 0, true);
  view.setUint32(8, checksum(number, bytes, SAMPLE_HEADER), true);
  view.setUint32(12, 0, true);
}

/** Which of several producers has sent a sample. */
export function sampleProducer(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(12, true);
}

/** The number of a sample. Throws if its checksum is wrong. */
export function sampleNumber(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  const number = view.getUint32(0, true);
  if (view.getUint32(8, true) !== checksum(number, bytes, SAMPLE_HEADER)) {
    throw new Error(`sample ${number} is damaged`);
  }
  return number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
