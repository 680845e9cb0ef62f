// SPDX-License-Identifier: BSD-3-Clause
/**
 * Wrong arguments and missing permissions: a typed error that says what to do, and nothing is sent.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import { type KupErrorCode, open } from "../../mod.ts";
import { driver, PATH, withEcho } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { occupy, release, scribble } from "./lib/hindered.ts";
import { EACCES, EBUSY, ENODEV, ENOENT, rejectsWith, throwsWith } from "./lib/errors.ts";
import { runScript } from "./lib/script.ts";

Deno.test("open() reports a path that does not exist, and one that is no KUP device", () => {
  for (const [path, code, errno] of driver.refusedPaths) {
    const error = throwsWith(code as KupErrorCode, () => open(path), errno);
    assert(error.message.startsWith(`${path}: `), error.message);
  }
  assertThrows(() => open(""), TypeError);
  assertThrows(() => open(`${PATH}\0x`), TypeError);
  // deno-lint-ignore no-explicit-any
  assertThrows(() => open(42 as any), TypeError);
});

Deno.test("open() without --allow-ffi names the flag", async () => {
  const { out } = await runScript(
    `try { kup.open("${PATH}"); } catch (error) { console.log(error.name, error.code, error.message); }`,
    [],
  );
  assertStringIncludes(out, "KupError no-ffi-permission");
  assertStringIncludes(out, "--allow-ffi");
});

Deno.test("open() needs no permission but --allow-ffi", async () => {
  const { code, out, error } = await runScript(`
    using device = kup.open("${PATH}");
    using channel = await device.attach();
    await channel.send("only ffi");
    for await (const message of channel) { console.log(message.text()); break; }
  `);
  assertEquals(error, "");
  assertEquals([code, out], [0, "only ffi\n"]);
});

Deno.test(
  "Channel.send() and others throw TypeErrors and RangeErrors for wrong arguments, and " +
    "send nothing",
  async () => {
    using device = open(PATH);
    for (const channel of [-1, 8, 1.5, NaN, 2 ** 40]) {
      await assertRejects(() => device.attach({ channel }), RangeError);
    }
    for (const spin of [-1, NaN, Infinity]) {
      await assertRejects(() => device.attach({ spin }), RangeError);
    }
    using channel = await device.attach();
    for (const type of [-1, 0.5, NaN, 2 ** 32]) {
      assertThrows(() => channel.trySend("x", { type }), RangeError);
      await assertRejects(() => channel.send("x", { type }), RangeError);
    }
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    // deno-lint-ignore no-explicit-any
    for (const data of [undefined, null, 7, {}, [], detached] as any[]) {
      assertThrows(() => channel.trySend(data), TypeError);
      await assertRejects(() => channel.send(data), TypeError);
    }
    for (const length of [-1, 1.5, NaN]) assertThrows(() => channel.tryReserve(length), RangeError);
    const reservation = channel.tryReserve(8);
    assert(reservation);
    assertThrows(() => reservation.commit({ length: 9 }), RangeError);
    assertThrows(() => reservation.commit({ type: -1 }), RangeError);
    reservation.discard();
    assertThrows(() => reservation.commit(), Error);
    assertThrows(() => channel.receiveSync({ timeout: -1 }), RangeError);
    assertEquals(channel.stats().toKernelRecords, 0);
  },
);

/** The calls and the errors that they end with, the same on each driver, including the errno. */
Deno.test("Channel's calls fail with code and errno when the channel has ended", async () => {
  using device = open(PATH);
  using closed = await device.attach();
  await echo.closeFromKernel(closed);
  assertEquals(await closed.receive(), undefined);
  throwsWith("closed", () => closed.trySend("x"));
  throwsWith("closed", () => closed.sendSync("x"));
  throwsWith("closed", () => closed.tryReserve(1));
  await rejectsWith("closed", () => closed.send("x"));
  await rejectsWith("closed", () => closed.sendBatch(["x"]));
  await rejectsWith("closed", () => closed.reserve(1));
  assertEquals(closed.totals().state, "closed");
  closed.close();
  throwsWith("closed", () => closed.stats());
  throwsWith("closed", () => closed.totals());
  throwsWith("closed", () => closed.receiveSync());
  throwsWith("closed", () => closed.tryReceiveBatch());
  await rejectsWith("closed", () => closed.receive());
  await rejectsWith("closed", () => closed.receiveBatch());
});

Deno.test("Channel's calls fail with their code on a broken channel", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await scribble(device, channel);
  throwsWith("broken", () => channel.trySend("x"));
  throwsWith("broken", () => channel.sendSync("x"));
  throwsWith("broken", () => channel.tryReserve(1));
  throwsWith("broken", () => channel.tryReceive());
  throwsWith("broken", () => channel.receiveSync());
  await rejectsWith("broken", () => channel.send("x"));
  await rejectsWith("broken", () => channel.receive());
  await rejectsWith("broken", () => channel.reserve(1));
  assertEquals(channel.totals().state, "broken");
});

Deno.test("Device's calls fail with code and errno when the device is gone", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await driver.unload();
  try {
    throwsWith("gone", () => device.info(), ENODEV);
    throwsWith("gone", () => device.totals(0), ENODEV);
    throwsWith("gone", () => channel.totals(), ENODEV);
    throwsWith("not-found", () => open(driver.pathOf("kup/echo")), ENOENT);
    throwsWith("closed", () => channel.trySend("x"));
    assertEquals(channel.receiveSync(), undefined);
    // The counters in shared memory exist as long as the channel.
    assertEquals(channel.stats().toUserRecords, 0);
    assertEquals([device.closed, channel.closed, channel.done], [false, false, true]);
  } finally {
    await driver.load();
  }
});

Deno.test("Channel.receive() and send() fail with the code timeout, and lose nothing", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  throwsWith("timed-out", () => channel.receiveSync({ timeout: 20 }));
  throwsWith("timed-out", () => channel.receiveSync({ timeout: 0 }));
  await occupy(channel);
  const bytes = new Uint8Array(10_000);
  let sent = 0;
  while (channel.trySend(bytes, { type: sent })) sent++;
  throwsWith("timed-out", () => channel.sendSync(bytes, { type: 0xbad, timeout: 20 }));
  throwsWith("timed-out", () => channel.sendSync(bytes, { type: 0xbad, timeout: 0 }));
  await release(channel);
  for (let i = 0; i < sent; i++) assertEquals(channel.receiveSync()?.type, i);
  throwsWith("timed-out", () => channel.receiveSync({ timeout: 50 }));
});

Deno.test("Device.attach() fails with the number that the kernel client refused with", async () => {
  await withEcho({ refuse: EACCES }, async () => {
    using device = open(PATH);
    const error = await rejectsWith("refused", () => device.attach(), EACCES);
    assertStringIncludes(error.message, String(EACCES));
    await rejectsWith("refused", () => device.attach({ channel: 2, wait: false }), EACCES);
    const { channelsFree, attaches } = device.info();
    assertEquals([channelsFree, attaches], [8, 0]);
  });
  // A number that has a meaning in KUP keeps it.
  await withEcho({ refuse: 12 }, async () => {
    using device = open(PATH);
    await rejectsWith("out-of-memory", () => device.attach(), 12);
  });
  await withEcho({ refuse: EBUSY }, async () => {
    using device = open(PATH);
    await rejectsWith("busy", () => device.attach({ wait: false }), EBUSY);
  });
});
