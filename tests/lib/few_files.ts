// SPDX-License-Identifier: BSD-3-Clause
/** What a process does that has no free descriptor, or only a few. Its limit has to be low. */

import { assert, assertEquals, assertStringIncludes } from "../../deps.ts";

/**
 * For a script: `withFewFiles(runs, body)` calls `body` this many times, with one more free
 * descriptor each time, from none on. Returns a result for each call: `["works"]`, or the error's
 * code, message and errno.
 */
export const WITH_FEW_FILES = `
  async function withFewFiles(runs, body) {
    const files = [], errors = [];
    // Deno prepares its signals when something first needs them, and panics without descriptors.
    const ignore = () => {};
    Deno.addSignalListener("SIGUSR2", ignore);
    Deno.removeSignalListener("SIGUSR2", ignore);
    try { for (;;) files.push(Deno.openSync("/dev/null")); } catch {}
    for (let spare = 0; spare < runs; spare++) {
      try {
        await body();
        errors.push(["works"]);
      } catch (error) {
        errors.push([error.code ?? error.name, error.message, error.errno]);
      }
      files.pop().close();
    }
    for (const file of files) file.close();
    return errors;
  }`;

/** Checks these answers: this error until the call works. Returns how often the error came. */
export function checkFewFiles(answers: readonly (readonly unknown[])[]): number {
  const EMFILE = 24;
  const failed = answers.findIndex(([code]) => code === "works");
  assert(failed > 0, `it never failed, or never worked: ${JSON.stringify(answers)}`);
  for (const [code, message, errno] of answers.slice(0, failed)) {
    assertEquals([code, errno], ["too-many-files", EMFILE], String(message));
    assertStringIncludes(String(message), "ulimit -n");
  }
  return failed;
}
