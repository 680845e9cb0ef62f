// SPDX-License-Identifier: BSD-3-Clause
/**
 * Deno runs each file of tests in a new isolate, and there it loads the library anew, which takes
 * seconds in an emulated machine. A guest gets files that import many files of tests.
 */

import type { Tests } from "./job.ts";

/**
 * With a limit of the time (see in_time.ts), tests that a file has imported are run to their end.
 * This many can be run in a few minutes.
 */
const FILES_WITH_LIMIT = 4;

/**
 * Returns the files for Deno, by their paths in the checkout, with their texts. Deno keeps their
 * order.
 */
export function makeEntries({ files, until }: Tests): Record<string, string> {
  const most = until === undefined ? files.length : FILES_WITH_LIMIT;
  const entries: Record<string, string> = {};
  for (let from = 0; from < files.length; from += most) {
    const part = files.slice(from, from + most);
    // Deno sorts them by their names.
    const number = String(from).padStart(3, "0");
    entries[`tests/from_${number}_test.ts`] = part
      .map((file) => `import ${JSON.stringify(`../${file}`)};\n`).join("");
  }
  return entries;
}
