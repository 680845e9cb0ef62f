// SPDX-License-Identifier: BSD-3-Clause
/** Channels in call mode, and what the echo client does there. */

import { type Channel, type Device, open } from "../../../mod.ts";
import { PATH, withEcho } from "./driver.ts";
import { constant } from "./echo.ts";

/** The echo client's methods; kup_echo.h describes them. */
export const methods = {
  status: constant("ECHO_CALL_STATUS"),
  long: constant("ECHO_CALL_LONG"),
  keep: constant("ECHO_CALL_KEEP"),
  ignore: constant("ECHO_CALL_IGNORE"),
  release: constant("ECHO_CALL_RELEASE"),
  back: constant("ECHO_CALL_BACK"),
  deadlock: constant("ECHO_CALL_DEADLOCK"),
  counts: constant("ECHO_CALL_COUNTS"),
  close: constant("ECHO_CALL_CLOSE"),
} as const;

/** The status with which ECHO_CALL_BACK reports that its own call has failed. */
export const BACK_FAILED = constant("ECHO_CALL_FAILED");

/** A channel of an echo client in call mode. */
export function calls(
  body: (channel: Channel, device: Device) => Promise<void>,
  parameters: Record<string, number> = {},
): Promise<void> {
  return withEcho({ mode: 3, ...parameters }, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await body(channel, device);
  });
}

/** A request's or reply's data that is one number. */
export function number(value: number): Uint32Array {
  return new Uint32Array([value]);
}

/** The number in a reply. */
export function numberIn({ bytes }: { bytes: Uint8Array }): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
}

/** The data of ECHO_CALL_BACK: makes the client call `method` with `text`. */
export function back(method: number, milliseconds: number, text: string): Uint8Array {
  const data = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + data.length);
  bytes.set(new Uint8Array(new Uint32Array([method, milliseconds]).buffer));
  bytes.set(data, 8);
  return bytes;
}

/** The client's counts: of requests that it keeps, and of frames. */
export interface Counts {
  readonly kept: number;
  readonly cancelled: number;
  readonly ignored: number;
}

/** Asks the client for its counts. */
export async function counts(channel: Channel): Promise<Counts> {
  const { bytes } = await channel.call(methods.counts);
  const [kept = 0, cancelled = 0, ignored = 0] = new Uint32Array(bytes.buffer);
  return { kept, cancelled, ignored };
}
