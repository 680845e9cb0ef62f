// SPDX-License-Identifier: BSD-3-Clause
/** Bad input and missing rights: a typed error that says what to do, and nothing is sent. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import { KupError, open } from "../../mod.ts";
import { PATH, runScript, withEcho } from "./lib/guest.ts";

function codeOf(body: () => unknown): string {
  return assertThrows(body, KupError).code;
}

Deno.test("opening what isn't there, or isn't KUP's, says which", () => {
  assertEquals(codeOf(() => open("/dev/kup/none")), "not-found");
  assertEquals(codeOf(() => open("/dev/null")), "not-a-device");
  assertEquals(codeOf(() => open("/etc/passwd")), "not-a-device");
  assertEquals(codeOf(() => open("/tmp")), "not-a-device");
  assertThrows(() => open(""), TypeError);
  assertThrows(() => open("/dev/kup/echo\0x"), TypeError);
  // deno-lint-ignore no-explicit-any
  assertThrows(() => open(42 as any), TypeError);
});

Deno.test("without --allow-ffi the error names the flag", async () => {
  const { out } = await runScript(
    `try { kup.open("${PATH}"); } catch (error) { console.log(error.name, error.code, error.message); }`,
    [],
  );
  assertStringIncludes(out, "KupError no-ffi-permission");
  assertStringIncludes(out, "--allow-ffi");
});

Deno.test("--allow-ffi alone is enough for the whole way", async () => {
  const { code, out, error } = await runScript(`
    using device = kup.open("${PATH}");
    using channel = await device.attach();
    await channel.send("only ffi");
    for await (const message of channel) { console.log(message.text()); break; }
  `);
  assertEquals(error, "");
  assertEquals([code, out], [0, "only ffi\n"]);
});

/** What a user who isn't root gets from opening the device: "opened" or the error's code. */
async function codeAsUser(): Promise<string> {
  const { stdout } = await new Deno.Command("su", {
    args: [
      "user",
      "-s",
      "/bin/sh",
      "-c",
      `DENO_DIR=/tmp/deno-user ${Deno.execPath()} eval --no-check '
      import { open } from "${new URL("../../mod.ts", import.meta.url).href}";
      try { open("${PATH}"); console.log("opened"); } catch (error) { console.log(error.code); }'`,
    ],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("a user who may not open the device is told so", async () => {
  assertEquals(await codeAsUser(), "not-permitted");
});

Deno.test("a client's config may give the device to a group", async () => {
  await withEcho(["permissions=0660", "group=1000"], async () => {
    const { mode, gid } = await Deno.stat(PATH);
    assertEquals([mode! & 0o777, gid], [0o660, 1000]);
    assertEquals(await codeAsUser(), "opened");
  });
  const { mode, gid } = await Deno.stat(PATH);
  assertEquals([mode! & 0o777, gid], [0o600, 0]);
});

Deno.test("arguments that make no sense are TypeErrors and RangeErrors, and send nothing", async () => {
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
});

Deno.test("INFO tells the geometry without attaching", () => {
  using device = open(PATH);
  const info = device.info();
  assertEquals(
    [info.name, info.abiVersion, info.mode, info.channels, info.channelsFree],
    ["kup/echo", 1, "stream", 8, 8],
  );
  assertEquals([info.toUserBytes, info.toKernelBytes], [64 * 4096, 32 * 4096]);
});
