// SPDX-License-Identifier: BSD-3-Clause
/** What is built here for the guest beside the modules: the native library and tests in C. */

import { exists, ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

/** A folder with a Makefile, and the folder that it builds into. */
interface Part {
  readonly source: string;
  readonly output: string;
}

const LIBRARY: Part = { source: "native", output: "native/build" };
const TESTS: readonly Part[] = [
  { source: "tests/conformance/c", output: "tests/conformance/build" },
  { source: "tests/kernel/c", output: "tests/kernel/build" },
  { source: "tests/seed", output: "tests/seed/build" },
];

/** Left behind by compilers, and of no use in the guest. */
const INTERMEDIATE = /\.(?:o|d|a|cmd)$/;

/**
 * Builds what the guest needs, and returns the files' paths in the checkout. Without `tests` it
 * builds the library alone, so that the demo works also when a test does not compile.
 */
export async function buildPrograms(tests: boolean): Promise<string[]> {
  const built: string[] = [];
  for (const { source, output } of tests ? [LIBRARY, ...TESTS] : [LIBRARY]) {
    if (!await exists(`${ROOT}/${source}/Makefile`)) continue;
    await must(["make", "-s", "-C", source]);
    for await (const entry of Deno.readDir(`${ROOT}/${output}`)) {
      if (entry.isFile && !INTERMEDIATE.test(entry.name)) built.push(`${output}/${entry.name}`);
    }
  }
  return built.sort();
}
