// SPDX-License-Identifier: BSD-3-Clause
/** Processes that end with channels attached. */

import { assert, assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { EBUSY, rejectsWith } from "../conformance/lib/errors.ts";
import { PATH, runScript, script, until } from "./lib/guest.ts";

Deno.test("kill -9 in full traffic frees the channel, and the next owner gets zeroed pages", async () => {
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
  assert(fresh.bytes.every((byte) => byte === 0), "bytes of the former owner were left");
  await reader.cancel();
  await child.stderr.cancel();
  await child.status;
});

Deno.test("exit with everything open leaves all channels free", async () => {
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
