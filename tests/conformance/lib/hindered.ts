// SPDX-License-Identifier: BSD-3-Clause
/** Stops the echo client's work for as long as a test needs. */

import type { Channel, Device } from "../../../mod.ts";
import { until } from "../../lib/until.ts";
import { driver } from "./driver.ts";
import * as echo from "./echo.ts";

/** Whether all threads of the kernel's side sleep. */
function allSleep(): boolean {
  return driver.servingThreads().every((folder) => {
    try {
      return /^.*\) [SDI] /s.test(Deno.readTextFileSync(`${folder}/stat`));
    } catch {
      // The thread ended while we looked.
      return true;
    }
  });
}

/**
 * Waits until the client's producer sleeps because the ring to this process is full. Returns how
 * many records were sent.
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

/**
 * Stops the client's reading: it waits for room for samples until {@linkcode release} is called.
 */
export async function occupy(channel: Channel): Promise<void> {
  const before = channel.stats().toUserRecords;
  await echo.produce(channel, 1000, 1000);
  await filled(channel, before);
}

/** Receives the samples, after which the client reads again. */
export async function release(channel: Channel): Promise<void> {
  for await (const { type } of channel) if (type === echo.PRODUCE) return;
}

/** Overwrites what the kernel's side reads next, until the channel is broken. */
export async function scribble(device: Device, channel: Channel): Promise<void> {
  channel.sendSync("one");
  const all = new Uint8Array((await channel.receive())!.bytes.buffer);
  const first = await channel.reserve(8);
  await channel.reserve(8);
  // As a header: finished, and longer than any ring.
  all.fill(0xff);
  // Wakes the kernel's side, which then reads the other record's header, if it has not met the
  // first. A commit could be refused at that point.
  first.discard();
  await until(
    () => device.totals(channel.number).state === "broken",
    "the kernel's side finds the wrong header",
  );
}
