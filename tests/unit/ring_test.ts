// SPDX-License-Identifier: BSD-3-Clause
/**
 * The ring's two sides in plain memory: when a tail is published, when a side is woken, and when a
 * lie is found. ring_vectors_test.ts has what ring.c must do in the same way.
 */

import { assert, assertEquals, assertThrows } from "../../deps.ts";
import {
  CONTROL_GAP,
  RECORD_CONTROL,
  RECORD_DISCARD,
  RECORD_HEADER,
  RECORD_READY,
} from "../../src/abi.ts";
import {
  Consumer,
  Producer,
  RING_CROWDED,
  RING_LIE_POSITION,
  RING_OK,
  RING_WAIT,
  type RingPlace,
} from "../../src/ring.ts";

const DATA = 64;
const SIZE = 1024;
const EIGHTH = SIZE / 8;

/** A record of this payload takes 16 bytes. */
const EIGHT = new Uint8Array(8).fill(8);

/**
 * Both sides of a ring in which positions don't wrap, since its second half is memory of its own.
 */
class Bench {
  readonly place: RingPlace;
  readonly producer: Producer;
  readonly consumer: Consumer;

  constructor(controls = 1 << CONTROL_GAP) {
    const buffer = new ArrayBuffer(DATA + 2 * SIZE);
    const words = new Int32Array(buffer);
    const bytes = new Uint8Array(buffer);
    this.place = {
      words,
      bytes,
      data: DATA,
      size: SIZE,
      head: 0,
      tail: 8,
      producerEvent: 16,
      consumerEvent: 24,
    };
    this.producer = new Producer(this.place);
    this.consumer = new Consumer(this.place, controls);
  }

  /** The tail that is published. */
  get tail(): number {
    return this.place.words[this.place.tail >> 2]!;
  }

  put(count: number, data = EIGHT): void {
    for (let i = 0; i < count; i++) assertEquals(this.producer.put(data, i), RING_OK);
  }

  /** Takes a record and releases it. Returns the tail that is published then. */
  take(): number {
    assertEquals(this.consumer.next(), RING_OK);
    assertEquals(this.consumer.release(), RING_OK);
    return this.tail;
  }

  discard(length: number): void {
    assertEquals(this.producer.reserve(length), RING_OK);
    this.producer.commit(this.producer.position, length, length, 0, RECORD_DISCARD);
  }

  /** Writes headers behind each other over the whole ring, which no producer has written. */
  forge(word: number): void {
    for (let at = 0; at < 2 * SIZE; at += RECORD_HEADER) this.place.words[(DATA + at) >> 2] = word;
  }
}

Deno.test("Consumer.release() publishes where nothing is readable behind it", () => {
  const bench = new Bench();
  bench.put(3);
  assertEquals([bench.take(), bench.take(), bench.take()], [0, 0, 48]);
  bench.put(1);
  assertEquals(bench.producer.reserve(8), RING_OK);
  assertEquals(bench.take(), 64, "what is not finished is not readable");
});

Deno.test("Consumer.release() publishes where an eighth of the ring is unpublished", () => {
  const bench = new Bench();
  bench.put(20);
  const tails = Array.from({ length: 19 }, () => bench.take());
  const expected = Array.from({ length: 19 }, (_, i) => Math.floor((i + 1) / 8) * EIGHTH);
  assertEquals(tails, expected);
});

Deno.test("Consumer.release() publishes for a producer that sleeps for what is unpublished", () => {
  for (const [event, tails] of [[0, [0, 0, 0]], [8, [0, 32, 32]], [32, [0, 32, 32]]] as const) {
    const bench = new Bench();
    bench.put(5);
    const first = bench.take();
    bench.producer.announcePosition(event);
    assertEquals([first, bench.take(), bench.take()], [...tails], `an event at ${event}`);
    assertEquals(bench.consumer.owesWake, event > 0);
  }
  const bench = new Bench();
  bench.put(5);
  bench.producer.announcePosition(56);
  assertEquals([bench.take(), bench.take(), bench.take(), bench.take()], [0, 0, 0, 64]);
  assert(bench.consumer.owesWake);
});

Deno.test("Consumer.release() publishes a batch", () => {
  const bench = new Bench();
  bench.put(4);
  bench.consumer.next();
  bench.consumer.next();
  assertEquals(bench.tail, 0);
  assertEquals(bench.consumer.release(), RING_OK);
  assertEquals(bench.tail, 32);
});

Deno.test("Consumer.settle() publishes what was released, and nothing that is still in use", () => {
  const bench = new Bench();
  bench.put(4);
  bench.take();
  assertEquals(bench.consumer.next(), RING_OK);
  const { epoch, at } = bench.consumer;
  assertEquals([bench.tail, bench.consumer.settle(), bench.tail], [0, RING_OK, 16]);
  assertEquals([bench.consumer.epoch, bench.consumer.at], [epoch, at]);
  assertEquals(bench.consumer.release(), RING_OK);
  assertEquals([bench.tail, bench.consumer.settle(), bench.tail], [16, RING_OK, 32]);
});

Deno.test("Consumer.next() publishes what it skips, unless a record before it is still in use", () => {
  const bench = new Bench();
  bench.put(1);
  for (let i = 0; i < 20; i++) bench.discard(0);
  assertEquals([bench.consumer.next(), bench.consumer.next()], [RING_OK, RING_WAIT]);
  assertEquals([bench.tail, bench.consumer.settle(), bench.tail], [0, RING_OK, 0]);
  assertEquals(bench.consumer.release(), RING_OK);
  assertEquals(bench.tail, 16 + 20 * 8);
  for (let i = 0; i < 3; i++) bench.discard(8);
  assertEquals(bench.consumer.next(), RING_WAIT);
  assertEquals(bench.tail, 16 + 20 * 8 + 3 * 16);
});

Deno.test("Consumer.next() skips optional kinds, and publishes their room", () => {
  const bench = new Bench();
  for (const kind of [0x80000000, 0x80000000 + CONTROL_GAP, 0xffffffff]) {
    assertEquals(bench.producer.put(EIGHT, kind, 8, RECORD_CONTROL), RING_OK);
  }
  assertEquals([bench.consumer.next(), bench.tail], [RING_WAIT, 48]);
  assertEquals(bench.producer.put(EIGHT, CONTROL_GAP, 8, RECORD_CONTROL), RING_OK);
  assertEquals([bench.consumer.next(), bench.consumer.control], [RING_OK, CONTROL_GAP]);
});

Deno.test("Producer.commit() wakes once for all that was finished out of order", () => {
  for (const event of [0, 16, 24, 40]) {
    const { producer, consumer } = new Bench();
    consumer.announcePosition(event);
    for (let i = 0; i < 3; i++) assertEquals(producer.reserve(8), RING_OK);
    const wakes = [32, 16, 0].map((position) => {
      producer.commit(position, 8, 8, 0, 0);
      return producer.wakes;
    });
    assertEquals(wakes, [false, false, true], `an event at ${event}`);
    producer.put(EIGHT, 0);
    assertEquals(producer.wakes, false);
  }
});

Deno.test("Producer.commit() does not wake for what an unfinished record holds up", () => {
  const { producer, consumer } = new Bench();
  consumer.announcePosition(32);
  for (let i = 0; i < 4; i++) assertEquals(producer.reserve(8), RING_OK);
  const wakes = [0, 32, 48, 16].map((position) => {
    producer.commit(position, 8, 8, 0, 0);
    return producer.wakes;
  });
  assertEquals(wakes, [false, false, false, true]);
});

Deno.test("Producer.put() behind a reservation wakes when the reservation is finished", () => {
  const { producer, consumer } = new Bench();
  producer.reserve(8);
  consumer.announcePosition(16);
  producer.put(EIGHT, 0);
  assertEquals([producer.wakes, consumer.next()], [false, RING_WAIT]);
  producer.commit(0, 8, 0, 0, RECORD_DISCARD);
  assertEquals([producer.wakes, consumer.next()], [true, RING_OK]);
});

Deno.test("Producer.commit() ignores a position that is not open", () => {
  const { producer, consumer } = new Bench();
  producer.reserve(8);
  producer.reserve(8);
  producer.commit(16, 8, 8, 1, 0);
  for (const position of [16, 8, 32, 1]) {
    producer.commit(position, 8, 8, 2, RECORD_DISCARD);
    assertEquals(producer.wakes, false);
  }
  producer.commit(0, 8, 8, 0, 0);
  producer.commit(0, 8, 8, 0, RECORD_DISCARD);
  assertEquals([consumer.next(), consumer.type], [RING_OK, 0]);
  assertEquals([consumer.next(), consumer.type], [RING_OK, 1]);
});

Deno.test("Producer.reserve() refuses the 65th record from the first unfinished one on", () => {
  const { producer } = new Bench();
  for (let i = 0; i < 64; i++) {
    assertEquals(
      i % 2 === 0 ? producer.reserve(0) : producer.put(EIGHT.subarray(0, 0), 0),
      RING_OK,
    );
  }
  assertEquals([producer.reserve(0), producer.put(EIGHT, 0)], [RING_CROWDED, RING_CROWDED]);
  producer.commit(16, 0, 0, 0, 0);
  assertEquals([producer.crowded, producer.reserve(0)], [true, RING_CROWDED]);
  producer.commit(0, 0, 0, 0, 0);
  // The first four are finished now.
  const results = Array.from({ length: 5 }, () => producer.reserve(0));
  assertEquals(results, [RING_OK, RING_OK, RING_OK, RING_OK, RING_CROWDED]);
});

Deno.test("Producer.put() of bytes that can't be copied leaves the ring as it was", () => {
  const { producer, consumer } = new Bench();
  assertThrows(() => producer.put(new Uint8Array(4 * SIZE), 1, 8), RangeError);
  assertEquals(consumer.next(), RING_WAIT);
  assertEquals(producer.put(EIGHT, 2), RING_OK);
  assertEquals([consumer.next(), consumer.type], [RING_OK, 2]);
});

Deno.test("Producer.put() of bytes that have grown writes a sentinel behind the record", () => {
  const { producer, consumer } = new Bench();
  const grown = new Uint8Array(100).fill(0xff);
  assertEquals(producer.put(grown, 1, 8), RING_OK);
  assertEquals([consumer.next(), consumer.length], [RING_OK, 8]);
  assertEquals(consumer.next(), RING_WAIT);
});

for (
  const [name, word] of [["messages", RECORD_READY], [
    "discarded records",
    RECORD_READY + RECORD_DISCARD,
  ]] as const
) {
  Deno.test(`Consumer.next() ends within an eighth of a ring of forged ${name}`, () => {
    const bench = new Bench();
    bench.forge(word);
    let records = 0;
    let result: number;
    while ((result = bench.consumer.next()) === RING_OK && records < SIZE) {
      records++;
      result = bench.consumer.release();
      if (result !== RING_OK) break;
    }
    assertEquals(result, RING_LIE_POSITION);
    assert(records <= EIGHTH / RECORD_HEADER, `${records} records were read`);
    assertEquals(bench.tail, 0);
  });
}

Deno.test("Consumer.next() ends a batch within an eighth of a ring of forged messages", () => {
  const bench = new Bench();
  bench.forge(RECORD_READY);
  let result: number;
  let records = 0;
  while ((result = bench.consumer.next()) === RING_OK && records < SIZE) records++;
  assertEquals(result, RING_LIE_POSITION);
  assert(records <= EIGHTH / RECORD_HEADER, `${records} records were read`);
});

Deno.test("Consumer.settle() finds one forged header", () => {
  const bench = new Bench();
  bench.put(1);
  bench.place.words[(DATA + 16) >> 2] = RECORD_READY;
  bench.take();
  assertEquals(bench.consumer.settle(), RING_OK);
  bench.take();
  assertEquals(bench.consumer.settle(), RING_LIE_POSITION);
});

const lengthOf = (bytes: Uint8Array) => bytes.length;

Deno.test("Producer.putAll() publishes nothing before all of it is written", () => {
  const { place, producer, consumer } = new Bench();
  const seen: number[] = [];
  const spy = (bytes: Uint8Array) => {
    seen.push(consumer.next());
    return bytes.length;
  };
  const messages = [EIGHT, new Uint8Array(0), new Uint8Array(20).fill(9)];
  assertEquals(producer.putAll(messages, 0, 3, 7, spy), 3);
  assertEquals(seen, [RING_WAIT, RING_WAIT, RING_WAIT]);
  assertEquals(place.words[place.head >> 2], 16 + 8 + 32);
  for (const message of messages) {
    assertEquals([consumer.next(), consumer.type, consumer.length], [RING_OK, 7, message.length]);
    assertEquals(place.bytes.slice(consumer.at, consumer.at + message.length), message);
    consumer.release();
  }
  assertEquals(consumer.next(), RING_WAIT);
});

Deno.test("Producer.putAll() stops where there is no room, and goes on there", () => {
  const { producer, consumer } = new Bench();
  const messages = Array.from({ length: 70 }, () => EIGHT);
  const first = producer.putAll(messages, 0, 70, 0, lengthOf);
  assertEquals([first, producer.putAll(messages, first, 70, 0, lengthOf)], [63, 63]);
  assertEquals(producer.wakes, false);
  for (let i = 0; i < 63; i++) assertEquals(consumer.next(), RING_OK);
  assertEquals(consumer.next(), RING_WAIT);
  consumer.release();
  assertEquals(producer.putAll(messages, first, 66, 0, lengthOf), 66);
});

Deno.test("Producer.putAll() wakes once, and only a consumer that sleeps for one of the messages", () => {
  for (const [event, wakes] of [[0, true], [40, true], [48, false], [-8, false]] as const) {
    const { producer, consumer } = new Bench();
    consumer.announcePosition(event);
    producer.putAll([EIGHT, EIGHT, EIGHT], 0, 3, 0, lengthOf);
    assertEquals(producer.wakes, wakes, `event ${event}`);
  }
});

Deno.test("Producer.putAll() publishes what came before a message that throws", () => {
  const { producer, consumer } = new Bench();
  const lost = new Uint8Array(8);
  lost.buffer.transfer(0);
  const lengths = [8, 8];
  assertThrows(() => producer.putAll([EIGHT, lost], 0, 2, 0, () => lengths.shift()!), TypeError);
  assertEquals([consumer.next(), consumer.length], [RING_OK, 8]);
  assertEquals(consumer.next(), RING_WAIT);
  assertEquals(producer.put(EIGHT, 0), RING_OK);
  assertEquals(consumer.next(), RING_OK);
});
