// SPDX-License-Identifier: BSD-3-Clause
/** Directions that end: what the other side sees, and what this side may still do. */

import { assertEquals, assertRejects } from "../../deps.ts";
import { CONTROL_END } from "../../src/abi.ts";
import { assertRejectsWith, assertThrowsWith, fill, later, test } from "./attached.ts";

const ESHUTDOWN = 108;
const MODES = [["turn", 2], ["call", 3]] as const;

test("Channel.end() comes behind all messages, and leaves receiving", async (channel, kernel) => {
  channel.trySend("one");
  await channel.end();
  assertEquals([kernel.receive()?.text, kernel.end()], ["one", true]);
  assertEquals([kernel.receive(), kernel.end()], [undefined, false]);
  kernel.send("an answer");
  assertEquals((await channel.receive())?.text(), "an answer");
  assertEquals([channel.closed, channel.done, channel.peerEnded], [false, false, false]);
});

test("Channel.end() makes each later send fail", async (channel, kernel) => {
  using room = channel.tryReserve(4);
  await channel.end();
  await assertRejectsWith(channel.send("x"), "closed");
  assertThrowsWith(() => channel.trySend("x"), "closed");
  assertThrowsWith(() => channel.sendSync("x"), "closed");
  await assertRejectsWith(channel.sendBatch(["x", "y"]), "closed");
  await assertRejectsWith(channel.reserve(1), "closed");
  assertThrowsWith(() => channel.tryReserve(1), "closed");
  await assertRejectsWith(channel.end(), "closed");
  assertEquals(kernel.receive(), undefined);
  room!.bytes.set([65, 66, 67, 68]);
  room!.commit();
  assertEquals([kernel.receive()?.text, kernel.end()], ["ABCD", true]);
});

test("Channel.end() waits for room behind the sends that wait", async (channel, kernel) => {
  const count = fill(channel, "x".repeat(100));
  const sent = channel.send("y".repeat(300));
  let ended = false;
  const ending = channel.end().then(() => ended = true);
  await assertRejectsWith(channel.send("z"), "closed");
  await later(() => {});
  assertEquals(ended, false);
  for (let i = 0; i < count; i++) kernel.receive();
  await Promise.all([sent, ending]);
  assertEquals([kernel.receive()?.text.length, kernel.end()], [300, true]);
});

test("Channel.end() that is aborted leaves the direction open", async (channel, kernel) => {
  const count = fill(channel, "x".repeat(100)) + fill(channel, "");
  const stop = new AbortController();
  const ending = channel.end({ signal: stop.signal });
  stop.abort("enough");
  assertEquals(await ending.catch((reason) => reason), "enough");
  for (let i = 0; i < count; i++) kernel.receive();
  await channel.send("on");
  assertEquals(kernel.receive()?.text, "on");
  await assertRejects(() => channel.end({ signal: AbortSignal.abort(new Error("no")) }), Error);
  await assertRejects(() => channel.end({ timeout: 1 } as object), TypeError, "takes no `timeout`");
});

test("Channel.end() wakes a kernel's side that sleeps", async (channel, kernel) => {
  const received = kernel.receiveWaiting();
  await later(() => {});
  await channel.end();
  assertEquals(await received, undefined);
});

for (const [name, mode] of MODES) {
  test(`Channel.end() throws on a ${name} channel`, async (channel) => {
    await assertRejects(() => channel.end(), TypeError, `is a ${name} channel`);
    assertEquals(channel.peerEnded, false);
  }, { mode });
}

test("Channel.receive() returns undefined at the kernel's end, and sends go on", async (
  channel,
  kernel,
) => {
  kernel.send("last");
  assertEquals([kernel.sendEnd(), kernel.sendEnd()], [0, -ESHUTDOWN]);
  assertEquals([channel.done, channel.peerEnded], [false, false]);
  assertEquals((await channel.receive())?.text(), "last");
  assertEquals(await channel.receive(), undefined);
  assertEquals([channel.done, channel.peerEnded, channel.closed], [true, true, false]);
  assertEquals([channel.tryReceive(), channel.receiveSync()], [undefined, undefined]);
  assertEquals([await channel.receiveBatch(), channel.tryReceiveBatch()], [[], []]);
  assertEquals(channel.drain(() => {}), 0);
  await channel.send("an answer");
  assertEquals(kernel.receive()?.text, "an answer");
  kernel.close();
  assertEquals([await channel.receive(), channel.peerEnded], [undefined, true]);
});

test("Channel.peerEnded is false after a close", async (channel, kernel) => {
  kernel.close();
  assertEquals(await channel.receive(), undefined);
  assertEquals([channel.done, channel.peerEnded], [true, false]);
});

test("Channel.receive() that waits gets undefined at the kernel's end", async (channel, kernel) => {
  const received = channel.receive();
  await later(() => kernel.sendEnd());
  assertEquals([await received, channel.peerEnded], [undefined, true]);
});

test("Channel.messages() and readable end at the kernel's end", async (channel, kernel) => {
  kernel.send("a");
  kernel.send("b");
  kernel.sendEnd();
  const texts: string[] = [];
  for await (const message of channel) texts.push(message.text());
  assertEquals(texts, ["a", "b"]);
  assertEquals(await Array.fromAsync(channel.readable), []);
  assertEquals([channel.peerEnded, channel.trySend("c")], [true, true]);
});

test("Channel.receiveBatch() and drain() stop at the kernel's end", async (channel, kernel) => {
  kernel.send("a");
  kernel.sendEnd();
  const batch = await channel.receiveBatch();
  assertEquals([batch.map((message) => message.text()), channel.done], [["a"], true]);
  assertEquals(await channel.receiveBatch(), []);
});

test("Channel.drain() stops at the kernel's end", (channel, kernel) => {
  kernel.send("a");
  kernel.sendEnd();
  let text = "";
  assertEquals([channel.drain((cursor) => void (text += cursor.text())), text], [1, "a"]);
  assertEquals([channel.drain(() => {}), channel.done, channel.peerEnded], [0, true, true]);
});

test("Channel.receive() breaks at a message behind the kernel's end", async (channel, kernel) => {
  kernel.control(CONTROL_END);
  kernel.send("late");
  assertEquals(await channel.receive(), undefined);
  await assertRejectsWith(channel.receive(), "broken");
});
