// SPDX-License-Identifier: BSD-3-Clause
/**
 * A client module with a config that makes no sense. insmod gets only an errno; the kernel's log
 * has the reason.
 */

import { assert, assertEquals } from "../../deps.ts";
import { LinuxDriver } from "../conformance/lib/linux.ts";

const driver = new LinuxDriver();

type Parameters = Readonly<Record<string, string | number>>;

/** What insmod of the echo client prints, or "" if it has loaded the module. */
async function insmod(parameters: Parameters): Promise<string> {
  const words = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const { success, stderr } = await new Deno.Command("insmod", {
    args: ["/lib/modules/kup_echo.ko", ...words],
    stdin: "null",
  }).output();
  return success ? "" : new TextDecoder().decode(stderr).trim();
}

/** KUP's lines of the kernel's log, without their times. */
async function logged(): Promise<string[]> {
  const { stdout } = await new Deno.Command("dmesg").output();
  return new TextDecoder().decode(stdout).split("\n")
    .map((line) => line.replace(/^(?:<\d+>)?\[ *[\d.]+\] /, ""))
    .filter((line) => line.startsWith("kup: "));
}

/** Expects that insmod refuses these parameters, and that this line is added to the log. */
async function refused(parameters: Parameters, sentence: string): Promise<void> {
  const before = await logged();
  const said = await insmod(parameters);
  assert(said !== "", `insmod takes ${JSON.stringify(parameters)}`);
  // Busybox's insmod makes two attempts.
  const lines = new Set((await logged()).slice(before.length));
  assertEquals([...lines], [`kup: ${sentence}`], said);
}

Deno.test("kup_device_create() names a wrong field and its value in the kernel's log", async () => {
  await driver.unload();
  try {
    await refused(
      { to_user_pages: 3 },
      "kup/echo: to_user_pages is 3, which is not a power of two",
    );
    await refused(
      { to_kernel_pages: 2 ** 20 },
      "kup/echo: to_kernel_pages is 1048576, more than 65536",
    );
    await refused({ channels: 1025 }, "kup/echo: channels is 1025, more than 1024");
    await refused(
      { mode: 4 },
      "kup/echo: mode is 4, not KUP_MODE_STREAM (1), KUP_MODE_TURN (2) or KUP_MODE_CALL (3)",
    );
    await refused(
      { mode: 2, stamps: 1 },
      "kup/echo: stamps is 1 with mode 2, and stamps are for KUP_MODE_STREAM",
    );
    await refused(
      { permissions: 600 },
      "kup/echo: permissions is 01130, more than 0777 (which is octal)",
    );
    await refused(
      { group: 2 ** 32 - 1 },
      "kup/echo: group is 4294967295, which is not a group's number",
    );
    await refused(
      { spin: 10001 },
      "kup/echo: spin_us is 10001, more than 10000 and not KUP_NO_SPIN",
    );
    await refused(
      { name: "../echo" },
      `"../echo" is not a valid device name: a part of it begins with "."`,
    );
    await refused(
      { name: "x".repeat(64) },
      `"${"x".repeat(63)}..." is not a valid device name: it is longer than 63 characters`,
    );
  } finally {
    await driver.load();
  }
});

Deno.test("kup_device_create() names the device that has the name in the kernel's log", async () => {
  await driver.unload();
  try {
    await driver.insert("courier");
    const [name] = await Array.fromAsync(Deno.readDir("/sys/class/kup"), ({ name }) => name);
    assert(name !== undefined, "the courier has made no device");
    await refused({ name }, `${name}: the name is taken by the device ${name}`);
    await refused({ name: `${name}/x` }, `${name}/x: the name is taken by the device ${name}`);
  } finally {
    await driver.remove("courier");
    await driver.load();
  }
});
