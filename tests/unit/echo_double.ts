// SPDX-License-Identifier: BSD-3-Clause
/** A kernel double whose channels echo, as the echo client does; with `open` for those who want a module. */

import type { Device } from "../../mod.ts";
import { RING_OK, RING_WAIT } from "../../src/ring.ts";
import { KernelDouble, type KernelSide } from "./kernel_double.ts";

/** What the double takes for the echo client's commands. */
const PAUSE = 0xffff0004;
const CLOSE = 0xffff0006;

const RING = 32768;
/** At most so many in one turn of the event loop. */
const AT_ONCE = 20;

const double = new KernelDouble({ channels: 8, ring: RING });

/** One message there and back; false when there is nothing to do. */
function echo(side: KernelSide): boolean {
  if (side.out.room(RING - 32) === RING_WAIT) {
    side.out.announce(RING - 32);
    if (side.out.room(RING - 32) === RING_WAIT) return false;
  }
  const result = side.in.next();
  if (result === RING_WAIT) {
    side.in.announce();
    return side.in.ready();
  }
  if (result !== RING_OK) {
    side.break(1);
    return false;
  }
  const { at, length, type } = side.in;
  const bytes = side.bytes.slice(at, at + length);
  side.in.release();
  side.wake(side.in.owesWake);
  side.in.owesWake = false;
  if (type === CLOSE) side.close();
  else if (type !== PAUSE) side.send(bytes, type);
  return type !== CLOSE;
}

/** Opens the one double of this isolate. */
export function open(_path: string): Device {
  return double.open();
}

setInterval(() => {
  for (const side of double.sides) {
    for (let i = 0; side !== undefined && i < AT_ONCE && echo(side); i++);
  }
}, 0);
