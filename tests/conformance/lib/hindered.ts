// SPDX-License-Identifier: BSD-3-Clause
/** Keeping the echo client from what it does, for as long as a test likes. */

import type { Channel, Device } from "../../../mod.ts";
import { until } from "../../lib/until.ts";
import { driver } from "./driver.ts";
import * as echo from "./echo.ts";

/** Do all threads of the kernel's side sleep? */
function allSleep(): boolean {
  return driver.servingThreads().every((folder) =>
    /^.*\) [SDI] /s.test(Deno.readTextFileSync(`${folder}/stat`))
  );
}

/**
 * Waits until the client's producer sleeps, since the ring towards this process is full; how many records
 * were sent.
 *
 * @param since How many were sent before the producer began.
 */
export async function filled(channel: Channel, since = 0): Promise<number> {
  let last = 0;
  await until(() => {
    const before = channel.stats().toUserRecords;
    const asleep = allSleep();
    last = channel.stats().toUserRecords;
    return asleep && last === before && last > since + 2;
  }, "the ring is full");
  return last;
}

/** Keeps the client from reading: it waits for room for samples, until {@linkcode release}. */
export async function occupy(channel: Channel): Promise<void> {
  const before = channel.stats().toUserRecords;
  await echo.produce(channel, 1000, 1000);
  await filled(channel, before);
}

/** Receives the samples, after which the client reads again. */
export async function release(channel: Channel): Promise<void> {
  for await (const { type } of channel) if (type === echo.PRODUCE) return;
}

/** Writes nonsense where the kernel's side reads next, until the channel is broken. */
export async function scribble(device: Device, channel: Channel): Promise<void> {
  channel.sendSync("one");
  const all = new Uint8Array((await channel.receive())!.bytes.buffer);
  const first = await channel.reserve(8);
  await channel.reserve(8);
  // As a header: finished, and longer than any ring.
  all.fill(0xff);
  // It wakes the kernel's side, which then comes to the header of the other one, if it has not met
  // nonsense before. A commit would be refused then.
  first.discard();
  await until(
    () => device.totals(channel.number).state === "broken",
    "the kernel's side finds the nonsense",
  );
}
