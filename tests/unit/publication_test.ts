// SPDX-License-Identifier: BSD-3-Clause
/** Room that a channel releases late: when it publishes it, and what a reservation holds up. */

import { assert, assertEquals } from "../../deps.ts";
import type { Channel, Message } from "../../mod.ts";
import { RECORD_READY } from "../../src/abi.ts";
import { patience, until } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, fill, later, test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";

/**
 * Receives two of four messages of 16 bytes: the first was released, and its room is not published
 * yet.
 */
function keepBack(channel: Channel, kernel: KernelSide): Message {
  for (const text of ["1", "2", "3", "4"]) kernel.send(text);
  channel.tryReceive();
  const second = channel.tryReceive()!;
  assertEquals(kernel.tail, 0);
  return second;
}

/** Every call that waits for room, or could. */
const WAITS: readonly (readonly [string, (channel: Channel) => Promise<unknown> | undefined])[] = [
  ["send", (channel) => channel.send("x")],
  ["sendBatch", (channel) => channel.sendBatch(["x"])],
  ["reserve", (channel) => channel.reserve(1)],
  ["sendSync", (channel) => {
    assertThrowsWith(() => channel.sendSync("x", { timeout: 1 }), "timed-out");
    return undefined;
  }],
];

for (const [name, wait] of WAITS) {
  test(
    `Channel.${name}() publishes what was released before it sleeps for room`,
    async (channel, kernel) => {
      const held = keepBack(channel, kernel);
      fill(channel, "x");
      const waiting = wait(channel);
      assertEquals(kernel.tail, 16);
      assertEquals(held.text(), "2", "a message that is still valid stays");
      if (waiting === undefined) return;
      while (kernel.receive() !== undefined);
      await waiting;
    },
  );
}

test(
  "Channel.send() that sleeps for room wakes the kernel's side that sleeps for what it publishes",
  async (channel, kernel) => {
    const text = "y".repeat(100);
    while (kernel.send(text));
    channel.tryReceive();
    channel.tryReceive();
    assertEquals(kernel.tail, 0);
    fill(channel, "x");
    // Its room is not published yet.
    const sent = kernel.sendWaiting(text);
    await until(() => kernel.announced.room > 0, "the kernel's side sleeps for room");
    const waiting = channel.send("x");
    await sent;
    while (kernel.receive() !== undefined);
    await waiting;
  },
);

test("Channel.receive() that sleeps publishes all room", async (channel, kernel) => {
  keepBack(channel, kernel);
  channel.tryReceive();
  channel.tryReceive();
  const received = channel.receive();
  assertEquals(kernel.tail, 64);
  await later(() => kernel.send("5"));
  assertEquals((await received)?.text(), "5");
});

test("Channel.send() publishes room before a turn of the event loop", (channel, kernel) => {
  keepBack(channel, kernel);
  const end = performance.now() + patience();
  while (kernel.tail === 0 && performance.now() < end) {
    channel.send("x");
    while (kernel.receive() !== undefined);
  }
  assertEquals(kernel.tail, 16);
});

test("Channel.tryReceiveBatch() publishes a batch as a whole", (channel, kernel) => {
  for (let i = 0; i < 5; i++) kernel.send("x");
  assertEquals([channel.tryReceiveBatch({ max: 3 }).length, kernel.tail], [3, 0]);
  assertEquals([channel.tryReceive()?.text(), kernel.tail], ["x", 48]);
});

test("MessageIterator.return() publishes all room", async (channel, kernel) => {
  for (let i = 0; i < 5; i++) kernel.send(`${i}`);
  for await (const message of channel) if (message.text() === "2") break;
  assertEquals(kernel.tail, 48);
});

test(
  "Channel.receive() finds what lies behind hundreds of discarded records, also at the end",
  async (channel, kernel) => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 900; i++) kernel.discard(0);
      kernel.send(`${round}`);
      if (round > 0) kernel.close();
      assertEquals((await channel.receive())?.text(), `${round}`);
    }
    assertEquals(await channel.receive(), undefined);
  },
  { ring: 65536 },
);

test("Channel.tryReceiveBatch() breaks at a ring of forged messages", (channel, kernel) => {
  const first = kernel.toUser.data >> 2;
  for (let i = 0; i < 1024; i += 2) kernel.words[first + i] = RECORD_READY;
  const batch = channel.tryReceiveBatch({ max: 1_000_000 });
  assert(batch.length <= 4096 / 8 / 8, `${batch.length} messages were read`);
  assertThrowsWith(() => channel.tryReceiveBatch(), "broken");
});

test(
  "Channel.trySend() finds no room behind as much as a reservation may hold up",
  (channel, kernel) => {
    const first = channel.tryReserve(1)!;
    assertEquals(fill(channel, "x"), 63);
    assertEquals(channel.tryReserve(1), undefined);
    assertThrowsWith(() => channel.sendSync("y"), "busy");
    assertThrowsWith(() => channel.sendSync("y", { timeout: 0 }), "timed-out");
    assertEquals(kernel.receive(), undefined);
    first.commit({ type: 1 });
    assert(channel.trySend("y"));
    const types = Array.from({ length: 65 }, () => kernel.receive()?.type);
    assertEquals(types, [1, ...Array(64).fill(0)]);
  },
);

test(
  "Channel.send() waits for the reservation that holds up as much as it may",
  async (channel, kernel) => {
    const first = channel.tryReserve(1)!;
    fill(channel, "x");
    const calls = [channel.send("a"), channel.sendBatch(["b", "c"]), channel.reserve(1)];
    await later(() => assertEquals(channel.trySend("never"), false));
    first.discard();
    await Promise.all(calls);
    const texts: (string | undefined)[] = [];
    for (let text; (text = kernel.receive()?.text) !== undefined;) texts.push(text);
    assertEquals(texts.slice(-4), ["x", "a", "b", "c"]);
  },
);

test(
  "Channel.send() that waits for a reservation ends with the channel",
  async (channel, kernel) => {
    const first = channel.tryReserve(1)!;
    fill(channel, "x");
    const sent = channel.send("a");
    kernel.close();
    first.discard();
    await assertRejectsWith(sent, "closed");
  },
);

test("Channel.send() that waits for a reservation can be aborted", async (channel, kernel) => {
  const first = channel.tryReserve(1)!;
  fill(channel, "x");
  const controller = new AbortController();
  const sent = channel.send("never", { signal: controller.signal });
  const other = channel.send("a");
  controller.abort();
  assertEquals((await sent.catch((error) => error)).name, "AbortError");
  first.commit();
  await other;
  const texts: (string | undefined)[] = [];
  for (let text; (text = kernel.receive()?.text) !== undefined;) texts.push(text);
  assertEquals([texts.length, texts.at(-1)], [65, "a"]);
});

test(
  "Reservation.commit() wakes the kernel's side once, for all that was finished out of order",
  async (channel, kernel) => {
    channel.trySend("0");
    kernel.receive();
    const received = kernel.receiveWaiting();
    await until(() => kernel.announced.data === 16, "the kernel's side sleeps for a message");
    const all = ["1", "2", "3"].map((text) => {
      const reservation = channel.tryReserve(1)!;
      reservation.bytes.set(new TextEncoder().encode(text));
      return reservation;
    });
    const { kicks } = kernel;
    all[2]!.commit();
    all[1]!.commit();
    assertEquals(kernel.kicks, kicks);
    all[0]!.commit();
    assertEquals(kernel.kicks, kicks + 1);
    assertEquals((await received)?.text, "1");
    assertEquals([kernel.receive()?.text, kernel.receive()?.text], ["2", "3"]);
  },
);

test(
  "Channel.send() that a reservation holds up ends with the channel, and keeps the " +
    "event loop alive",
  async (channel, kernel) => {
    using _first = channel.tryReserve(1)!;
    fill(channel, "x");
    const limit = AbortSignal.timeout(20);
    const reason = await channel.send("y", { signal: limit }).catch((error) => error.name);
    assertEquals(reason, "TimeoutError");
    const waiting = channel.send("y");
    await later(() => kernel.close());
    await assertRejectsWith(waiting, "closed");
  },
);
