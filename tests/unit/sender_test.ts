// SPDX-License-Identifier: BSD-3-Clause
/** What can't be hit from outside, since it lies between two instructions of a send. */

import { assertEquals } from "../../deps.ts";
import type { Link } from "../../src/link.ts";
import type { RingPlace } from "../../src/ring.ts";
import { Sender } from "../../src/sender.ts";

const RING = 4096;
/** Words, from the beginning. */
const PEER_HEAD = 4;

function place(): RingPlace {
  const buffer = new ArrayBuffer(64 + 2 * RING);
  return {
    words: new Int32Array(buffer),
    bytes: new Uint8Array(buffer),
    data: 64,
    size: RING,
    head: 0,
    tail: 4,
    producerEvent: 8,
    consumerEvent: 12,
    peerHead: 4 * PEER_HEAD,
  };
}

/** Calls `after` when the kernel's head has been looked at. */
function afterEachLook<T>(after: (words: Int32Array) => void, body: () => T): T {
  const { load } = Atomics;
  Atomics.load = ((words: Int32Array, index: number) => {
    const value = load(words, index);
    if (index === PEER_HEAD) after(words);
    return value;
  }) as typeof load;
  try {
    return body();
  } finally {
    Atomics.load = load;
  }
}

Deno.test("a turn that comes while a send looks for it is not passed on with its passes unseen", () => {
  const memory = { turns: true, toKernel: place() };
  const link = { memory, over: false, isOpen: () => true, kick() {} } as unknown as Link;
  let skips = 0;
  const sender = new Sender(link, 0, () => skips++, () => {});
  const comes = (words: Int32Array) => words[PEER_HEAD] = 1;
  assertEquals([afterEachLook(comes, () => sender.trySend("x", undefined)), skips], [false, 0]);
  assertEquals([sender.turn, sender.trySend("x", undefined), skips], ["user", true, 1]);
});
