// SPDX-License-Identifier: BSD-3-Clause
/** Processes that end with channels attached. */

import { assert, assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { EBUSY, rejectsWith } from "../conformance/lib/errors.ts";
import { PATH, runScript, script, until } from "./lib/guest.ts";

Deno.test("kill -9 in mid-traffic gives the channel back, with clean pages", async () => {
  const child = script(`
    const device = kup.open("${PATH}");
    const channel = await device.attach({ channel: 4 });
    console.log("on");
    for (;;) { channel.sendSync(new Uint8Array(5000).fill(0xaa)); channel.receiveSync(); }
  `).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  using device = open(PATH);
  await until(() => device.totals(4).toKernelRecords > 10, "the traffic flows");
  await rejectsWith("busy", () => device.attach({ channel: 4, wait: false }), EBUSY);
  const used = device.totals(4);
  child.kill("SIGKILL");
  using channel = await device.attach({ channel: 4 });
  assertEquals(channel.generation, used.generation + 1);
  assertEquals(channel.tryReceive(), undefined);
  using fresh = await channel.reserve(channel.maxMessage);
  assert(fresh.bytes.every((byte) => byte === 0), "another owner's bytes were left");
  await reader.cancel();
  await child.stderr.cancel();
  await child.status;
});

Deno.test("a process that exits with everything open leaves nothing behind", async () => {
  const { code } = await runScript(`
    const device = kup.open("${PATH}");
    for (let i = 0; i < 8; i++) {
      const channel = await device.attach();
      channel.receive();
      channel.trySend(new Uint8Array(1000));
    }
    Deno.exit(3);
  `);
  assertEquals(code, 3);
  using device = open(PATH);
  await until(() => device.info().channelsFree === 8, "all channels are free");
});
