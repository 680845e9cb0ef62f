// SPDX-License-Identifier: BSD-3-Clause
/** Seeing that what waits uses no processor. */

import { IN_DEBUG_KERNEL } from "../../lib/debug_kernel.ts";
import { sleep, until } from "../../lib/until.ts";
import { processorTicks } from "./script.ts";

/** Long enough to tell waiting from looking: as many ticks of 10 ms as this would be one that looks. */
const WINDOW_MS = 1000;

/**
 * How many ticks of 10 ms this process and the kernel's threads may use in it. Deno's own timers and
 * collector get a few, and in the debug kernel each of them takes longer.
 */
const [OWN_TICKS, KERNEL_TICKS] = IN_DEBUG_KERNEL ? [20, 3] : [5, 1];

/**
 * Waits for a while in which this process and the kernel's threads use next to nothing. What went before may
 * still cost them something in the first ones: collecting garbage, going to sleep on a busy machine. One
 * that looks again and again never gets there.
 *
 * @param threads Folders in /proc of the kernel's threads.
 * @param between Called before each while.
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
  }, "a second with next to no processor time").catch((error) => {
    throw new Error(`${error.message}; ticks used in each: ${used.join(", ")}`);
  });
}
