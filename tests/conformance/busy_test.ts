// SPDX-License-Identifier: BSD-3-Clause
/** Channels of two sides that run at the same time, on processors of their own. */

import { assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { PATH, withEcho } from "./lib/driver.ts";
import { until } from "./lib/script.ts";

Deno.test("Channel that is busy makes no system calls", async () => {
  // Both sides spin for up to 10 ms before they sleep, so only a stall of the machine causes a
  // sleep. One stall costs a few system calls.
  await withEcho({ spin: 10_000 }, async () => {
    using device = open(PATH);
    using channel = await device.attach({ spin: 10_000 });
    const trips = 50;
    let sent = 0;
    /** The system calls in this many round trips. */
    const roundTrips = async () => {
      const before = device.totals(channel.number);
      for (let i = 0; i < trips; i++) {
        channel.sendSync("ping", { type: i });
        assertEquals(channel.receiveSync()?.type, i);
      }
      sent += trips;
      // The kernel counts a message when it releases it, which is after the echo.
      await until(() => channel.stats().toKernelRecords >= sent, "the last message is read");
      const after = device.totals(channel.number);
      assertEquals(after.toKernelRecords - before.toKernelRecords, trips);
      return after.ioctls - before.ioctls + after.polls - before.polls;
    };
    // On a machine with other work to do, one attempt runs almost without a stall sooner or later.
    // Fewer trips or a new channel for each attempt would not do: a user that never spins can be
    // lucky.
    const free = async () => await roundTrips() <= 4;
    await until(free, `${trips} round trips make almost no system calls`, 300);
  });
});
