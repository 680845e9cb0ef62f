// SPDX-License-Identifier: BSD-3-Clause
/** Checks that a wait uses no processor time. */

import { driver } from "./driver.ts";
import { IN_DEBUG_KERNEL } from "../../lib/debug_kernel.ts";
import { sleep, until } from "../../lib/until.ts";
import { processorTicks } from "./script.ts";

/**
 * How long is waited, and how many ticks of 10 ms this process and the kernel's threads may use in
 * that time. A loop that polls would use all of them. To sleep and to read the ticks costs a few,
 * but 30 to 90 in the debug kernel when it has half of a slow processor.
 */
export const [WINDOW_MS, OWN_TICKS, KERNEL_TICKS] = limits();

function limits(): [number, number, number] {
  if (IN_DEBUG_KERNEL) return [5000, 150, 10];
  return driver.name === "linux" ? [2000, 30, 2] : [1000, 5, 1];
}

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
