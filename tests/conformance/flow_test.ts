// SPDX-License-Identifier: BSD-3-Clause
/**
 * Full rings, losses, waits and costs: backpressure in both directions, GAP records, and idle
 * channels.
 */

import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "../../deps.ts";
import { open } from "../../mod.ts";
import { driver, PATH, withEcho } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { filled, occupy, release } from "./lib/hindered.ts";
import { idle } from "./lib/idle.ts";
import { sleep, until } from "./lib/script.ts";

Deno.test("Channel.send() waits for a kernel that does not read, and loses nothing", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await occupy(channel);
  const bytes = new Uint8Array(1000);
  let sent = 0;
  for (;; sent++) {
    echo.fillSample(bytes, sent);
    if (!channel.trySend(bytes, { type: echo.SAMPLE })) break;
  }
  assertGreater(sent, 50);
  assertEquals(channel.trySend(bytes, { type: echo.SAMPLE }), false);
  const released = release(channel);
  for (const last = sent + 500; sent < last; sent++) {
    echo.fillSample(bytes, sent);
    await channel.send(bytes, { type: echo.SAMPLE });
  }
  await released;
  await channel.send("", { type: echo.REPORT });
  const message = await channel.receive();
  assertEquals(echo.report(message!), {
    records: sent,
    bytes: sent * 1000,
    outOfOrder: 0,
    damaged: 0,
  });
});

Deno.test("Channel.send() that waits for room can be aborted, and sends nothing of its message", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await occupy(channel);
  const bytes = new Uint8Array(10_000);
  let sent = 0;
  while (channel.trySend(bytes, { type: 1 })) sent++;
  await assertRejects(
    () => channel.send(bytes, { type: 2, signal: AbortSignal.timeout(50) }),
    DOMException,
  );
  await assertRejects(
    () => channel.reserve(10_000, { signal: AbortSignal.timeout(50) }),
    DOMException,
  );
  const third = channel.send(bytes, { type: 3 });
  await release(channel);
  for (let i = 0; i < sent; i++) assertEquals((await channel.receive())?.type, 1);
  assertEquals((await channel.receive())?.type, 3);
  await third;
});

Deno.test("Channel.receive() gets all records of a kernel producer that waited for room", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  const count = Math.ceil(2 * channel.ringBytes.toUser / 500);
  await echo.produce(channel, count, 500);
  assertLess(await filled(channel), count);
  for (let next = 0; next < count; next++) {
    const message = await channel.receive();
    assertEquals(message!.type, echo.SAMPLE);
    assertEquals(echo.sampleNumber(message!.bytes), next);
  }
  const message = await channel.receive();
  assertEquals(echo.produced(message!), { sent: count, lost: 0 });
  assertEquals(channel.stats().droppedNoSpace, 0);
});

for (const where of ["interrupt", "deferred", "trying"] as const) {
  Deno.test(`Channel.receive() gets GAP records for all that a producer (${where}) lost`, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    const count = 20_000;
    await echo.produce(channel, count, 200, echo.context[where]);
    // Lets the ring overflow, then reads slowly enough for more gaps.
    await until(() => channel.stats().droppedNoSpace > 0, "the ring overflows");
    let next = 0;
    let gaps = 0;
    let received = 0;
    let lost = 0;
    for await (const message of channel) {
      if (message.gap) {
        gaps++;
        lost += message.gap.records;
        assertEquals(message.gap.bytes, message.gap.records * 200);
        next += message.gap.records;
      } else if (message.type === echo.SAMPLE) {
        assertEquals(echo.sampleNumber(message.bytes), next++);
        received++;
        if (received % 500 === 0) await sleep(2);
      } else {
        assertEquals(echo.produced(message), { sent: received, lost });
        break;
      }
    }
    assertEquals(received + lost, count);
    assertGreater(gaps, 0);
    assertEquals(channel.stats().droppedNoSpace, lost);
  });
}

for (const where of ["waiting", "trying"] as const) {
  Deno.test(`Channel.drain() gets all that a producer (${where}) sent, or GAPs`, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await echo.produce(channel, 8_000, 64, echo.context[where]);
    const bytes = new Uint8Array(64);
    let next = 0;
    let lost = 0;
    let end: { sent: number; lost: number } | undefined;
    while (end === undefined) {
      channel.drain((message) => {
        if (message.gap !== undefined) {
          lost += message.gap.records;
          next += message.gap.records;
        } else if (message.type === echo.SAMPLE) {
          assertEquals([message.u32(0), message.copyInto(bytes)], [next, 64]);
          assertEquals(echo.sampleNumber(bytes), next++);
        } else {
          end = { sent: Number(message.u64(0)), lost: Number(message.u64(8)) };
        }
      });
      await sleep(0);
    }
    assertEquals([next, end], [8_000, { sent: 8_000 - lost, lost }]);
    assertEquals(channel.drain(() => {}), 0);
  });
}

Deno.test(
  "Channel.receive() gets records in the order of their reservation, also if finished " +
    "out of order",
  async () => {
    using device = open(PATH);
    using channel = await device.attach();
    const started = performance.now();
    await echo.shuffle(channel, 200);
    const texts = [(await channel.receive())!.text(), (await channel.receive())!.text()];
    assertEquals(texts, ["1", "3"]);
    assertGreater(performance.now() - started, 100);
  },
);

Deno.test("Channel that is idle uses no processor time, on either side", async () => {
  using device = open(PATH);
  const channels = await Promise.all([1, 2, 3, 4].map(() => device.attach()));
  const abort = new AbortController();
  const waiting = channels.map((channel) => channel.receive({ signal: abort.signal }));
  for (const receive of waiting) receive.catch(() => {});
  await until(() => driver.servingThreads().length === 4, "each channel has its thread");
  await idle(driver.servingThreads);
  abort.abort();
  for (const receive of waiting) await assertRejects(() => receive);
  for (const channel of channels) channel.close();
});

Deno.test(
  "Channel.send() makes one kick for each sleep of the kernel, however many messages " +
    "follow",
  async () => {
    await withEcho({ spin: 0xffffffff }, async () => {
      using device = open(PATH);
      using channel = await device.attach();
      const kicks = () => device.totals(channel.number).kicks;
      /** Sends ten messages to a side that sleeps by now. Returns how many kicks they have made. */
      const round = async () => {
        await sleep(5);
        const before = kicks();
        for (let i = 0; i < 10; i++) assert(channel.trySend("x", { type: i }));
        const made = kicks() - before;
        for (let i = 0; i < 10; i++) assertEquals((await channel.receive())?.type, i);
        return made;
      };
      // A kernel that is woken so fast that it sleeps again between two of the messages gets one
      // more kick. On a busy machine it may not sleep yet when they come.
      let single = 0;
      await until(
        async () => (single += Number(await round() === 1)) === 3,
        "one kick for ten messages",
      );
    });
  },
);
