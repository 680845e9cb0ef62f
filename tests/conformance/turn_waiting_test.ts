// SPDX-License-Identifier: BSD-3-Clause
/** Turn mode: waiting for the turn, in every form, beside other calls, and its end. */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { driver, PATH, thenLoad } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { patience } from "../lib/until.ts";
import { idle, WINDOW_MS } from "./lib/idle.ts";
import { allFree, sleep, Thread, until } from "./lib/script.ts";
import { inTime, kernelKeeps, ownTurn, turns } from "./lib/turns.ts";

/** Checks that sends which do not wait are refused while another call waits for the turn. */
function refusesSends(channel: Channel): void {
  throwsWith("busy", () => channel.sendSync("x"));
  throwsWith("busy", () => channel.passSync());
  assertEquals(
    [channel.trySend("x"), channel.tryPass(), channel.tryReserve(1)],
    [false, false, undefined],
  );
}

/** For a turn of the kernel that lasts until the channel ends, in milliseconds. */
const LASTING = 60_000;

Deno.test("Channel.send(), pass() and reserve() wait for the turn, asynchronously and blocking", () =>
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

Deno.test("Channel.receive() waits for the kernel's turn to end", () =>
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

Deno.test("Channel.receive() and sends refuse each other as busy while one of them waits", () =>
  inTime(async (channel, during) => {
    let waits: Promise<unknown> | undefined;
    /** The call waits for the turn; if it fails because the checks were late, the test is over. */
    const start = (call: Promise<unknown>) => {
      waits = call;
      call.catch(() => {});
    };
    await during(async () => {
      start(channel.send("first"));
      throwsWith("busy", () => channel.tryReceive());
      throwsWith("busy", () => channel.tryReceiveBatch());
      throwsWith("busy", () => channel.receiveSync());
      await rejectsWith("busy", () => channel.receive());
      await rejectsWith("busy", () => channel.receiveBatch());
      await rejectsWith("busy", () => channel.messages().next());
      refusesSends(channel);
    });
    await waits;
    assertEquals((await channel.receive())?.text(), "first");
    for (const receive of [() => channel.receive(), () => channel.messages().next()]) {
      await during(async () => {
        start(receive());
        await rejectsWith("busy", () => channel.send("x"));
        await rejectsWith("busy", () => channel.sendBatch(["x"]));
        await rejectsWith("busy", () => channel.pass());
        await rejectsWith("busy", () => channel.reserve(1));
        refusesSends(channel);
      });
      await waits;
    }
    channel.sendSync("last");
    assertEquals((await channel.receive())?.text(), "last");
    // The echoes alone; the pauses had none.
    assertEquals(channel.stats().toUserRecords, 2);
  }));

Deno.test("Channel.send() that is aborted lets the calls behind it continue, and loses no turn", () =>
  inTime(async (channel, during) => {
    let stays: Promise<void> | undefined;
    await during(async () => {
      const abort = new AbortController();
      const given = channel.send("given up", { signal: abort.signal });
      stays = channel.send("stays");
      // It fails if the checks were late, and the test is over then.
      stays.catch(() => {});
      abort.abort();
      await assertRejects(() => given, DOMException);
    });
    await stays;
    assertEquals((await channel.receive())?.text(), "stays");
    await during(async () => {
      const last = new AbortController();
      const alone = channel.send("given up", { signal: last.signal });
      last.abort();
      await assertRejects(() => alone, DOMException);
    });
    assertEquals((await channel.receive())?.pass, true);
  }));

Deno.test("Channel.send(), pass() and reserve() get their turns in the order of the calls", () =>
  turns(async (channel) => {
    await kernelKeeps(channel, 60);
    const count = 200;
    const done: number[] = [];
    const discard = true;
    const forms = [
      (type: number) => channel.send(`${type}`, { type, discard }),
      (type: number) => channel.sendBatch([`${type}`], { type, discard }),
      async (type: number) => (await channel.reserve(8, { discard })).commit({ type }),
      () => channel.pass({ discard }),
    ];
    const sends = Array.from({ length: count }, (_, i) => {
      return forms[i % forms.length]!(i).then(() => done.push(i));
    });
    await Promise.all(sends);
    assertEquals(done, Array.from({ length: count }, (_, i) => i));
    assertEquals((await channel.receive())?.pass, true);
    await until(
      () => channel.stats().toKernelRecords === 1 + count * 3 / 4,
      "all messages were sent",
    );
  }));

Deno.test("Channel.send() that waits behind others fails over their answers, unless it drops them", () =>
  turns(async (channel) => {
    await kernelKeeps(channel, 60);
    const sent = channel.send("first");
    const unread = channel.send("second");
    await sent;
    await rejectsWith("unread", () => unread);
    assertEquals((await channel.receive())?.text(), "first");
  }));

Deno.test("Channel.reserve() gets a turn that came while the event loop did not run", () =>
  inTime(async (channel, during) => {
    let room: ReturnType<typeof channel.reserve> | undefined;
    await during(() => {
      room = channel.reserve(6);
      return Promise.resolve();
    });
    // Without the event loop no call sees that the turn has come.
    while (channel.turn === "kernel");
    throwsWith("busy", () => channel.tryReceive());
    using open = await room!;
    open.bytes.fill(67);
    open.commit();
    assertEquals((await channel.receive())?.text(), "CCCCCC");
  }));

Deno.test("Channels of two threads take turns with the kernel", () =>
  turns(async () => {
    const threads = Array.from({ length: 2 }, () =>
      new Thread(`
        const device = kup.open("${PATH}");
        const channel = await device.attach();
        let wrong = 0;
        for (let i = 0; i < 100; i++) {
          channel.sendSync("x", { type: i });
          const message = i % 2 ? channel.receiveSync() : await channel.receive();
          if (message.type !== i) wrong++;
        }
        channel.close();
        device.close();
        post(wrong);
      `));
    try {
      for (const thread of threads) assertEquals(await thread.next(), 0);
    } finally {
      for (const thread of threads) thread[Symbol.dispose]();
    }
  }));

Deno.test("Channels that wait for a turn use no processor time, on either side", () =>
  turns(async (channel, device) => {
    using reserved = await device.attach();
    using receiving = await device.attach();
    await ownTurn(reserved);
    // None of these can continue: a send waits for a reservation, a send and a receive for the
    // kernel's turn.
    const room = reserved.tryReserve(1)!;
    const behind = reserved.send("x", { discard: true });
    let waits: Promise<unknown>[] = [];
    await idle(driver.servingThreads, async () => {
      await Promise.all(waits);
      await kernelKeeps(channel, 2 * WINDOW_MS);
      await kernelKeeps(receiving, 2 * WINDOW_MS);
      waits = [channel.send("x"), receiving.receive()];
    });
    room.discard();
    await Promise.all([behind, ...waits]);
  }));

Deno.test("Channel.close() ends all calls that wait for a turn", () =>
  turns(async (channel, device) => {
    const other = await device.attach();
    await kernelKeeps(channel, LASTING);
    await kernelKeeps(other, LASTING);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1), other.receive()];
    const step = device.attach().then(async (third) => {
      await kernelKeeps(third, LASTING);
      const step = third.messages().next();
      third.close();
      return step;
    });
    assertEquals((await step).done, true);
    channel.close();
    other.close();
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals([channel.turn, other.turn], [undefined, undefined]);
    for (const call of [() => channel.tryPass(), () => channel.passSync()]) {
      throwsWith("closed", call);
    }
    await rejectsWith("closed", () => channel.pass());
    await allFree(device);
  }));

Deno.test("Channel.close() ends sends that wait for a reservation", () =>
  turns(async (channel, device) => {
    await ownTurn(channel);
    channel.tryReserve(8);
    const waits = [channel.send("x"), channel.reserve(1)];
    channel.close();
    for (const wait of waits) await rejectsWith("closed", () => wait);
    await allFree(device);
  }));

Deno.test(
  "Channel.close() with an open reservation, at either side's turn, leaves a usable " +
    "channel to the next owner",
  () =>
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
    }),
);

Deno.test("Channel.send() at the kernel's turn ends when the kernel closes, as do pass and reserve", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const closing = echo.closeFromKernel(channel);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1)];
    await closing;
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals([channel.done, channel.tryReceive()], [true, undefined]);
    throwsWith("closed", () => channel.trySend("x"));
    throwsWith("closed", () => channel.tryPass());
    throwsWith("closed", () => channel.sendSync("x"));
  }));

Deno.test("Channel.receive() at the kernel's turn ends when the kernel closes", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    const last = echo.closeFromKernel(channel).then(() => channel.receive());
    assertEquals(await last, undefined);
    assertEquals([channel.done, channel.tryReceive()], [true, undefined]);
    throwsWith("closed", () => channel.passSync());
  }));

Deno.test("Channel.send() and receive() end when the device is destroyed", () =>
  thenLoad(async () => {
    await driver.unload();
    await driver.load({ mode: 2 });
    using device = open(PATH);
    using channel = await device.attach();
    using receiving = await device.attach();
    await kernelKeeps(channel, LASTING);
    await kernelKeeps(receiving, LASTING);
    const waits = [channel.send("x"), channel.pass(), channel.reserve(1)];
    const last = receiving.receive();
    // Later, because unloading blocks this thread of the host driver's process.
    for (const wait of waits) wait.catch(() => {});
    await driver.unload();
    for (const wait of waits) await rejectsWith("closed", () => wait);
    assertEquals(await last, undefined);
  }));

Deno.test("Channel.sendSync() that waits for its turn fails when the device is destroyed", () =>
  thenLoad(async () => {
    await driver.unload();
    await driver.load({ mode: 2 });
    using thread = new Thread(`
      const device = kup.open("${PATH}");
      const channel = await device.attach();
      channel.receiveSync();
      const pause = new Uint32Array([${LASTING}, 0]);
      channel.sendSync(pause, { type: ${echo.PAUSE} });
      post("waits");
      try {
        channel.sendSync("x");
        post("sent");
      } catch (error) {
        post(error.code);
      }
      channel.close();
      device.close();
    `);
    assertEquals(await thread.next(), "waits");
    await sleep(50);
    await driver.unload();
    assertEquals(await thread.next(), "closed");
  }));

Deno.test("Channel.receive() gets one message of a kernel's producer at each turn", () =>
  turns(async (channel) => {
    await ownTurn(channel);
    // More passes than the ring takes if none is received.
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

Deno.test("Channel.receive() gets no gap from a kernel producer that may not wait for its turn", () =>
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
