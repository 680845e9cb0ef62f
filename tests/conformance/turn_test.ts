// SPDX-License-Identifier: BSD-3-Clause
/** Turn mode: which side may send, what gives the turn, and what a call out of turn returns. */

import { assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { until } from "./lib/script.ts";
import { inTime, ownTurn, turns } from "./lib/turns.ts";

/** The kernel's next record is there, and was not received. */
function comes(channel: Channel): Promise<void> {
  return until(() => channel.turn === "user", "the turn comes back");
}

Deno.test("Channel.mode and Channel.turn are undefined or set by the device's mode", async () => {
  await turns(async (channel, device) => {
    assertEquals([device.info().mode, channel.mode], ["turn", "turn"]);
    await until(() => channel.turn === "user", "the kernel's first turn is passed");
  });
  using device = open(PATH);
  using channel = await device.attach();
  assertEquals([device.info().mode, channel.mode, channel.turn], ["stream", "stream", undefined]);
  await assertRejects(() => channel.pass(), TypeError, "stream");
  assertThrows(() => channel.tryPass(), TypeError, "stream");
  assertThrows(() => channel.passSync({ timeout: 0 }), TypeError, "stream");
  channel.sendSync("still works");
  assertEquals((await channel.receive())?.text(), "still works");
});

Deno.test("Channel.readable and Channel.writable throw on turn channels", () =>
  turns((channel) => {
    assertThrows(() => channel.readable, TypeError, "turn channel");
    assertThrows(() => channel.writable, TypeError, "turn channel");
    assertThrows(() => channel.toReadable(), TypeError, "turn channel");
    return Promise.resolve();
  }));

Deno.test("Channel.messages() out of turn is refused, and continues in turn", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const messages = channel.messages({ gaps: "throw" });
    for (;;) {
      const step = await messages.next().catch((error) => error);
      if (step.code === "turn") break;
      assertEquals(step.value.pass, true);
    }
    channel.sendSync("hello");
    assertEquals((await messages.next()).value?.text(), "hello");
    assertEquals((await messages.next().catch((error) => error)).code, "turn");
  }));

Deno.test("Channel.receive() first returns the kernel's pass, since the kernel has the first turn", () =>
  turns(async (channel) => {
    const first = await channel.receive();
    assertEquals([first?.pass, first?.length, first?.gap], [true, 0, undefined]);
    assertEquals(first?.bytes, new Uint8Array(0));
    assertEquals(channel.turn, "user");
    channel.sendSync("hello");
    const second = await channel.receive();
    assertEquals([second?.pass, second?.text()], [false, "hello"]);
  }));

Deno.test("Channel.send() gives the turn, and the answer brings it back", () =>
  turns(async (channel) => {
    for (let i = 0; i < 100; i++) {
      await channel.send(`number ${i}`, { type: i });
      const message = await channel.receive();
      assertEquals([message?.type, message?.text()], [i, `number ${i}`]);
      assertEquals(channel.turn, "user");
    }
  }));

Deno.test("Channel answers each message in a loop, and by synchronous calls", () =>
  turns(async (channel) => {
    let rounds = 0;
    for await (const message of channel) {
      if (!message.pass) assertEquals(message.text(), `round ${rounds}`);
      if (++rounds === 100) break;
      await channel.send(`round ${rounds}`);
    }
    for (let i = 0; i < 100; i++) {
      channel.sendSync("x", { type: i });
      assertEquals(channel.receiveSync()?.type, i);
    }
  }));

/** Calls every form of sending and receiving while it is the kernel's turn. */
async function triesInVain(channel: Channel): Promise<void> {
  assertEquals(channel.turn, "kernel");
  assertEquals(channel.trySend("x"), false);
  assertEquals(channel.tryReserve(8), undefined);
  assertEquals(channel.tryPass(), false);
  assertEquals(channel.tryReceive(), undefined);
  throwsWith("timed-out", () => channel.sendSync("x", { timeout: 20 }));
  throwsWith("timed-out", () => channel.sendSync("x", { timeout: 0 }));
  throwsWith("timed-out", () => channel.passSync({ timeout: 20 }));
  throwsWith("timed-out", () => channel.receiveSync({ timeout: 20 }));
  const signal = AbortSignal.timeout(20);
  const sends = [
    channel.send("x", { signal }),
    channel.sendBatch(["x"], { signal }),
    channel.pass({ signal }),
    channel.reserve(5, { signal }),
  ];
  // A call that does not reject in time must not affect the others.
  for (const send of sends) send.catch(() => {});
  for (const send of sends) await assertRejects(() => send, DOMException);
  const receive = channel.receive({ signal: AbortSignal.timeout(20) });
  await assertRejects(() => receive, DOMException);
  assertEquals(channel.turn, "kernel");
}

Deno.test("Channel.trySend() and every other form send nothing at the kernel's turn", () =>
  inTime(async (channel, during) => {
    await during(() => triesInVain(channel));
    channel.sendSync("after");
    assertEquals((await channel.receive())?.text(), "after");
    // The kernel counts a message when it has released it.
    await until(() => channel.stats().toKernelRecords === 2, "two messages were sent");
  }));

Deno.test(
  "Channel.receive() at the user's own turn fails with the code turn in every form, and" +
    " never waits",
  () =>
    turns(async (channel) => {
      await ownTurn(channel);
      throwsWith("turn", () => channel.tryReceive());
      throwsWith("turn", () => channel.tryReceiveBatch());
      throwsWith("turn", () => channel.receiveSync());
      throwsWith("turn", () => channel.receiveSync({ timeout: 1000 }));
      await rejectsWith("turn", () => channel.receive());
      await rejectsWith("turn", () => channel.receiveBatch());
      await rejectsWith("turn", async () => {
        for await (const _ of channel) throw new Error("there is none");
      });
      assertEquals([channel.turn, channel.done, channel.closed], ["user", false, false]);
      channel.sendSync("continues");
      assertEquals(channel.receiveSync()?.text(), "continues");
    }),
);

Deno.test("Channel.pass() gives the turn, and the kernel's pass brings it back", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    for (let i = 0; i < 100; i++) {
      if (i % 3 === 0) await channel.pass();
      else if (i % 3 === 1) channel.passSync();
      else assertEquals(channel.tryPass(), true);
      const message = i % 2 === 0 ? await channel.receive() : channel.receiveSync();
      assertEquals([message?.pass, message?.type], [true, 0]);
    }
    // The passes of neither side are messages.
    const { toKernelRecords, toUserRecords, toKernelBytes, toUserBytes } = channel.stats();
    assertEquals([toKernelRecords, toUserRecords, toKernelBytes, toUserBytes], [0, 0, 0, 0]);
  }));

Deno.test("Channel.pass() leaves room for what follows, also if nothing receives passes", () =>
  turns(async (channel) => {
    // Receives one of them, and keeps it.
    assertEquals(channel.receiveSync()?.pass, true);
    // A ring takes 512.
    for (let i = 0; i < 1100; i++) channel.passSync();
    await ownTurn(channel);
    channel.sendSync("after");
    assertEquals((await channel.receive())?.text(), "after");
    assertEquals(channel.stats().toUserRecords, 1);
  }, { to_user_pages: 1, to_kernel_pages: 1, spin: 1000 }));

Deno.test("Channel.receive() returns a pass once, or not at all if the turn was used before", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    await channel.pass();
    assertEquals((await channel.receive())?.pass, true);
    await rejectsWith("turn", () => channel.receive());
    await channel.pass();
    await comes(channel);
    await channel.send("x");
    assertEquals((await channel.receive())?.text(), "x");
  }));

Deno.test(
  "Channel.send() over a message that was not received fails with the code unread in " +
    "every form",
  () =>
    turns(async (channel) => {
      await ownTurn(channel);
      channel.sendSync("not yet", { type: 7 });
      await comes(channel);
      throwsWith("unread", () => channel.trySend("x"));
      throwsWith("unread", () => channel.tryPass({ discard: false }));
      throwsWith("unread", () => channel.tryReserve(1));
      throwsWith("unread", () => channel.sendSync("x", { timeout: 1000 }));
      throwsWith("unread", () => channel.passSync());
      await rejectsWith("unread", () => channel.send("x"));
      await rejectsWith("unread", () => channel.sendBatch(["x"]));
      await rejectsWith("unread", () => channel.pass());
      await rejectsWith("unread", () => channel.reserve(1));
      assertEquals(channel.turn, "user");
      const message = channel.tryReceive();
      assertEquals([message?.type, message?.text()], [7, "not yet"]);
      throwsWith("turn", () => channel.tryReceive());
      channel.sendSync("after");
      assertEquals(channel.receiveSync()?.text(), "after");
    }),
);

Deno.test("Channel.send() with `discard` drops a message that was not received, in every form", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const discard = true;
    const forms: (() => unknown)[] = [
      () => channel.trySend("x", { discard }),
      () => channel.sendSync("x", { discard }),
      () => channel.send("x", { discard }),
      () => channel.sendBatch(["x"], { discard }),
      () => channel.tryReserve(1, { discard })!.commit(),
      async () => (await channel.reserve(1, { discard })).commit(),
      () => channel.tryPass({ discard }),
      () => channel.passSync({ discard }),
      () => channel.pass({ discard }),
    ];
    for (const [i, form] of forms.entries()) {
      channel.sendSync("dropped");
      await comes(channel);
      await form();
      assertEquals((await channel.receive())?.pass, i >= 6, String(form));
    }
  }));

Deno.test("Channel.send() always has room, whatever was not received", () =>
  turns((channel) => {
    const bytes = new Uint8Array(Math.min(channel.maxMessage, channel.maxReceive));
    for (let i = 0; i < 100; i++) channel.sendSync(bytes, { type: i, discard: true });
    const last = channel.receiveSync();
    assertEquals([last?.type, last?.length], [99, bytes.length]);
    return Promise.resolve();
  }, { to_user_pages: 1, to_kernel_pages: 1 }));

Deno.test("Channel.send() takes the largest messages there and back", () =>
  turns(async (channel) => {
    const length = Math.min(channel.maxMessage, channel.maxReceive);
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(length).fill(i + 1);
      await channel.send(bytes, { type: i });
      const message = await channel.receive();
      const { type, bytes: came } = message!;
      assertEquals([type, came.length, came[length - 1]], [i, length, i + 1]);
    }
    const long = new Uint8Array(channel.maxMessage + 1);
    await assertRejects(() => channel.send(long), RangeError);
    assertEquals(channel.turn, "user");
  }));

Deno.test("Channel.reserve() has the turn until the commit", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const room = await channel.reserve(10);
    assertEquals(channel.turn, "user");
    assertEquals([channel.trySend("x"), channel.tryPass(), channel.tryReserve(1)], [
      false,
      false,
      undefined,
    ]);
    throwsWith("busy", () => channel.sendSync("x"));
    throwsWith("busy", () => channel.passSync());
    throwsWith("turn", () => channel.receiveSync());
    throwsWith("turn", () => channel.tryReceive());
    await rejectsWith("turn", () => channel.receive());
    room.bytes.fill(65);
    room.commit({ type: 3, length: 4 });
    const message = await channel.receive();
    assertEquals([message?.type, message?.text()], [3, "AAAA"]);
    throwsWith("released", () => room.commit());
  }));

Deno.test("Reservation.discard() keeps the turn, and lets sends that wait for it send", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    for (let i = 0; i < 100; i++) (await channel.reserve(100)).discard();
    assertEquals(channel.turn, "user");
    throwsWith("turn", () => channel.tryReceive());
    const room = channel.tryReserve(20)!;
    const discard = true;
    const sends = [
      channel.send("first"),
      channel.send("second", { discard }),
      channel.pass({ discard }),
    ];
    assertEquals(channel.turn, "user");
    room.discard();
    await Promise.all(sends);
    assertEquals((await channel.receive())?.pass, true);
    await until(() => channel.stats().toKernelRecords === 2, "two messages were sent");
  }));

Deno.test("Reservation.discard() keeps a message that the commit would have dropped", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    channel.sendSync("kept");
    await comes(channel);
    const room = channel.tryReserve(20, { discard: true })!;
    throwsWith("turn", () => channel.tryReceive());
    room.discard();
    assertEquals(channel.tryReceive()?.text(), "kept");
    channel.sendSync("continues");
    assertEquals(channel.receiveSync()?.text(), "continues");
  }));

Deno.test("Channel.sendBatch() sends one message, and refuses more", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    await channel.sendBatch([]);
    await assertRejects(() => channel.sendBatch(["x", "y"]), TypeError, "one by one");
    await assertRejects(() => channel.sendBatch(new Set(["x", "y"])), TypeError, "one by one");
    assertEquals(channel.turn, "user");
    await channel.sendBatch(["one"], { type: 1 });
    const [message, ...others] = await channel.receiveBatch();
    assertEquals([message?.text(), message?.type, others.length], ["one", 1, 0]);
  }));

Deno.test("Message.bytes are valid until the next send, pass or commit", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const gives: (() => unknown)[] = [
      () => channel.send("x"),
      () => channel.trySend("x"),
      () => channel.sendSync("x"),
      () => channel.pass(),
      () => {
        const room = channel.tryReserve(8)!;
        assertEquals(channel.turn, "user");
        room.commit();
      },
    ];
    for (const give of gives) {
      channel.sendSync("kept");
      const kept = await channel.receive();
      assertThrows(() => channel.trySend(new Uint8Array(channel.maxMessage + 1)), RangeError);
      throwsWith("turn", () => channel.tryReceive());
      const room = await channel.reserve(8);
      assertEquals(kept?.text(), "kept");
      room.discard();
      assertEquals(kept?.text(), "kept");
      await give();
      throwsWith("released", () => kept?.text());
      await channel.receive();
    }
  }));
