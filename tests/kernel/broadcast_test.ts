// SPDX-License-Identifier: BSD-3-Clause
/** Broadcasts from a timer's interrupt, while channels and the module come and go. */

import { assert, assertEquals } from "../../deps.ts";
import { type Channel, KupError, open } from "../../mod.ts";
import { patience } from "../lib/until.ts";
import { LASTING } from "./lib/guest.ts";

const READERS = 5;

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const tally = { attaches: 0, messages: 0, lost: 0 };

/** Reads nothing until a message is lost, or a random time has passed. */
async function sleepUntilLoss(channel: Channel): Promise<void> {
  const { droppedNoSpace } = channel.stats();
  const end = performance.now() + Math.random() * 100;
  do await sleep(1); while (
    performance.now() < end && channel.stats().droppedNoSpace === droppedNoSpace
  );
}

/** Receives some numbers; each is the next one, or a gap explains why it is not. */
async function listen(channel: Channel, count: number): Promise<void> {
  let next: bigint | undefined;
  for await (const message of channel) {
    if (message.gap !== undefined) {
      tally.lost += message.gap.records;
      if (next !== undefined) next += BigInt(message.gap.records);
    } else {
      const number = message.view.getBigUint64(0, true);
      if (next !== undefined) assertEquals(number, next);
      next = number + 1n;
      tally.messages++;
    }
    if (--count <= 0) break;
    // A slow reader now and then.
    if (count % 97 === 0) await sleepUntilLoss(channel);
  }
}

async function comeAndGo(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      using device = open("/dev/beacon");
      using channel = await device.attach({ signal });
      tally.attaches++;
      await listen(channel, Math.floor(Math.random() * 500));
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      if (!(error instanceof KupError)) throw error;
      // The module is not loaded at this moment.
      if (!["not-found", "gone", "closed"].includes(error.code)) throw error;
      await sleep(1);
    }
  }
}

Deno.test("kup_broadcast() in an interrupt survives attach, detach and unload", async () => {
  const stop = new AbortController();
  const readers = Array.from({ length: READERS }, () => comeAndGo(stop.signal));
  const end = performance.now() + LASTING;
  let loads = 0;
  const enough = () => loads >= 3 && tally.messages >= 1000 && tally.lost > 0;
  while (performance.now() < end || !enough() && performance.now() < end + patience()) {
    await run("insmod", "/lib/modules/beacon.ko");
    await Promise.race([sleep(Math.random() * 500), ...readers]);
    await run("rmmod", "beacon");
    loads++;
  }
  stop.abort();
  await Promise.all(readers);
  const found = `${loads} loads, ${JSON.stringify(tally)}`;
  console.log(found);
  assert(enough(), found);
});
