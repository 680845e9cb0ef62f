// SPDX-License-Identifier: BSD-3-Clause
/** Turn mode: waiting for the turn, in every form, beside others, and its end. */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { driver, PATH, thenLoad } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { patience } from "../lib/until.ts";
import { idle } from "./lib/idle.ts";
import { allFree, sleep, Thread } from "./lib/script.ts";
import { ownTurn, turns } from "./lib/turns.ts";

/** Longer than a busy machine may stall a test that needs the turn to be away meanwhile. */
const LONG = 1500;

/** The kernel's side keeps its turn for so long. */
async function kernelKeeps(channel: Channel, milliseconds: number): Promise<void> {
  await ownTurn(channel);
  await echo.pause(channel, milliseconds);
}

Deno.test("send, pass and reserve wait for the turn, asynchronously and blocking", () =>
  turns(async (channel) => {
    const forms = [
      () => channel.send("x"),
      () => channel.pass(),
      () => channel.reserve(1).then((room) => room.commit()),
      () => channel.sendSync("x"),
      () => channel.passSync(),
      () => channel.sendSync("x", { timeout: patience() }),
    ];
    for (const form of forms) {
      await ownTurn(channel);
      const started = performance.now();
      await echo.pause(channel, 100);
      await form();
      const took = performance.now() - started;
      assert(took > 90 && took < patience(), `${form} took ${took} ms`);
    }
  }));

Deno.test("a receive waits for the kernel's turn to end", () =>
  turns(async (channel) => {
    await kernelKeeps(channel, 60);
    assertEquals((await channel.receive())?.pass, true);
    await kernelKeeps(channel, 60);
    assertEquals(channel.receiveSync()?.pass, true);
    await kernelKeeps(channel, 60);
    assertEquals((await channel.receiveBatch()).map((one) => one.pass), [true]);
    await kernelKeeps(channel, 60);
    for await (const message of channel) {
      assertEquals(message.pass, true);
      break;
    }
  }));

Deno.test("a blocking receive sends what waits in this isolate, since nobody else does", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const room = channel.tryReserve(1)!;
    const waiting = channel.send("waiting");
    room.discard();
    assertEquals(channel.receiveSync({ timeout: patience() })?.text(), "waiting");
    await waiting;
    await kernelKeeps(channel, 50);
    const sends = [channel.send("one"), channel.send("two")];
    const seen: string[] = [];
    while (seen.length < 2) {
      const message = channel.receiveSync({ timeout: patience() });
      if (!message?.pass) seen.push(message!.text());
    }
    assertEquals(seen, ["one", "two"]);
    await Promise.all(sends);
  }));

Deno.test("a send that is given up lets those behind it go, and no turn is lost", () =>
  turns(async (channel) => {
    await kernelKeeps(channel, LONG);
    const abort = new AbortController();
    const given = channel.send("given up", { signal: abort.signal });
    const stays = channel.send("stays");
    abort.abort();
    await assertRejects(() => given, DOMException);
    await stays;
    for (;;) {
      const message = await channel.receive();
      if (message?.pass) continue;
      assertEquals(message?.text(), "stays");
      break;
    }
  }));

Deno.test("a receive that waits and sends that wait get on with each other", () =>
  turns(async (channel) => {
    const count = 1000;
    const sends = Array.from({ length: count }, (_, i) => channel.send(`${i}`, { type: i }));
    let next = 0;
    for await (const message of channel) {
      if (message.pass) continue;
      assertEquals([message.type, message.text()], [next, `${next}`]);
      if (++next === count) break;
    }
    await Promise.all(sends);
    assertEquals(channel.stats().toUserRecords, count);
  }));

Deno.test("a receive waits for what a reservation is going to say that the turn came to meanwhile", () =>
  turns(async (channel) => {
    await kernelKeeps(channel, LONG);
    const room = channel.reserve(6);
    // Without the event loop: nobody else sees that the turn has come.
    while (channel.turn === "kernel");
    assertEquals(channel.tryReceive()?.pass, true);
    const receives = channel.receive();
    using open = await room;
    open.bytes.fill(67);
    open.commit();
    assertEquals((await receives)?.text(), "CCCCCC");
  }));

Deno.test("four threads take turns with the kernel on channels of their own", () =>
  turns(async () => {
    const threads = Array.from({ length: 4 }, () =>
      new Thread(`
        const device = kup.open("${PATH}");
        const channel = await device.attach();
        let wrong = 0;
        for (let i = 0; i < 300; i++) {
          channel.sendSync("x", { type: i });
          let message = i % 2 ? channel.receiveSync() : await channel.receive();
          if (message.pass) message = channel.receiveSync();
          if (message.type !== i) wrong++;
        }
        channel.close();
        device.close();
        tell(wrong);
      `));
    try {
      for (const thread of threads) assertEquals(await thread.told(), 0);
    } finally {
      for (const thread of threads) thread[Symbol.dispose]();
    }
  }));

Deno.test("channels that wait for a turn use no processor time, on either side", () =>
  turns(async (channel, device) => {
    using other = await device.attach();
    await ownTurn(other);
    // Nothing of this can go on: a send behind a reservation, one behind the kernel's turn, and their receives.
    const room = other.tryReserve(1)!;
    const waits: Promise<unknown>[] = [other.send("x"), other.receive()];
    await idle(driver.servingThreads, async () => {
      await Promise.all(waits.slice(2));
      await kernelKeeps(channel, 2 * LONG);
      waits.splice(2, 2, channel.send("x"), channel.receive());
    });
    room.discard();
    await Promise.all(waits);
  }));

Deno.test("the user's close ends whoever waits for a turn", () =>
  turns(async (channel, device) => {
    await kernelKeeps(channel, LONG);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1), channel.receive()];
    channel.close();
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals(channel.turn, undefined);
    for (const call of [() => channel.tryPass(), () => channel.passSync()]) {
      throwsWith("closed", call);
    }
    await rejectsWith("closed", () => channel.pass());
    await allFree(device);
  }));

Deno.test("closing with an open reservation, at either side's turn, leaves a good channel to the next", () =>
  turns(async (channel, device) => {
    await ownTurn(channel);
    const room = channel.tryReserve(8)!;
    channel.close();
    throwsWith("closed", () => room.commit());
    room.discard();
    {
      using second = await device.attach({ channel: channel.number });
      await kernelKeeps(second, 50);
    }
    using third = await device.attach({ channel: channel.number });
    await ownTurn(third);
    third.sendSync("x");
    assertEquals((await third.receive())?.text(), "x");
  }));

Deno.test("the kernel's close is the end of the channel for all who wait, at either turn", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const closing = echo.closeFromKernel(channel);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1)];
    const last = channel.receive();
    await closing;
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals(await last, undefined);
    assertEquals([channel.ended, channel.tryReceive()], [true, undefined]);
    throwsWith("closed", () => channel.tryPass());
    throwsWith("closed", () => channel.sendSync("x"));
  }));

Deno.test("destroying the device ends whoever waits for a turn", () =>
  thenLoad(async () => {
    await driver.unload();
    await driver.load({ mode: 2 });
    using device = open(PATH);
    using channel = await device.attach();
    await kernelKeeps(channel, LONG);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1)];
    const last = channel.receive();
    // Later: unloading blocks this thread of the host driver's process.
    for (const wait of waits) wait.catch(() => {});
    await driver.unload();
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals(await last, undefined);
  }));

Deno.test("a thread that is blocked for its turn hears of the device's end", () =>
  thenLoad(async () => {
    await driver.unload();
    await driver.load({ mode: 2 });
    using thread = new Thread(`
      const device = kup.open("${PATH}");
      const channel = await device.attach();
      channel.receiveSync();
      const pause = new Uint32Array([${LONG}, 0]);
      channel.sendSync(pause, { type: ${echo.PAUSE} });
      tell("waits");
      try { channel.sendSync("x"); } catch (error) { tell(error.code); }
      channel.close();
      device.close();
    `);
    assertEquals(await thread.told(), "waits");
    await sleep(50);
    await driver.unload();
    assertEquals(await thread.told(), "closed");
  }));

Deno.test("a producer in a kernel's turn channel sends one message each turn", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    // More passes than the ring takes, if nobody takes them out.
    const count = 700;
    await echo.produce(channel, count, 64);
    for (let next = 0; next < count; next++) {
      const message = await channel.receive();
      assertEquals([message?.type, echo.sampleNumber(message!.bytes)], [echo.SAMPLE, next]);
      await channel.pass();
    }
    assertEquals(echo.produced((await channel.receive())!), { sent: count, lost: 0 });
    assertEquals(channel.stats().droppedNoSpace, 0);
  }, { to_kernel_pages: 1 }));

Deno.test("a kernel's producer that may not wait for its turn is told so, and no gap is reported", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    await echo.produce(channel, 10, 64, echo.context.trying);
    let seen = 0;
    for (;;) {
      const message = await channel.receive();
      assertEquals(message?.gap, undefined);
      if (message?.type === echo.PRODUCE) {
        assertEquals(echo.produced(message), { sent: seen, lost: 10 - seen });
        break;
      }
      assertEquals(message?.type, echo.SAMPLE);
      seen++;
      await channel.pass();
    }
    assert(seen > 0);
    const { droppedNoSpace, droppedTooLong } = channel.stats();
    assertEquals([droppedNoSpace, droppedTooLong], [0, 0]);
  }));
