// SPDX-License-Identifier: BSD-3-Clause
// deno-lint-ignore-file no-import-prefix -- this is the one file that may name external modules.

/**
 * Every external module that tests and scripts use, besides those of the command line, which are in
 * `cli/deps.ts`. The library itself (`mod.ts` and
 * `src/`) has none and never imports this file; `make check` proves that.
 *
 * Where JSR can't be reached, the stand-ins in `tests/std/` are served under these same names. A
 * name that is added here has to be added there too, and a name that no file uses has to be
 * removed: `make check` proves both.
 */

export {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "jsr:@std/assert@1";
export { bold, dim, green, red, setColorEnabled, yellow } from "jsr:@std/fmt@1/colors";
