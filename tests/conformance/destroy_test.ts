// SPDX-License-Identifier: BSD-3-Clause
/** The device goes while its users are in the middle of a call: each of them sees the same end. */

import { assertEquals, assertGreater, assertRejects } from "../../deps.ts";
import { type Channel, type Device, open } from "../../mod.ts";
import { driver, PATH, thenLoad } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { occupy } from "./lib/hindered.ts";
import { ENODEV, rejectsWith, throwsWith } from "./lib/errors.ts";
import { patience } from "../lib/until.ts";
import { sleep, Thread, until } from "./lib/script.ts";

/** Gives an open device and a channel to `body`, which unloads the echo client. */
function going(body: (channel: Channel, device: Device) => Promise<void>): Promise<void> {
  return thenLoad(async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await body(channel, device);
  });
}

Deno.test("Channel.receive() returns unread records after the device went", () =>
  going(async (channel) => {
    for (let i = 0; i < 100; i++) channel.sendSync(String(i), { type: i });
    await until(() => channel.stats().toUserRecords === 100, "all records are echoed");
    await driver.unload();
    let count = 0;
    for await (const message of channel) {
      assertEquals([message.type, message.text()], [count, String(count)]);
      count++;
    }
    assertEquals([count, channel.done], [100, true]);
    assertEquals(await channel.receive(), undefined);
    assertEquals(channel.tryReceive(), undefined);
    throwsWith("closed", () => channel.trySend("x"));
  }));

Deno.test("Channel.receive(), a batch and an iteration that wait end when the device goes", () =>
  thenLoad(async () => {
    using device = open(PATH);
    const channels = [await device.attach(), await device.attach(), await device.attach()] as const;
    const one = channels[0].receive();
    const batch = channels[1].receiveBatch();
    const iteration = (async () => {
      for await (const _ of channels[2]);
      return "ended";
    })();
    await sleep(50);
    await driver.unload();
    assertEquals([await one, await batch, await iteration], [undefined, [], "ended"]);
    for (const channel of channels) channel.close();
  }));

Deno.test("Channel.send() and reserve() that wait for room fail as closed when the device goes", () =>
  going(async (channel) => {
    await occupy(channel);
    const bytes = new Uint8Array(10_000);
    while (channel.trySend(bytes));
    const sending = rejectsWith("closed", () => channel.send(bytes));
    const reserving = rejectsWith("closed", () => channel.reserve(10_000));
    await sleep(20);
    await driver.unload();
    await sending;
    await reserving;
  }));

Deno.test("Device.attach() that waits for a channel fails when the device goes", () =>
  going(async (channel, device) => {
    const waiting = rejectsWith("gone", () => device.attach({ channel: channel.number }), ENODEV);
    await sleep(50);
    await driver.unload();
    await waiting;
  }));

Deno.test(
  "Channel.receive() returns whole records of a kernel side that waited for room when " +
    "the device went",
  () =>
    going(async (channel) => {
      await echo.produce(channel, 10_000, 1000);
      await until(() => channel.stats().toUserRecords > 200, "the ring is full");
      await driver.unload();
      let samples = 0;
      for await (const message of channel) {
        assertEquals(echo.sampleNumber(message.bytes), samples++);
      }
      assertGreater(samples, 200);
      assertEquals(channel.stats().toUserRecords, samples);
    }),
);

Deno.test("Channel.receiveSync() that blocks a thread ends when the device goes", () =>
  thenLoad(async () => {
    using thread = new Thread(`
      const device = kup.open("${PATH}");
      const channel = await device.attach();
      post("attached");
      const message = channel.receiveSync();
      post([message, channel.done]);
      channel.close();
      device.close();`);
    assertEquals(await thread.next(), "attached");
    await sleep(100);
    await driver.unload();
    assertEquals(await thread.next(), [undefined, true]);
  }));

Deno.test("Channel.sendSync() that blocks a thread fails as closed when the device goes", () =>
  thenLoad(async () => {
    using thread = new Thread(`
      const device = kup.open("${PATH}");
      const channel = await device.attach();
      // The client waits for room for these, and reads nothing more.
      const samples = new Uint32Array([1000, 0, 1000, ${echo.context.waiting}]);
      channel.sendSync(samples, { type: ${echo.PRODUCE} });
      while (channel.trySend(new Uint8Array(10_000)));
      post("full");
      try { for (;;) channel.sendSync(new Uint8Array(10_000)); }
      catch (error) { post([error.name, error.code]); }
      channel.close();
      device.close();`);
    assertEquals(await thread.next(), "full");
    await sleep(50);
    await driver.unload();
    assertEquals(await thread.next(), ["KupError", "closed"]);
  }));

Deno.test("Channel.close() and Device.close() work after the device went", () =>
  thenLoad(async () => {
    const device = open(PATH);
    const channel = await device.attach();
    const reservation = await channel.reserve(100);
    channel.sendSync("x");
    await driver.unload();
    throwsWith("closed", () => reservation.commit());
    channel.close();
    device.close();
    throwsWith("closed", () => device.info());
    await assertRejects(() => channel.receive());
    throwsWith("closed", () => reservation.bytes);
  }));

Deno.test("open() of a device that is created again sees nothing of the one before", async () => {
  using old = open(PATH);
  using owned = await old.attach({ channel: 0 });
  owned.sendSync("old");
  await driver.unload();
  await driver.load();
  using device = open(PATH);
  assertEquals([device.info().attaches, device.info().channelsFree], [0, 8]);
  assertEquals(device.totals(0).generation, 0);
  using channel = await device.attach({ channel: 0 });
  assertEquals(channel.generation, 1);
  throwsWith("gone", () => old.info(), ENODEV);
  throwsWith("gone", () => owned.totals(), ENODEV);
  owned.close();
  old.close();
  channel.sendSync("new");
  assertEquals(channel.receiveSync({ timeout: patience() })?.text(), "new");
});
