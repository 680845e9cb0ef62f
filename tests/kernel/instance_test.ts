// SPDX-License-Identifier: BSD-3-Clause
/**
 * No two devices have the same instance number, also after kup.ko, which counts them, is loaded
 * again.
 */

import { assertEquals } from "../../deps.ts";
import { open, waitForDevice } from "../../mod.ts";
import { INFO_AT } from "../../src/abi.ts";
import { loadNative, releaseNative } from "../../src/library.ts";
import { PATH, until } from "./lib/guest.ts";

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(command, { args, stderr: "null" }).output()).success;
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
}

function instance(): bigint {
  const native = loadNative();
  const info = new Uint8Array(INFO_AT.SIZE);
  const file = native.kup_user_open(new TextEncoder().encode(`${PATH}\0`));
  const result = native.kup_user_info(file, info);
  native.kup_user_close(file);
  releaseNative(native);
  assertEquals(result, 0);
  return new DataView(info.buffer).getBigUint64(INFO_AT.instance, true);
}

Deno.test("waitForDevice() opens another instance each time that kup.ko is loaded again", async () => {
  const instances = [instance()];
  for (let i = 0; i < 3; i++) {
    await run("rmmod", "kup_echo");
    // The module of the client may still hold it for a moment.
    await until(() => succeeds("rmmod", "kup"), "kup.ko is unloaded");
    const waiting = waitForDevice(PATH);
    await run("insmod", "/lib/modules/kup.ko");
    await run("insmod", "/lib/modules/kup_echo.ko");
    using device = await waiting;
    using channel = await device.attach();
    await channel.send("x");
    assertEquals((await channel.receive())?.text(), "x");
    instances.push(instance());
  }
  assertEquals(new Set(instances).size, 4, instances.join(" "));
  open(PATH).close();
});
