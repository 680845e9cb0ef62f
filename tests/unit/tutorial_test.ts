// SPDX-License-Identifier: BSD-3-Clause
/** The tutorials, block by block; tests/lib/tutorial.ts describes what a block means. */

import { ROOT } from "../lib/paths.ts";
import { Reader, stepsOf } from "../lib/tutorial.ts";

for (const path of ["docs/tutorial-typescript.md", "docs/tutorial-kernel.md"]) {
  const steps = stepsOf(await Deno.readTextFile(`${ROOT}/${path}`));

  Deno.test(`${path} does what it says, from the first block to the last`, async () => {
    using reader = new Reader();
    for (const step of steps) {
      try {
        await reader.take(step);
      } catch (error) {
        throw new Error(`${path}:${step.line}: ${(error as Error).message}`);
      }
    }
  });

  for (const step of steps) {
    if (step.kind !== "skipped") continue;
    Deno.test({
      name: `${path}:${step.line} is not run: ${step.reason}`,
      ignore: true,
      fn: () => {},
    });
  }
}
