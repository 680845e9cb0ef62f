// SPDX-License-Identifier: BSD-3-Clause
/**
 * The ring alone: both sides in one thread, in plain memory, without a kernel. This is the cost of
 * a message when no side has to be woken.
 *
 *     deno run -A bench/ring.ts
 */

import { Consumer, Producer, RING_OK, type RingPlace } from "../src/ring.ts";
import { withUsage } from "../scripts/usage.ts";
import { heading, measure } from "./measure.ts";

const USAGE = {
  text: `usage: deno run -A bench/ring.ts

Measures the ring alone, both sides in one thread; its peers are an array and a MessagePort.`,
};

const SIZE = 65536;
const DATA = 512;

function plainRing(): RingPlace {
  const buffer = new ArrayBuffer(DATA + 2 * SIZE);
  return {
    words: new Int32Array(buffer),
    bytes: new Uint8Array(buffer),
    data: DATA,
    size: SIZE,
    head: 0,
    tail: 128,
    producerEvent: 256,
    consumerEvent: 384,
  };
}

async function measureRing(): Promise<void> {
  heading("One message from hand to hand, in one thread");
  for (const length of [8, 64, 1024, 16384]) {
    const data = new Uint8Array(length);
    const place = plainRing();
    const producer = new Producer(place);
    const consumer = new Consumer(place, 0);
    await measure(`ring, ${length} bytes`, () => {
      producer.put(data, 0);
      if (consumer.next() !== RING_OK) throw new Error("The ring is empty.");
      consumer.release();
    });
    const queue: Uint8Array[] = [];
    await measure(`peer: a copy in an array, ${length} bytes`, () => {
      queue.push(data.slice());
      queue.shift();
    });
    const target = new Uint8Array(length);
    await measure(`peer: the bare copy, ${length} bytes`, () => target.set(data));
  }
}

async function measurePort(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const small = new Uint8Array(64);
  await measure("peer: MessagePort, 64 bytes", () =>
    new Promise((resolve) => {
      port2.onmessage = resolve;
      port1.postMessage(small);
    }));
  port1.close();
  port2.close();
}

await withUsage(USAGE, async () => {
  await measureRing();
  await measurePort();
});
