// SPDX-License-Identifier: BSD-3-Clause
/**
 * All that an isolate has open ends with it, also on a device of the kernel: each save of a watched
 * program starts the program again.
 */

import { assert, assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { WatchedProgram } from "../conformance/lib/watched.ts";
import { patience } from "../lib/until.ts";
import { PATH, runScript, until, withEcho } from "./lib/guest.ts";

Deno.test("Device.attach() gets a channel after each save of a watched program", () =>
  withEcho({ channels: 2 }, async () => {
    const source = `
      const device = kup.open("${PATH}");
      const signal = AbortSignal.timeout(${patience(100)});
      const channel = await device.attach({ signal });
      const other = await device.attach({ signal });
      device.attach().catch(() => {});
      other.receive().catch(() => {});
      await channel.send("hello");
      for await (const message of channel) console.log(save + ": attached both");`;
    {
      await using program = await WatchedProgram.start(source, ["--watch", "--allow-ffi"]);
      await program.printed("attached both");
      await program.save("attached both");
      const before = program.counts();
      for (let i = 0; i < 2; i++) await program.save("attached both");
      const after = program.counts();
      assert(after.descriptors <= before.descriptors + 2, JSON.stringify({ before, after }));
    }
    using device = open(PATH);
    await until(() => device.info().channelsFree === 2, "both channels are free");
  }));

Deno.test("Worker.terminate() gives the worker's channels back", async () => {
  const worker = `
    import * as kup from "${new URL("../../mod.ts", import.meta.url).href}";
    const device = kup.open("${PATH}");
    const channels = [await device.attach(), await device.attach({ spin: 0 })];
    channels[1].receive().catch(() => {});
    self.postMessage("attached");`;
  const body = `
    using device = kup.open("${PATH}");
    const url = "data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)});
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(url, { type: "module" });
      await new Promise((resolve) => worker.onmessage = resolve);
      worker.terminate();
      while (device.info().channelsFree < 8) await new Promise((resolve) => setTimeout(resolve, 5));
    }`;
  const { code, error } = await runScript(body, ["--allow-ffi", "--allow-read"]);
  assertEquals([code, error], [0, ""]);
});
