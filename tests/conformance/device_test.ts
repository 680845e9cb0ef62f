// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a device reports and counts: geometry, attaches, generations, and each channel's numbers.
 */

import { assert, assertEquals, assertGreater } from "../../deps.ts";
import { type ChannelTotals, KupError, open } from "../../mod.ts";
import { driver, ECHO_NAME, PATH, withEcho } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { EBUSY, rejectsWith, throwsWith } from "./lib/errors.ts";
import { patience } from "../lib/until.ts";
import { allFree, until } from "./lib/script.ts";

Deno.test("Device.info() returns the geometry without an attach", async () => {
  using device = open(PATH);
  await allFree(device);
  const info = device.info();
  assertEquals(
    [info.name, info.abiVersion, info.mode, info.channels, info.channelsFree],
    [ECHO_NAME, 1, "stream", 8, 8],
  );
  assertEquals(info.ringBytes, { toUser: 64 * 4096, toKernel: 32 * 4096 });
  assertEquals(info.spinMicroseconds, 100);
  assertEquals([device.name, device.path, device.channels], [ECHO_NAME, PATH, 8]);
  assertEquals(device.totals(7).state, "free");
});

Deno.test("Device.info() returns what the module's parameters ask for", () =>
  withEcho(
    { name: "kup/other", channels: 3, to_user_pages: 2, to_kernel_pages: 1, spin: 7 },
    async () => {
      using device = open(driver.pathOf("kup/other"));
      const info = device.info();
      assertEquals(
        [
          info.name,
          info.channels,
          info.ringBytes.toUser,
          info.ringBytes.toKernel,
          info.spinMicroseconds,
        ],
        ["kup/other", 3, 2 * 4096, 4096, 7],
      );
      using channel = await device.attach({ channel: 2 });
      assertEquals([channel.maxReceive, channel.maxMessage], [2 * 4096 - 40, 4096 - 40]);
      channel.sendSync(new Uint8Array(channel.maxMessage).fill(9));
      const message = channel.receiveSync({ timeout: patience() });
      assert(message?.length === 4096 - 40 && message.bytes.every((byte) => byte === 9));
    },
  ));

Deno.test("Device.info() and Channel.stats() count each attach, and none that was refused", async () => {
  using device = open(PATH);
  const attaches = device.info().attaches;
  const generation = device.totals(4).generation;
  for (let i = 1; i <= 5; i++) {
    using channel = await device.attach({ channel: 4 });
    assertEquals([channel.number, channel.generation], [4, generation + i]);
    await rejectsWith("busy", () => device.attach({ channel: 4, wait: false }), EBUSY);
    assertEquals(device.info().attaches, attaches + i);
    assertEquals(device.totals(4).generation, generation + i);
    assertEquals(channel.totals().generation, generation + i);
  }
  assertEquals(device.totals(4).generation, generation + 5);
});

Deno.test("open() twice gives two handles that see the same channels", async () => {
  using one = open(PATH);
  using two = open(PATH);
  await allFree(one);
  using channel = await one.attach({ channel: 3 });
  assertEquals([one.info().channelsFree, two.info().channelsFree], [7, 7]);
  assertEquals(two.totals(3).state, "open");
  await rejectsWith("busy", () => two.attach({ channel: 3, wait: false }), EBUSY);
  one.close();
  assertEquals(two.totals(3).state, "open");
  channel.sendSync("its device's handle is closed");
  assert((await channel.receive())?.text().endsWith("closed"));
  channel.close();
  using again = await two.attach({ channel: 3 });
  assertEquals(again.generation, channel.generation + 1);
});

/** Returns `undefined` for an attach that was refused as busy. */
function busy(error: unknown): undefined {
  if (!(error instanceof KupError && error.code === "busy")) throw error;
}

/** With a client whose pauses outlast their user, which no other client's should. */
function stubborn(body: () => Promise<void>): () => Promise<void> {
  return () => withEcho({ stubborn: 1 }, body);
}

Deno.test(
  "Device.totals() reports each state of a channel as it changes",
  stubborn(async () => {
    using device = open(PATH);
    await allFree(device);
    const state = () => device.totals(6).state;
    assertEquals(state(), "free");
    // On a busy machine the pause may be over too early, and then the next one is longer.
    let pause = 300;
    await until(async () => {
      await until(() => state() === "free", "the channel is free");
      const channel = await device.attach({ channel: 6 });
      assertEquals(state(), "open");
      const began = performance.now();
      await echo.pause(channel, pause);
      channel.sendSync("x");
      channel.close();
      const seen = [state(), device.info().channelsFree];
      // Its last user is gone, but its kernel side is not. attach() waits for that, for a second
      // at most.
      const started = performance.now();
      using next = await device.attach({ channel: 6, wait: false }).catch(busy);
      if (next === undefined) {
        pause = 300;
        return false;
      }
      if (started - began > pause - 100) {
        pause *= 2;
        return false;
      }
      assertEquals(seen, ["draining", 7]);
      assertGreater(performance.now() - started, 100);
      assertEquals(next.generation, channel.generation + 1);
      return true;
    }, "attach() waits for a channel that drains");
    const next = await device.attach({ channel: 6 });
    await echo.closeFromKernel(next);
    await until(() => state() === "closed", "the client closes");
    next.close();
    await until(() => state() === "free", "the channel is free");
  }),
);

Deno.test(
  "Device.attach() waits no longer than a second for a kernel side that drains",
  stubborn(async () => {
    using device = open(PATH);
    let refusal: unknown;
    let took = 0;
    // On a busy machine a short pause may be over before the wait for it begins.
    for (const pause of [1800, 5400, 16_200]) {
      const channel = await device.attach({ channel: 6 });
      await echo.pause(channel, pause);
      channel.close();
      const started = performance.now();
      refusal = await device.attach({ channel: 6, wait: false })
        .then((attached) => attached.close(), (error) => error);
      took = performance.now() - started;
      if (refusal !== undefined) break;
    }
    await rejectsWith("busy", () => Promise.reject(refusal), EBUSY);
    assertGreater(took, 900);
    using late = await device.attach({ channel: 6 });
    assertEquals(late.number, 6);
  }),
);

/** The counters that only the messages themselves change. */
function traffic(stats: ChannelTotals): number[] {
  return [
    stats.toKernelRecords,
    stats.toKernelBytes,
    stats.toUserRecords,
    stats.toUserBytes,
    stats.droppedNoSpace,
    stats.droppedTooLong,
  ];
}

Deno.test("Device.totals() has the process, the rings and the fill of another handle's channel", async () => {
  using device = open(PATH);
  await allFree(device);
  const empty = { toUser: 0, toKernel: 0 };
  const free = device.totals(3);
  assertEquals([free.process, free.ringBytes, free.usedBytes], [undefined, empty, empty]);
  {
    using channel = await device.attach({ channel: 3 });
    await channel.send(new Uint8Array(1000));
    const totals = () => device.totals(3);
    await until(() => totals().usedBytes.toUser === 1008, "the answer is in the ring");
    assertEquals([totals().process, totals().ringBytes], [Deno.pid, channel.ringBytes]);
    await channel.receive();
    channel.tryReceive();
    assertEquals(totals().usedBytes.toUser, 0);
  }
});

Deno.test("Channel.stats() and Device.totals() count records and bytes exactly", async () => {
  using device = open(PATH);
  const before = traffic(device.totals(5));
  for (let user = 1; user <= 3; user++) {
    using channel = await device.attach({ channel: 5 });
    for (const length of [0, 1, 8, 1000]) {
      channel.sendSync(new Uint8Array(length));
      assertEquals((await channel.receive())?.length, length);
    }
    const discarded = await channel.reserve(100);
    discarded.discard();
    channel.sendSync("", { type: echo.SAMPLE });
    await until(() => channel.stats().toKernelBytes >= 1009, "almost all messages are read");
    await until(() => channel.stats().toKernelRecords >= 5, "all messages are read");
    const own = channel.stats();
    assertEquals(
      [own.toKernelRecords, own.toKernelBytes, own.toUserRecords, own.toUserBytes],
      [5, 1009, 4, 1009],
    );
    assertEquals([own.droppedNoSpace, own.droppedTooLong], [0, 0]);
    const sum = traffic(channel.totals()).map((count, index) => count - before[index]!);
    assertEquals(sum, [5 * user, 1009 * user, 4 * user, 1009 * user, 0, 0]);
  }
  const sum = traffic(device.totals(5)).map((count, index) => count - before[index]!);
  assertEquals(sum, [15, 3027, 12, 3027, 0, 0]);
});

Deno.test("Channel.stats() and Device.totals() count losses", async () => {
  using device = open(PATH);
  const before = device.totals(2).droppedNoSpace;
  let all = 0;
  for (let user = 0; user < 2; user++) {
    using channel = await device.attach({ channel: 2 });
    await echo.produce(channel, 300, 1000, echo.context.trying);
    let lost = 0;
    for await (const message of channel) {
      lost += message.gap?.records ?? 0;
      if (message.type === echo.PRODUCE) break;
    }
    // The processors' speed decides whether any record is lost. The counters must agree in both
    // cases.
    assertEquals(channel.stats().droppedNoSpace, lost);
    all += lost;
    assertEquals(channel.totals().droppedNoSpace - before, all);
  }
});

Deno.test(
  "Channel.stats() counts messages that are too long for the ring apart, and a gap " +
    "reports them",
  async () => {
    using device = open(PATH);
    using channel = await device.attach();
    const before = channel.totals().droppedTooLong;
    await echo.produce(channel, 7, channel.maxReceive + 1, echo.context.trying);
    const gap = await channel.receive();
    assertEquals(gap?.gap, { records: 7, bytes: 7 * (channel.maxReceive + 1) });
    assertEquals([gap?.length, gap?.type], [0, 0]);
    throwsWith("gap", () => gap?.bytes);
    assertEquals(echo.produced((await channel.receive())!), { sent: 0, lost: 7 });
    assertEquals([channel.stats().droppedTooLong, channel.stats().droppedNoSpace], [7, 0]);
    assertEquals(channel.totals().droppedTooLong - before, 7);
    // The producer waits until its report is released, so the report comes first.
    assertEquals(channel.tryReceive(), undefined);
    await echo.produce(channel, 1, channel.maxReceive, echo.context.trying);
    assertEquals((await channel.receive())?.length, channel.maxReceive);
  },
);

Deno.test(
  "Device.attach() gives a channel without messages, bytes and counters of the last " +
    "owner",
  async () => {
    using device = open(PATH);
    for (let owner = 0; owner < 3; owner++) {
      using channel = await device.attach({ channel: 1 });
      assertEquals(channel.tryReceive(), undefined);
      // The kernel's thread may go to sleep at any moment: the one counter that belongs to it.
      const found = channel.stats();
      assertEquals(found, {
        toUserRecords: 0,
        toUserBytes: 0,
        toKernelRecords: 0,
        toKernelBytes: 0,
        droppedNoSpace: 0,
        droppedTooLong: 0,
        wakeups: 0,
        sleeps: found.sleeps,
      });
      assert(found.sleeps <= 1, `${found.sleeps} sleeps belong to another owner`);
      const room = await channel.reserve(channel.maxMessage);
      assert(room.bytes.every((byte) => byte === 0), "another owner's bytes were left");
      room.bytes.fill(0xaa);
      room.commit({ type: 1 });
      await until(() => channel.stats().toUserRecords === 1, "the message is echoed");
    }
  },
);
