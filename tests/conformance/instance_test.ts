// SPDX-License-Identifier: BSD-3-Clause
/**
 * An open device stays the device that was opened, and waitForDevice() waits for a later one of its
 * name.
 */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { type Channel, KupError, open, waitForDevice } from "../../mod.ts";
import { driver, PATH, thenLoad } from "./lib/driver.ts";
import { EBUSY, ENODEV, ENOENT, rejectsWith, throwsWith } from "./lib/errors.ts";
import { allFree, sleep } from "./lib/script.ts";

Deno.test("Device.attach() fails when the device is gone, and loads no module", () =>
  thenLoad(async () => {
    using device = open(PATH);
    await driver.unload();
    for (const options of [{}, { wait: false }, { channel: 3 }]) {
      await rejectsWith("gone", () => device.attach(options), ENODEV);
    }
    throwsWith("gone", () => device.info(), ENODEV);
    throwsWith("gone", () => device.totals(0), ENODEV);
    await assertRejects(async () => await driver.unload());
  }));

Deno.test("Device.attach() takes no channel of a later device of the same path", () =>
  thenLoad(async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await driver.unload();
    await driver.load({ channels: 3 });
    try {
      for (const options of [{}, { wait: false }, { channel: 0 }, { channel: 7 }]) {
        await rejectsWith("gone", () => device.attach(options), ENODEV);
      }
      throwsWith("gone", () => device.info(), ENODEV);
      throwsWith("gone", () => channel.totals(), ENODEV);
      using later = open(PATH);
      assertEquals([later.channels, later.info().channelsFree], [3, 3]);
      using other = await later.attach();
      await other.send("x");
      assertEquals((await other.receive())?.text(), "x");
    } finally {
      await driver.unload();
    }
  }));

Deno.test("Device.attach() that waits does not attach to a later device", () =>
  thenLoad(async () => {
    using device = open(PATH);
    const all: Channel[] = [];
    for (let i = 0; i < 8; i++) all.push(await device.attach());
    const waiting = [device.attach(), device.attach({ channel: 2 })];
    const refused = waiting.map((attach) => rejectsWith("gone", () => attach, ENODEV));
    await driver.unload();
    await driver.load();
    await Promise.all(refused);
    for (const channel of all) channel.close();
    using later = open(PATH);
    assertEquals(later.info().attaches, 0);
    await driver.unload();
  }));

Deno.test(
  "Device.attach() with `wait: false` names in its error how many channels this process" +
    " holds",
  async () => {
    using device = open(PATH);
    await allFree(device);
    using _mine = await device.attach({ channel: 4 });
    using _other = await device.attach({ channel: 5 });
    const taken = () => device.attach({ channel: 4, wait: false });
    const error = await rejectsWith("busy", taken, EBUSY);
    assert(error.message.includes("this process holds 2 of its 8 channels"), error.message);
  },
);

Deno.test("waitForDevice() opens a device that exists at once", async () => {
  using device = await waitForDevice(PATH);
  using channel = await device.attach();
  await channel.send("x");
  assertEquals((await channel.receive())?.text(), "x");
});

Deno.test("waitForDevice() waits for a device that a module makes later", () =>
  thenLoad(async () => {
    await driver.unload();
    const path = driver.pathOf("kup/late");
    throwsWith("not-found", () => open(path), ENOENT);
    let found = false;
    const waiting = waitForDevice(path).then((device) => {
      found = true;
      return device;
    });
    await sleep(300);
    assertEquals(found, false);
    await driver.load({ name: "kup/late", channels: 2 });
    {
      using device = await waiting;
      assertEquals([device.name, device.path, device.channels], ["kup/late", path, 2]);
      using channel = await device.attach();
      await channel.send("x");
      assertEquals((await channel.receive())?.text(), "x");
    }
    await driver.unload();
  }));

Deno.test("waitForDevice() ends by its signal, and refuses a path that can't exist", async () => {
  const path = driver.pathOf("kup/none");
  const abort = new AbortController();
  const waiting = waitForDevice(path, { signal: abort.signal });
  await sleep(100);
  const reason = new Error("enough");
  abort.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
  assertEquals(await assertRejects(() => waitForDevice(PATH, { signal: abort.signal })), reason);
  await assertRejects(() => waitForDevice(""), TypeError);
  await assertRejects(
    () => waitForDevice(path, { signal: 7 as unknown as AbortSignal }),
    TypeError,
  );
  for (const [wrong, code, errno] of driver.refusedPaths) {
    if (code === "not-found") continue;
    await rejectsWith(code as "not-a-device", () => waitForDevice(wrong), errno);
  }
  await rejectsWith("library", () => waitForDevice(path, { library: "/there/is/none.so" }));
});

Deno.test("waitForDevice() and `for await` reconnect each time that a module is loaded again", () =>
  thenLoad(async () => {
    const path = driver.pathOf("kup/again");
    const got: string[] = [];
    const abort = new AbortController();
    /** The example in docs/typescript.md. */
    const reconnecting = async () => {
      for (;;) {
        using device = await waitForDevice(path, { signal: abort.signal });
        try {
          using channel = await device.attach();
          await channel.send(`hello ${device.channels}`);
          for await (const message of channel) got.push(message.text());
        } catch (error) {
          const went = error instanceof KupError && ["gone", "closed"].includes(error.code);
          if (!went) throw error;
        }
      }
    };
    await driver.unload();
    const over = assertRejects(reconnecting, DOMException);
    for (let i = 1; i <= 4; i++) {
      await driver.load({ name: "kup/again", channels: i });
      while (got.length < i) await sleep(5);
      await driver.unload();
    }
    abort.abort();
    await over;
    assertEquals(got, ["hello 1", "hello 2", "hello 3", "hello 4"]);
  }));
