// SPDX-License-Identifier: BSD-3-Clause
/** Readers that sleep until much has come, or some time has passed: how often they are woken. */

import { assert, assertEquals, assertLess } from "../../deps.ts";
import { type Channel, type Message, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { sleep } from "./lib/script.ts";

/** No wait takes as long. */
const LONG = 1e9;
const RECORDS = 20_000;

/** Asks for many samples, and then for the end of the channel. */
async function produceAndClose(channel: Channel): Promise<void> {
  await echo.produce(channel, RECORDS, 24);
  await echo.closeFromKernel(channel);
}

function countSamples(messages: readonly Message[], next: number): number {
  for (const message of messages) {
    if (message.type === echo.SAMPLE) assertEquals(echo.sampleNumber(message.bytes), next++);
  }
  return next;
}

/** With half the ring each time, a wake-up brings hundreds of records. */
function assertFewWakeups(channel: Channel): void {
  const { wakeups } = channel.stats();
  assertLess(wakeups, RECORDS / 100);
}

Deno.test("Channel.receiveBatch() with `minBytes` is woken seldom, and loses nothing", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await produceAndClose(channel);
  let next = 0;
  for (let batch; (batch = await channel.receiveBatch({ within: LONG })).length > 0;) {
    next = countSamples(batch, next);
  }
  assertEquals(next, RECORDS);
  assertFewWakeups(channel);
});

Deno.test("Channel.receiveBatchSync() with `minBytes` is woken seldom, and loses nothing", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await produceAndClose(channel);
  let next = 0;
  for (let batch; (batch = channel.receiveBatchSync({ within: LONG })).length > 0;) {
    next = countSamples(batch, next);
  }
  assertEquals(next, RECORDS);
  assertFewWakeups(channel);
});

Deno.test("Channel.toReadable() with `minBytes` is woken seldom, and loses nothing", async () => {
  using device = open(PATH);
  using channel = await device.attach({ ringBytes: { toUser: 16_384 } });
  // A reader without a mark takes each burst before the next one comes. Half the ring takes ten of
  // them. The messages are few, because a stream's chunk may take 10 ms in a guest.
  const [bursts, count, length] = [30, 3, 240];
  const producing = (async () => {
    for (let burst = 0; burst < bursts; burst++) {
      await echo.produce(channel, count, length);
      await sleep(1);
    }
    await echo.closeFromKernel(channel);
  })();
  let chunks = 0;
  for await (const chunk of channel.toReadable({ within: LONG })) {
    chunks += Number(chunk.length === length);
  }
  await producing;
  assertEquals(chunks, bursts * count);
  assertLess(channel.stats().wakeups, bursts / 4);
});

Deno.test("kup_try_send() in a timer wakes a reader with `within` once in that time", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  // All of them together are less than half the ring, so only the time ends a wait.
  const [bursts, count] = [60, 50];
  const within = 10;
  const before = channel.stats().wakeups;
  const started = performance.now();
  const producing = (async () => {
    for (let burst = 0; burst < bursts; burst++) {
      await echo.produce(channel, count, 24, echo.context.timer);
      await sleep(1);
    }
  })();
  let [got, reports, batches] = [0, 0, 0];
  while (reports < bursts) {
    for (const message of await channel.receiveBatch({ minBytes: 131_072, within })) {
      reports += Number(message.type === echo.PRODUCE);
      got += Number(message.type === echo.SAMPLE);
    }
    batches++;
  }
  await producing;
  const most = (performance.now() - started) / within + 1;
  const wakeups = channel.stats().wakeups - before;
  assertEquals(got, bursts * count);
  assert(batches <= most, `${batches} batches, at most ${most}`);
  assert(wakeups <= batches + 1, `${wakeups} wake-ups for ${batches} batches`);
});

Deno.test("Channel.receiveBatch() with `within` is woken once in that time", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  const count = 5000;
  const within = 10;
  const sending = (async () => {
    for (let sent = 0; sent < count; sent += 50) {
      for (let i = 0; i < 50; i++) await channel.send("12345678", { type: 1 });
      await sleep(1);
    }
  })();
  const before = channel.stats().wakeups;
  const started = performance.now();
  let got = 0;
  let batches = 0;
  while (got < count) {
    got += (await channel.receiveBatch({ minBytes: 131_072, within })).length;
    batches++;
  }
  // All messages together are fewer bytes, so only the time ends a wait. One that finds nothing
  // then ends with the next message.
  const most = (performance.now() - started) / within + 1;
  const wakeups = channel.stats().wakeups - before;
  await sending;
  assertEquals(got, count);
  assert(batches <= most, `${batches} batches, at most ${most}`);
  assert(wakeups <= batches + 1, `${wakeups} wake-ups for ${batches} batches`);
});
