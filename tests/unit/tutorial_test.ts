// SPDX-License-Identifier: BSD-3-Clause
/** The tutorials, block by block; tests/lib/tutorial.ts describes what a block means. */

import { assert } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { Reader, type Step, stepsOf } from "../lib/tutorial.ts";

function describe(step: Step): string {
  switch (step.kind) {
    case "file":
      return `${step.name} is written`;
    case "shell":
      return `\`${step.text.trimEnd().split("\n").at(-1)}\` ${step.fails ? "fails" : "runs"}`;
    case "output":
      return "prints what the document shows";
    case "skipped":
      return `is not run: ${step.reason}`;
  }
}

for (const path of ["docs/tutorial-typescript.md", "docs/tutorial-kernel.md"]) {
  const reader = new Reader();
  addEventListener("unload", () => reader[Symbol.dispose]());
  let failed: string | undefined;
  for (const step of stepsOf(await Deno.readTextFile(`${ROOT}/${path}`))) {
    const name = `${path}:${step.line} ${describe(step)}`;
    Deno.test({
      name,
      ignore: step.kind === "skipped",
      fn: async () => {
        assert(failed === undefined, `It follows a step that has failed: ${failed}`);
        failed = name;
        await reader.take(step);
        failed = undefined;
      },
    });
  }
}
