// SPDX-License-Identifier: BSD-3-Clause
/** Turn mode: who may send, what passes the turn, and what is said to those who come out of turn. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { until } from "./lib/script.ts";
import { ownTurn, turns } from "./lib/turns.ts";

/** The next message that isn't a pass. */
async function answer(channel: Channel): Promise<string | undefined> {
  for (;;) {
    const message = await channel.receive();
    if (!message?.pass) return message?.text();
  }
}

Deno.test("a turn device and its channels say so, and stream channels that they have no turns", async () => {
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

Deno.test("Channel.readable and Channel.writable are for stream channels", () =>
  turns((channel) => {
    assertThrows(() => channel.readable, TypeError, "turn channel");
    assertThrows(() => channel.writable, TypeError, "turn channel");
    assertThrows(() => channel.toReadable(), TypeError, "turn channel");
    return Promise.resolve();
  }));

Deno.test("Channel.messages() that comes out of turn is refused, and goes on in turn", () =>
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

Deno.test("the kernel has the first turn, and its pass is the first to be received", () =>
  turns(async (channel) => {
    const first = await channel.receive();
    assertEquals([first?.pass, first?.length, first?.gap], [true, 0, undefined]);
    assertEquals(first?.bytes, new Uint8Array(0));
    assertEquals(channel.turn, "user");
    channel.sendSync("hello");
    const second = await channel.receive();
    assertEquals([second?.pass, second?.text()], [false, "hello"]);
  }));

Deno.test("a send takes the turn and passes it: the answer brings it back", () =>
  turns(async (channel) => {
    for (let i = 0; i < 500; i++) {
      await channel.send(`number ${i}`, { type: i });
      const message = await channel.receive();
      if (message?.pass) assertEquals([i, (await channel.receive())?.type], [0, 0]);
      else assertEquals([message?.type, message?.text()], [i, `number ${i}`]);
      assertEquals(channel.turn, "user");
    }
  }));

Deno.test("for await answers each message, synchronous calls do the same", () =>
  turns(async (channel) => {
    let rounds = 0;
    for await (const message of channel) {
      if (!message.pass) assertEquals(message.text(), `round ${rounds}`);
      if (++rounds === 300) break;
      await channel.send(`round ${rounds}`);
    }
    for (let i = 0; i < 300; i++) {
      channel.sendSync("x", { type: i });
      assertEquals(channel.receiveSync()?.type, i);
    }
  }));

Deno.test("while it is the kernel's turn nothing can be sent, and nothing is lost by trying", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    // Long enough for all that follows, also on a slow machine.
    await echo.pause(channel, 2000);
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
    const waits = [
      channel.send("x", { signal }),
      channel.sendBatch(["x", "y"], { signal }),
      channel.pass({ signal }),
      channel.reserve(5, { signal }),
      channel.receive({ signal }),
    ];
    for (const wait of waits) await assertRejects(() => wait, DOMException);
    assertEquals(channel.turn, "kernel");
    channel.sendSync("after");
    assertEquals(await answer(channel), "after");
    // Counted when the kernel's side is done with it.
    await until(() => channel.stats().toKernelRecords === 2, "two messages were sent");
  }));

Deno.test("receiving at one's own turn is the error turn in every form, and never waits", () =>
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
    assertEquals([channel.turn, channel.ended, channel.closed], ["user", false, false]);
    channel.sendSync("goes on");
    assertEquals(channel.receiveSync()?.text(), "goes on");
  }));

Deno.test("a pass gives the turn away, and the kernel's comes back", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    for (let i = 0; i < 300; i++) {
      if (i % 3 === 0) await channel.pass();
      else if (i % 3 === 1) channel.passSync();
      else await until(() => channel.tryPass(), "the turn comes back");
      const message = i % 2 === 0 ? await channel.receive() : channel.receiveSync();
      assertEquals([message?.pass, message?.type], [true, 0]);
    }
    // Neither side's are messages.
    const { toKernelRecords, toUserRecords, toKernelBytes, toUserBytes } = channel.stats();
    assertEquals([toKernelRecords, toUserRecords, toKernelBytes, toUserBytes], [0, 0, 0, 0]);
  }));

Deno.test("passes that nobody receives fill nothing up", () =>
  turns(async (channel) => {
    // One of them is received, and kept.
    assertEquals(channel.receiveSync()?.pass, true);
    // A ring takes 512.
    for (let i = 0; i < 3000; i++) channel.passSync();
    await ownTurn(channel);
    channel.sendSync("after");
    assertEquals(await answer(channel), "after");
    assertEquals(channel.stats().toUserRecords, 1);
  }, { to_user_pages: 1, to_kernel_pages: 1, spin: 1000 }));

Deno.test("a pass can be seen once, by the receive that waits for it or by the next one", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const waits = channel.pass();
    const receives = channel.receive();
    await waits;
    assertEquals((await receives)?.pass, true);
    await rejectsWith("turn", () => channel.receive());
    // Not received before the next turn was taken: it is gone.
    await channel.pass();
    await channel.send("x");
    assertEquals((await channel.receive())?.text(), "x");
  }));

Deno.test("messages of the kernel that were not received stay, in order", () =>
  turns(async (channel) => {
    for (let i = 0; i < 20; i++) channel.sendSync("unread", { type: i });
    await until(() => channel.turn === "user", "the last one came back");
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) seen.push(channel.tryReceive()!.type);
    assertEquals(seen, Array.from({ length: 20 }, (_, i) => i));
    throwsWith("turn", () => channel.tryReceive());
  }));

Deno.test("a kernel side that has the turn and no room waits for the reader", () =>
  turns(async (channel) => {
    const bytes = new Uint8Array(1000);
    let sent = 0;
    // Until the answer to the last one doesn't fit any more.
    while (channel.send(bytes, { type: sent, signal: AbortSignal.timeout(5000) })) {
      sent++;
      try {
        channel.passSync({ timeout: 1000 });
      } catch {
        break;
      }
      await until(() => channel.turn === "user", "the pass comes back").catch(() => {});
      if (sent > 20) break;
    }
    assert(sent >= 2 && sent <= 5, `${sent} were sent into a ring of 4096 bytes`);
    assertEquals(channel.turn, "kernel");
    for (let i = 0; i < sent;) {
      const message = await channel.receive();
      if (!message?.pass) assertEquals(message?.type, i++);
    }
    channel.sendSync("after");
    assertEquals(await answer(channel), "after");
  }, { to_user_pages: 1 }));

Deno.test("the largest messages go there and back", () =>
  turns(async (channel) => {
    const length = Math.min(channel.maxMessage, channel.maxReceive);
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(length).fill(i + 1);
      await channel.send(bytes, { type: i });
      let message = await channel.receive();
      if (message?.pass) message = await channel.receive();
      assertEquals([message?.type, message?.length, message?.bytes[length - 1]], [
        i,
        length,
        i + 1,
      ]);
    }
    const long = new Uint8Array(channel.maxMessage + 1);
    await assertRejects(() => channel.send(long), RangeError);
    assertEquals(channel.turn, "user");
  }));

Deno.test("a reservation has the turn until it is committed", () =>
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
    assertEquals(channel.tryReceive(), undefined);
    const receives = channel.receive();
    room.bytes.fill(65);
    room.commit({ type: 3, length: 4 });
    const message = await receives;
    assertEquals([message?.type, message?.text()], [3, "AAAA"]);
    throwsWith("released", () => room.commit());
  }));

Deno.test("a discarded reservation keeps the turn, and sends that wait for it go out", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    for (let i = 0; i < 100; i++) (await channel.reserve(100)).discard();
    assertEquals(channel.turn, "user");
    throwsWith("turn", () => channel.tryReceive());
    const room = channel.tryReserve(20)!;
    const sends = [channel.send("first"), channel.send("second"), channel.pass()];
    assertEquals(channel.turn, "user");
    room.discard();
    assertEquals(await answer(channel), "first");
    assertEquals(await answer(channel), "second");
    await Promise.all(sends);
    // Counted when the kernel's side is done with it.
    await until(() => channel.stats().toKernelRecords === 2, "two messages were sent");
  }));

Deno.test("a receive that waits for a reservation's answer hears when that is discarded", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const room = channel.tryReserve(20)!;
    const receives = channel.receive();
    room.discard();
    await rejectsWith("turn", () => receives);
    channel.sendSync("goes on");
    assertEquals(channel.receiveSync()?.text(), "goes on");
  }));

Deno.test("a batch goes out one turn at a time, in the order of the calls", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const sends = [
      channel.sendBatch(Array.from({ length: 50 }, (_, i) => `batch ${i}`), { type: 1 }),
      channel.send("between", { type: 2 }),
      channel.reserve(3).then((room) => {
        room.bytes.fill(66);
        room.commit({ type: 3 });
      }),
      channel.sendBatch(["last 0", "last 1"], { type: 4 }),
    ];
    const seen: string[] = [];
    while (seen.length < 54) {
      const message = await channel.receive();
      if (!message?.pass) seen.push(message!.text());
    }
    assertEquals(seen, [
      ...Array.from({ length: 50 }, (_, i) => `batch ${i}`),
      ...["between", "BBB", "last 0", "last 1"],
    ]);
    await Promise.all(sends);
  }));

Deno.test("a message in a turn channel is valid until the next receive, also across a send", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    channel.sendSync("kept");
    const kept = await channel.receive();
    channel.sendSync("next");
    assertEquals(kept?.text(), "kept");
    assertEquals((await channel.receive())?.text(), "next");
    throwsWith("released", () => kept?.text());
  }));
