// SPDX-License-Identifier: BSD-3-Clause
/** The kernel tests, each series in a virtual machine of its own. */

import type { Tally } from "../lib/tally.ts";
import { testJob } from "../vm/job.ts";
import { fetchKernel } from "../vm/kernel.ts";
import { buildModules } from "../vm/modules.ts";
import { runGuest } from "../vm/session.ts";

/** Boots one series and counts its tests; each problem beside them is one more failure. */
export async function runKernelTests(tally: Tally, series: string): Promise<void> {
  const where = `Linux ${series}`;
  const kernel = await fetchKernel(series);
  const build = await buildModules(kernel);
  if (!build.ok) {
    tally.record("failed", `${where}: not booted, its modules don't build`);
    return;
  }
  console.log(`booting ${kernel.release}`);
  const judgement = await runGuest(kernel, build.modules, testJob(""));
  tally.recordTests(where, judgement.tests);
  for (const problem of judgement.problems) tally.record("failed", `${where}: ${problem}`);
  if (judgement.problems.length > 0) console.log(`the kernel's log is in ${judgement.log}`);
}
