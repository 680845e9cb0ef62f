// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { KupError } from "../../mod.ts";
import { until } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, fill, later, test } from "./attached.ts";

test("Channel.send() sends a message, and receive() returns another", async (channel, kernel) => {
  await channel.send("ping", { type: 7 });
  assertEquals(kernel.receive(), { type: 7, text: "ping" });
  kernel.send("pong", 0xffffffff);
  const message = await channel.receive();
  assertEquals(message?.type, 0xffffffff);
  assertEquals(message?.text(), "pong");
  assertEquals(message?.length, 4);
  assertEquals(message?.gap, undefined);
});

test("Channel.number, mode and others describe the channel", (channel) => {
  assertEquals(channel.number, 0);
  assertEquals(channel.generation, 1);
  assertEquals(channel.maxMessage, 4096 - 40);
  assertEquals(channel.maxReceive, 4096 - 40);
  assertEquals(channel.mode, "stream");
  assertEquals(channel.closed, false);
  assertEquals(channel.stats().toUserRecords, 0);
});

test("Channel.send() sends every kind of data as its bytes", (channel, kernel) => {
  const bytes = new TextEncoder().encode("xabcdx");
  for (
    const data of [
      "abcd",
      bytes.subarray(1, 5),
      bytes.slice(1, 5).buffer,
      new DataView(bytes.buffer, 1, 4),
      new Uint16Array(bytes.slice(1, 5).buffer),
    ]
  ) {
    assert(channel.trySend(data));
    assertEquals(kernel.receive()?.text, "abcd");
  }
  assert(channel.trySend(""));
  assertEquals(kernel.receive(), { type: 0, text: "" });
});

test(
  "Channel.send() and others refuse wrong arguments, and send nothing",
  async (channel, kernel) => {
    const detached = new Uint8Array(8);
    detached.buffer.transfer();
    assertThrows(() => channel.trySend(detached), TypeError);
    assertThrows(() => channel.trySend(detached.buffer), TypeError);
    assertThrows(() => channel.trySend(42 as unknown as string), TypeError);
    assertThrows(() => channel.trySend("x", { type: -1 }), RangeError);
    assertThrows(() => channel.trySend("x", { type: 1.5 }), RangeError);
    assertThrows(() => channel.trySend("x", { type: 2 ** 32 }), RangeError);
    assertThrows(() => channel.trySend(new Uint8Array(4057)), RangeError, "4056");
    assertThrows(() => channel.sendSync("x", { timeout: -1 }), RangeError);
    assertThrows(() => channel.tryReserve(4057), RangeError);
    assertThrows(() => channel.tryReserve(0.5), RangeError);
    assertThrows(() => channel.receiveSync({ timeout: NaN }), RangeError);
    assertThrows(() => channel.tryReceiveBatch({ max: 0 }), RangeError);
    await assertRejects(() => channel.send("x", { type: -1 }), RangeError);
    await assertRejects(() => channel.sendBatch(["ok", new Uint8Array(5000)]), RangeError);
    await assertRejects(() => channel.reserve(-1), RangeError);
    assertEquals(kernel.receive(), undefined);
  },
);

test("Channel.receive() sleeps until a message comes", async (channel, kernel) => {
  const received = channel.receive();
  await later(() => kernel.send("late"));
  assertEquals((await received)?.text(), "late");
});

test("Channel.receive() that spins gets its message", async (channel, kernel) => {
  for (let i = 0; i < 40; i++) {
    const received = channel.receive();
    setTimeout(() => kernel.send(`${i}`), i % 2);
    assertEquals((await received)?.text(), `${i}`);
  }
}, { spin: 100 });

test("Channel.receive() refuses a second call while one waits", async (channel, kernel) => {
  const first = channel.receive();
  await assertRejectsWith(channel.receive(), "busy");
  assertThrowsWith(() => channel.tryReceive(), "busy");
  assertThrowsWith(() => channel.receiveSync({ timeout: 0 }), "busy");
  await assertRejectsWith(channel.receiveBatch(), "busy");
  kernel.send("x");
  assertEquals((await first)?.text(), "x");
});

test("Channel.receive() releases the last message", async (channel, kernel) => {
  kernel.send("one");
  kernel.send("two");
  const one = (await channel.receive())!;
  const copy = one.copy();
  const view = one.bytes;
  assertEquals(view, copy);
  assert(one.bytes === view);
  const two = channel.tryReceive();
  assertThrowsWith(() => one.bytes, "released");
  assertThrowsWith(() => one.text(), "released");
  assertThrowsWith(() => one.copy(), "released");
  assertEquals(two?.text(), "two");
  assertEquals(channel.tryReceive(), undefined);
  assertThrowsWith(() => two?.json(), "released");
});

test(
  "Channel.receiveBatch() keeps all its messages valid until the next receive",
  async (channel, kernel) => {
    for (const text of ["1", "2", "3", "4"]) kernel.send(text);
    const batch = await channel.receiveBatch({ max: 3 });
    assertEquals(batch.map((message) => message.json()), [1, 2, 3]);
    assertEquals(channel.tryReceiveBatch().map((message) => message.text()), ["4"]);
    assertThrowsWith(() => batch[0]?.bytes, "released");
    assertEquals(channel.tryReceiveBatch(), []);
  },
);

test("Channel.receiveBatch() takes a batch in one step", async (channel, kernel) => {
  for (const text of ["1", "2", "3"]) kernel.send(text);
  const batch = channel.receiveBatch({ max: 2 });
  assertEquals(channel.tryReceive()?.text(), "3");
  assertEquals((await batch).map(({ length }) => length), [1, 1]);
  const waiting = channel.receiveBatch();
  await later(() => ["4", "5"].map((text) => kernel.send(text)));
  assertEquals((await waiting).map((message) => message.text()), ["4", "5"]);
});

test("MessageIterator.return() ends a step that waits", async (channel, kernel) => {
  const messages = channel[Symbol.asyncIterator]();
  const step = messages.next();
  await messages.return!();
  assertEquals(await step, { done: true, value: undefined });
  assertEquals(await messages.next(), { done: true, value: undefined });
  kernel.send("whole");
  assertEquals((await channel.receive())?.text(), "whole");
  const other = channel.receive();
  await messages.return!();
  kernel.send("not the iterator's");
  assertEquals((await other)?.text(), "not the iterator's");
});

test("Channel.messages() ends when the kernel's side closes", async (channel, kernel) => {
  kernel.send("a");
  kernel.send("b");
  const reading = (async () => {
    const texts: string[] = [];
    for await (const message of channel) texts.push(message.text());
    return texts;
  })();
  await later(() => kernel.send("c"));
  await later(() => kernel.close());
  assertEquals(await reading, ["a", "b", "c"]);
  assert(channel.done);
  assertEquals(await channel.receive(), undefined);
  assertEquals(channel.tryReceive(), undefined);
  assertEquals(channel.receiveSync(), undefined);
  assertThrowsWith(() => channel.trySend("x"), "closed");
  await assertRejectsWith(channel.send("x"), "closed");
});

test("MessageIterator.return() keeps the channel open", async (channel, kernel) => {
  kernel.send("a");
  kernel.send("b");
  for await (const message of channel) {
    assertEquals(message.text(), "a");
    break;
  }
  for await (const message of channel) {
    assertEquals(message.text(), "b");
    break;
  }
  assertEquals(kernel.tail, 32);
});

test("Channel.receive() returns what was sent before the close", async (channel, kernel) => {
  kernel.send("last");
  kernel.close();
  assertEquals((await channel.receive())?.text(), "last");
  assertEquals(channel.done, false);
  assertEquals(await channel.receive(), undefined);
  assertEquals(channel.done, true);
});

test("Channel.receive() of a broken channel fails with the reason", async (channel, kernel) => {
  const received = channel.receive();
  fill(channel, "x");
  const sent = channel.send("y");
  kernel.break();
  await assertRejectsWith(received, "broken");
  await assertRejectsWith(sent, "broken");
  await assertRejects(() => channel.receive(), KupError, "head position");
  assertThrowsWith(() => channel.trySend("x"), "broken");
  assertThrowsWith(() => channel.tryReserve(1), "broken");
});

test(
  "Channel.receive() breaks the channel whose ring was overwritten, and no other",
  async (channel, kernel) => {
    const sent = fill(channel, "x");
    const waiting = channel.send("y");
    kernel.send("hello");
    kernel.words[kernel.toUser.data >> 2]! |= 0x0ffffff0;
    assertThrowsWith(() => channel.tryReceive(), "broken");
    await assertRejectsWith(waiting, "broken");
    assertThrowsWith(() => channel.receiveSync(), "broken");
    assert(sent > 0);
  },
);

test("Message.gap is set on a gap, whose bytes are an error in every form", (channel, kernel) => {
  kernel.gap(3, 300 + 2 ** 32);
  kernel.send("after");
  const gap = channel.tryReceive()!;
  assertEquals([gap.gap, gap.type, gap.length], [{ records: 3, bytes: 300 + 2 ** 32 }, 0, 0]);
  for (
    const use of [
      () => gap.bytes,
      () => gap.view,
      () => gap.text(),
      () => gap.json(),
      () => gap.copy(),
    ]
  ) {
    assertThrowsWith(use, "gap");
    assertThrows(use, KupError, "3 messages are missing here (4294967596 bytes)");
  }
  assertEquals(channel.tryReceive()?.text(), "after");
  assertThrowsWith(() => gap.text(), "gap");
});

test("Channel.tryReceive() gets the gap that its own wake brings", async (channel, kernel) => {
  while (kernel.send("x"));
  kernel.lose(1, 10_000);
  const { room } = kernel.announced;
  const sent = kernel.sendWaiting("y".repeat(1000));
  await until(() => kernel.announced.room !== room, "the kernel's side sleeps for room");
  // They take the whole ring, so the next call gives the room back, and then finds it empty.
  const all = channel.tryReceiveBatch({ max: 1000 });
  assertEquals(all.filter((message) => message.gap !== undefined), []);
  assertEquals(channel.tryReceive()?.gap, { records: 1, bytes: 10_000 });
  await sent;
  assertEquals(channel.tryReceive()?.length, 1000);
});

test("Message.view shows the bytes, which begin at a multiple of 8", (channel, kernel) => {
  for (let length = 8; length < 100; length++) {
    const bytes = new Uint8Array(length).fill(length);
    new DataView(bytes.buffer).setFloat64(0, Math.PI * length, true);
    kernel.send(bytes);
    const { view, bytes: own } = channel.tryReceive()!;
    assertEquals([view.byteLength, view.getUint8(length - 1)], [length, own[length - 1]]);
    assertEquals(view.getFloat64(0, true), Math.PI * length);
    const numbers = new Float64Array(own.buffer, own.byteOffset, length >> 3);
    assertEquals(numbers[0], Math.PI * length);
    while (kernel.receive() !== undefined);
  }
});

test("Message.view is valid again after its buffer was transferred", (channel, kernel) => {
  kernel.send("abcd");
  const message = channel.tryReceive()!;
  const { view } = message;
  assert(message.view === view);
  message.bytes.buffer.transfer();
  assertEquals(message.view.getUint8(3), 100);
  channel.tryReceive();
  assertThrowsWith(() => message.view, "released");
});

test(
  "Channel.send() that waits keeps the order of the calls, and copies its data",
  async (channel, kernel) => {
    const before = fill(channel, "x");
    const buffer = new Uint8Array([49]);
    const sends = [channel.send(buffer)];
    buffer[0] = 50;
    sends.push(channel.send(buffer), channel.sendBatch(["3", "4"]));
    buffer[0] = 99;
    assertEquals(channel.trySend("never"), false);
    assertEquals(channel.tryReserve(0), undefined);
    for (let i = 0; i < before; i++) assertEquals(kernel.receive()?.text, "x");
    await Promise.all(sends);
    const texts = [1, 2, 3, 4].map(() => kernel.receive()?.text);
    assertEquals(texts, ["1", "2", "3", "4"]);
    assertEquals(kernel.receive(), undefined);
  },
);

test("Channel.send() and others that are aborted leave nothing behind", async (channel, kernel) => {
  fill(channel, "x");
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = [
    channel.receive({ signal }),
    channel.send("never", { signal }),
    channel.reserve(100, { signal }),
  ];
  const kept = channel.send("kept");
  const reason = new Error("enough");
  controller.abort(reason);
  for (const promise of aborted) {
    assert(await promise.then(() => undefined, (error) => error) === reason);
  }
  assert(await channel.receive({ signal }).catch((error) => error) === reason);
  let text: string | undefined;
  const seen: (string | undefined)[] = [];
  while ((text = kernel.receive()?.text) !== undefined) seen.push(text);
  await kept;
  assertEquals(seen.includes("never"), false);
  assertEquals(kernel.receive()?.text, "kept");
  kernel.send("fine");
  assertEquals((await channel.receive())?.text(), "fine");
});

test(
  "Channel.send() lets smaller messages through when the first in the queue is aborted",
  async (channel, kernel) => {
    assert(channel.trySend(new Uint8Array(4000)));
    const controller = new AbortController();
    const large = channel.send(new Uint8Array(2000), { signal: controller.signal });
    const small = channel.send("s");
    controller.abort();
    await assertRejects(() => large, DOMException);
    await small;
    assertEquals(kernel.receive()?.text.length, 4000);
    assertEquals(kernel.receive()?.text, "s");
  },
);

test(
  "Reservation.commit() sends what was written in place, and may shorten it",
  async (channel, kernel) => {
    const first = await channel.reserve(100);
    const second = channel.tryReserve(10)!;
    second.bytes.set(new TextEncoder().encode("0123456789"));
    second.commit({ type: 2 });
    assertEquals(kernel.receive(), undefined);
    const { written } = new TextEncoder().encodeInto("first", first.bytes);
    assertThrows(() => first.commit({ length: 101 }), RangeError);
    first.commit({ length: written, type: 1 });
    assertEquals(kernel.receive(), { type: 1, text: "first" });
    assertEquals(kernel.receive(), { type: 2, text: "0123456789" });
    assertThrowsWith(() => first.bytes, "released");
    assertThrowsWith(() => first.commit(), "released");
    first.discard();
    {
      using _dropped = channel.tryReserve(10);
    }
    assert(channel.trySend("next"));
    assertEquals(kernel.receive()?.text, "next");
  },
);

test("Channel.reserve() waits for room", async (channel, kernel) => {
  const count = fill(channel, "x".repeat(100));
  const promise = channel.reserve(1000);
  await later(() => {
    for (let i = 0; i < count; i++) kernel.receive();
  });
  using room = await promise;
  assertEquals(room.bytes.length, 1000);
});

test("Channel.receiveSync() and the other blocking calls time out", (channel, kernel) => {
  const start = performance.now();
  assertThrowsWith(() => channel.receiveSync({ timeout: 20 }), "timed-out");
  assert(performance.now() - start >= 19);
  assertThrowsWith(() => channel.receiveSync({ timeout: 0 }), "timed-out");
  fill(channel, "x");
  assertThrowsWith(() => channel.sendSync("y", { timeout: 5 }), "timed-out");
  assertThrowsWith(() => channel.sendSync("y", { timeout: 0 }), "timed-out");
  kernel.receive();
  channel.sendSync("z", { timeout: 5 });
  kernel.send("there");
  assertEquals(channel.receiveSync()?.text(), "there");
});

test("Channel.send() kicks the kernel only when it sleeps for this", async (channel, kernel) => {
  assert(channel.trySend("a"));
  assertEquals(kernel.kicks, 1); // a fresh page holds zeros
  assert(channel.trySend("b"));
  assertEquals(kernel.kicks, 1);
  while (kernel.receive() !== undefined);
  const received = kernel.receiveWaiting();
  await until(() => kernel.announced.data === 32, "the kernel's side sleeps for a message");
  assert(channel.trySend("c"));
  assertEquals(kernel.kicks, 2);
  assertEquals((await received)?.text, "c");
  await channel.sendBatch(["d", "e", "f"]);
  assertEquals(kernel.kicks, 2);
  while (kernel.send("y".repeat(100)));
  const sent = kernel.sendWaiting("y".repeat(100));
  await until(() => kernel.announced.room > 0, "the kernel's side sleeps for room");
  channel.tryReceive();
  assertEquals(kernel.kicks, 2);
  channel.tryReceive();
  assertEquals(kernel.kicks, 3);
  await sent;
  channel.tryReceive();
  assertEquals(kernel.kicks, 3);
});

test(
  "Channel.close() rejects calls that wait, and releases messages and reservations",
  async (channel, kernel) => {
    kernel.send("held");
    const message = channel.tryReceive()!;
    const view = message.bytes;
    const other = view.subarray(1);
    const reservation = channel.tryReserve(10)!;
    const inPlace = reservation.bytes;
    fill(channel, "x");
    const sent = channel.send("y");
    const batch = channel.sendBatch(["y", "z"]);
    const reserved = channel.reserve(10);
    const received = channel.receive();
    channel.close();
    channel.close();
    await assertRejectsWith(sent, "closed");
    await assertRejectsWith(batch, "closed");
    await assertRejectsWith(reserved, "closed");
    await assertRejectsWith(received, "closed");
    assert(channel.closed);
    assertEquals([view.length, other.length, inPlace.length], [0, 0, 0]);
    assertThrowsWith(() => message.bytes, "released");
    assertThrowsWith(() => reservation.bytes, "closed");
    assertThrowsWith(() => reservation.commit(), "closed");
    reservation.discard();
    assertThrowsWith(() => channel.trySend("x"), "closed");
    assertThrowsWith(() => channel.sendSync("x"), "closed");
    assertThrowsWith(() => channel.tryReceive(), "closed");
    assertThrowsWith(() => channel.receiveSync(), "closed");
    assertThrowsWith(() => channel.tryReceiveBatch(), "closed");
    assertThrowsWith(() => channel.stats(), "closed");
    assertThrowsWith(() => channel.totals(), "closed");
    await assertRejectsWith(channel.receive(), "closed");
    await assertRejectsWith(channel.reserve(1), "closed");
  },
);

test(
  "Message.bytes: a buffer that was transferred is replaced, and has zeros after the close",
  async (channel, kernel) => {
    kernel.send("first");
    const bytes = (await channel.receive())!.bytes;
    const taken = structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    assertEquals(bytes.length, 0);
    kernel.send("second");
    const message = (await channel.receive())!;
    assertEquals(message.bytes, new TextEncoder().encode("second"));
    assertEquals(message.text(), "second");
    const stolen = new Uint8Array(taken);
    assertEquals(stolen.subarray(8, 13), new TextEncoder().encode("first"));
    channel.close();
    assertEquals(stolen.every((byte) => byte === 0), true);
    stolen.fill(1);
  },
);

test("Channel.close() survives an asynchronous write of a view", async (channel, kernel) => {
  const file = await Deno.open("/dev/null", { write: true });
  kernel.send(new Uint8Array(4000));
  const written = file.write((await channel.receive())!.bytes);
  const digest = crypto.subtle.digest("SHA-256", new Uint8Array(1));
  channel.close();
  assertEquals(await written, 4000);
  await digest;
  file.close();
});

test(
  "Channel.reserve() and others let timers have their turn on a busy channel",
  async (channel, kernel) => {
    let done = false;
    setTimeout(() => done = true, 1);
    for (let turns = 0; !done; turns++) {
      assert(turns < 1e7);
      kernel.send("x");
      await channel.receive();
    }
    done = false;
    setTimeout(() => done = true, 1);
    while (!done) {
      await channel.send("x");
      kernel.receive();
    }
    done = false;
    setTimeout(() => done = true, 1);
    for (let turns = 0; !done; turns++) {
      assert(turns < 1e5, "reserve() gives timers no turn");
      (await channel.reserve(8)).commit();
      kernel.receive();
    }
  },
);

test(
  "Channel.receive() of a busy reader ends when a timer closes the channel, without an " +
    "empty message",
  async (channel, kernel) => {
    setTimeout(() => channel.close(), 1);
    kernel.send("x");
    for await (const message of channel) {
      assertEquals(message.text(), "x");
      if (!channel.closed) kernel.send("x");
    }
    assert(channel.closed);
  },
);

test(
  "Channel.send() and receive() lose nothing in hundreds of round trips with sleeps on both sides",
  async (channel, kernel) => {
    const echo = kernel.echo();
    for (let i = 0; i < 300; i++) {
      const text = "m".repeat(i * 7);
      const received = channel.receive();
      await channel.send(text, { type: i });
      assertEquals((await received)?.text(), text);
    }
    channel.close();
    await echo;
  },
);
