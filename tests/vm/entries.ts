// SPDX-License-Identifier: BSD-3-Clause
/**
 * Deno runs each file of tests in a new isolate and loads the library there, which takes seconds in
 * an emulated machine. So a guest gets a few files, each of which imports many files of tests.
 */

import type { Tests } from "./job.ts";

/**
 * How many files are imported together when the time is limited. Once their tests have begun, all
 * of them are run (see in_time.ts), which should take only minutes.
 */
const FILES_WITH_LIMIT = 4;

/** Returns the texts of the files for Deno, by their paths in the checkout. The order is kept. */
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
