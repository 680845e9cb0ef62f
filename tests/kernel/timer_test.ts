// SPDX-License-Identifier: BSD-3-Clause
/** Timers that send from their callbacks, while channels and their module come and go. */

import { assert, assertEquals } from "../../deps.ts";
import { type Channel, KupError, open } from "../../mod.ts";
import { LASTING } from "./lib/guest.ts";

const READERS = 4;
/** The types of examples/ticker/ticker.h. */
const START = 1;
const TICK = 2;

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const tally = { attaches: 0, ticks: 0, lost: 0 };

/** Receives some ticks; each has the next number, or a gap explains why not. */
async function watch(channel: Channel, count: number): Promise<void> {
  let next = 0n;
  await channel.send(new Uint32Array([50 + Math.random() * 200]), { type: START });
  for await (const message of channel) {
    if (message.gap !== undefined) {
      tally.lost += message.gap.records;
      next += BigInt(message.gap.records);
    } else {
      assertEquals([message.type, message.view.getBigUint64(0, true)], [TICK, next]);
      next++;
      tally.ticks++;
    }
    if (--count <= 0) return;
  }
}

async function comeAndGo(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      using device = open("/dev/ticker");
      using channel = await device.attach({ signal });
      tally.attaches++;
      await watch(channel, Math.random() * 500);
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      if (!(error instanceof KupError)) throw error;
      // The module is not loaded at this moment.
      if (!["not-found", "gone", "closed"].includes(error.code)) throw error;
      await sleep(1);
    }
  }
}

Deno.test("kup_timer_destroy() in detach waits for callbacks, while users leave and the module goes", async () => {
  const stop = new AbortController();
  const readers = Array.from({ length: READERS }, () => comeAndGo(stop.signal));
  const end = performance.now() + LASTING;
  let loads = 0;
  while (performance.now() < end || loads < 3 || tally.ticks < 1000) {
    await run("insmod", "/lib/modules/ticker.ko", `channels=${READERS}`);
    await Promise.race([sleep(Math.random() * 500), ...readers]);
    await run("rmmod", "ticker");
    loads++;
  }
  stop.abort();
  await Promise.all(readers);
  console.log(`${loads} loads, ${JSON.stringify(tally)}`);
  assert(tally.attaches > 0);
});
