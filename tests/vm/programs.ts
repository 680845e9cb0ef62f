// SPDX-License-Identifier: BSD-3-Clause
/** What is built here for the guest beside the modules: the native library and tests in C. */

import { mirrorSources } from "../../harness/build.ts";
import { CACHE, exists, ROOT } from "../lib/paths.ts";
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
  return await buildParts(tests, ROOT, []);
}

/**
 * Does the same for arm64, in a copy of these files of the checkout. Returns the copy's folder too.
 */
export async function buildArm64Programs(
  tests: boolean,
  files: readonly string[],
): Promise<{ folder: string; built: string[] }> {
  const folder = `${CACHE}/build/arm64-programs`;
  await mirrorSources(files, { from: ROOT, to: folder });
  const compiler = `${Deno.env.get("KUP_ZIG") ?? "zig"} cc -target aarch64-linux-gnu.2.36`;
  return { folder, built: await buildParts(tests, folder, ["ARCH=aarch64", `CC=${compiler}`]) };
}

async function buildParts(
  tests: boolean,
  root: string,
  variables: readonly string[],
): Promise<string[]> {
  const cache = `${CACHE}/zig-cache`;
  const env = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
  const built: string[] = [];
  for (const { source, output } of tests ? [LIBRARY, ...TESTS] : [LIBRARY]) {
    if (!await exists(`${root}/${source}/Makefile`)) continue;
    await must(["make", "-s", "-C", `${root}/${source}`, ...variables], { env });
    for await (const entry of Deno.readDir(`${root}/${output}`)) {
      if (entry.isFile && !INTERMEDIATE.test(entry.name)) built.push(`${output}/${entry.name}`);
    }
  }
  return built.sort();
}
