// SPDX-License-Identifier: BSD-3-Clause
/** `kup` and the channels of other processes, on real devices. */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { open } from "../../mod.ts";
import { kup, startKup } from "../lib/cli.ts";
import { PATH, script, until, withEcho } from "./lib/guest.ts";

const ALL = { permissions: ["-A"] };

/** Runs `body` while another process has channel 2, and has sent so many messages of 1000 bytes. */
async function withUser(count: number, body: (pid: number) => Promise<void>): Promise<void> {
  const child = script(`
    const device = kup.open("${PATH}");
    const channel = await device.attach({ channel: 2 });
    for (let i = 0; i < ${count}; i++) await channel.send(new Uint8Array(1000));
    console.log("on");
    await new Promise((resolve) => setTimeout(resolve, 1e6));
  `).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    using device = open(PATH);
    await until(() => device.totals(2).toUserRecords >= count, "the echo has answered");
    await body(child.pid);
    await reader.cancel();
  } finally {
    child.kill("SIGKILL");
    await child.stderr.cancel();
    await child.status;
  }
  using device = open(PATH);
  await until(() => device.totals(2).state === "free", "the channel is free");
}

Deno.test("kup list finds the devices, and the process that has attached", async () => {
  await withUser(3, async (pid) => {
    const { code, stdout } = await kup(["list"], ALL);
    assertEquals(code, 0);
    assertMatch(stdout, new RegExp(`^${PATH} +stream +1/8 .*${pid} \\(deno\\)`, "m"));
    const devices = JSON.parse((await kup(["list", "--json"], ALL)).stdout);
    const echo = devices.find(({ path }: { path: string }) => path === PATH);
    assertEquals(echo.totals[2].process, pid);
    assertEquals(echo.totals[2].usedBytes, { toUser: 3 * 1008, toKernel: 0 });
  });
});

Deno.test("kup top shows rates, fill and process of another process's channel", async () => {
  await withUser(10, async (pid) => {
    const args = ["top", "--json", "--count", "1", "--interval", "0.1", PATH];
    const { code, stdout, output } = await kup(args);
    assertEquals(code, 0, output);
    const rate = JSON.parse(stdout).find(({ channel }: { channel: number }) => channel === 2);
    assertEquals([rate.state, rate.process], ["open", pid]);
    assertEquals(rate.usedBytes.toUser, 10 * 1008);
    assertEquals(rate.receivedPerSecond, 0);
  });
});

Deno.test("kup top counts the messages of a ping that runs meanwhile", async () => {
  await using ping = startKup(["ping", "--count", "1000000", "--channel", "1", PATH]);
  let end: Deno.CommandStatus | undefined;
  ping.status.then((status) => end = status);
  using device = open(PATH);
  await until(() => device.totals(1).toUserRecords > 0, "the ping runs");
  // On a slow machine, the ping may make no trip in the interval.
  await until(async () => {
    if (end !== undefined) {
      throw new Error(
        `kup ping has ended (${end.code}): ${await new Response(ping.stderr).text()}`,
      );
    }
    const { stdout } = await kup(["top", "--json", "--count", "1", "--interval", "0.5", PATH]);
    const { receivedPerSecond, receivedBytesPerSecond } = JSON.parse(stdout)[1];
    assertEquals(receivedBytesPerSecond > 0, receivedPerSecond > 0, stdout);
    return receivedPerSecond > 0;
  }, "kup top has a rate");
  ping.kill("SIGINT");
  await Promise.all([ping.stdout.cancel(), ping.stderr.cancel(), ping.stdin.close()]);
  assertEquals((await ping.status).code, 0);
  await until(() => device.totals(1).state === "free", "Ctrl-C leaves the channel free");
});

Deno.test("kup says that a channel is taken, and names --wait", async () => {
  await withUser(0, async () => {
    const { code, output } = await kup(["ping", "--channel", "2", PATH], ALL);
    assertEquals(code, 1);
    assertMatch(output, /^kup ping: .*is taken.*--wait.*\n$/);
  });
});

Deno.test("kup version has the kernel module's version, and the ABI of the device", async () => {
  const { code, stdout } = await kup(["version", PATH], ALL);
  assertEquals(code, 0);
  const [, version] = /^kup (\S+)$/m.exec(stdout)!;
  assertMatch(stdout, new RegExp(`^${PATH}: ABI \\d+, kernel module ${version}$`, "m"));
});

Deno.test("kup doctor finds the module and its devices", async () => {
  const { code, stdout } = await kup(["doctor"], ALL);
  assertMatch(stdout, /^ok +kernel module: loaded/m);
  assertStringIncludes(stdout, `${PATH}: ABI`);
  assertEquals(code, 0, stdout);
});

Deno.test("kup top ends with one sentence when its only device is gone", async () => {
  await using child = startKup(["top", "--json", "--interval", "0.05", PATH]);
  const reader = child.stdout.getReader();
  await reader.read();
  await withEcho({}, () => Promise.resolve());
  while (!(await reader.read()).done);
  const error = await new Response(child.stderr).text();
  assertMatch(error, new RegExp(`^kup top: ${PATH}: [^\n]*\n$`));
  assertEquals((await child.status).code, 1);
  await child.stdin.close().catch(() => {});
});
