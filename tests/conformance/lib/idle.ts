// SPDX-License-Identifier: BSD-3-Clause
/** Checks that a wait uses no processor time. */

import { IN_DEBUG_KERNEL } from "../../lib/debug_kernel.ts";
import { sleep, until } from "../../lib/until.ts";
import { processorTicks } from "./script.ts";

/** Long enough to see a loop that polls: it would use all the ticks of 10 ms of this time. */
const WINDOW_MS = 1000;

/**
 * How many ticks of 10 ms this process and the kernel's threads may use in that time. Deno's own
 * timers and garbage collector use a few, and in the debug kernel each of them takes longer.
 */
const [OWN_TICKS, KERNEL_TICKS] = IN_DEBUG_KERNEL ? [20, 3] : [5, 1];

/**
 * Waits for an interval in which this process and the kernel's threads use almost no processor
 * time. What happened before may still cost some in the first intervals: garbage collection, or
 * threads that go to sleep late on a busy machine. A loop that polls never gets there.
 *
 * @param threads Folders in /proc of the kernel's threads.
 * @param between Called before each interval.
 */
export async function idle(
  threads: () => string[],
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const kernel = () => threads().reduce((sum, one) => sum + processorTicks(one), 0);
  const used: string[] = [];
  await until(async () => {
    await between();
    const before = [processorTicks("/proc/self"), kernel()] as const;
    await sleep(WINDOW_MS);
    const ticks = [processorTicks("/proc/self") - before[0], kernel() - before[1]] as const;
    used.push(ticks.join("+"));
    return ticks[0] <= OWN_TICKS && ticks[1] <= KERNEL_TICKS;
  }, "an interval with almost no processor time").catch((error) => {
    throw new Error(`${error.message}; ticks used in each: ${used.join(", ")}`);
  });
}
