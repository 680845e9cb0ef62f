// SPDX-License-Identifier: BSD-3-Clause
/** Random use of `drain`: what a session does with it. */

import { type Channel, type Cursor, KupError, type Message } from "../../mod.ts";
import { int, oneOf, type Random } from "./random.ts";

/** What a session checks of a message. */
export type Checked = Pick<Message, "type" | "length" | "pass" | "bytes" | "copy">;

/** Thrown out of a callback. */
class Enough extends Error {}

/** Reads anywhere: what lies in the message, or a RangeError. */
function read(cursor: Cursor, random: Random): void {
  const at = oneOf(random, [0, 1, 4, int(random, 0, 5000), -1, 1.5, NaN, 2 ** 32]);
  const [size, call] = oneOf<[number, () => unknown]>(random, [
    [1, () => cursor.u8(at)],
    [2, () => cursor.u16(at)],
    [4, () => cursor.u32(at)],
    [4, () => cursor.i32(at)],
    [4, () => cursor.f32(at)],
    [8, () => cursor.f64(at)],
    [8, () => cursor.i64(at)],
    [5, () => cursor.copy(at, 5)],
    [5, () => cursor.text(at, 5)],
  ]);
  const isIn = Number.isInteger(at) && at >= 0 && at + size <= cursor.length;
  try {
    call();
  } catch (error) {
    if (error instanceof RangeError && !isIn) return;
    throw error;
  }
  if (!isIn) throw new Error(`read at ${at} in a message of ${cursor.length} bytes`);
}

/** Drains some messages, and leaves the drain in one of all ways. */
export function drainSome(
  channel: Channel,
  random: Random,
  clean: boolean,
  check: (message: Checked) => void,
): void {
  let last: Cursor | undefined;
  const take = (cursor: Cursor) => {
    last = cursor;
    if (cursor.gap !== undefined) return;
    if (random.chance(0.2)) refuseReceiving(channel, random);
    if (random.chance(0.5)) read(cursor, random);
    if (!clean && random.chance(0.1)) {
      channel.close();
      return;
    }
    const bytes = cursor.copy();
    check({ type: cursor.type, length: cursor.length, pass: false, bytes, copy: () => bytes });
    if (random.chance(0.05)) throw new Enough();
  };
  try {
    channel.drain(take, random.chance(0.5) ? { max: int(random, 1, 9) } : {});
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  try {
    last?.u8(0);
  } catch (error) {
    // A gap stays one.
    if (error instanceof KupError && ["released", "gap"].includes(error.code)) return;
    throw error;
  }
  if (last !== undefined) throw new Error("the cursor is still valid");
}

/** In the callback, no call may receive. */
function refuseReceiving(channel: Channel, random: Random): void {
  const call = oneOf<() => unknown>(random, [
    () => channel.tryReceive(),
    () => channel.tryReceiveBatch(),
    () => channel.receiveSync({ timeout: 0 }),
    () => channel.drain(() => {}),
  ]);
  try {
    call();
  } catch (error) {
    if (error instanceof KupError && error.code === "busy") return;
    throw error;
  }
  throw new Error(`${call} received inside the callback of a drain`);
}
