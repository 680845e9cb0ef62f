// SPDX-License-Identifier: BSD-3-Clause
// deno-lint-ignore-file no-import-prefix -- this is the one file that may name external modules.

/**
 * Every external module that tests, examples and scripts use. The library itself (`mod.ts` and
 * `src/`) has none and never imports this file; `make check` proves that.
 *
 * Where JSR can't be reached, the stand-ins in `tests/std/` are served under these same names, so
 * a name that is added here has to be added there too.
 */

export {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "jsr:@std/assert@1";
export { parseArgs } from "jsr:@std/cli@1/parse-args";
export { format as formatBytes } from "jsr:@std/fmt@1/bytes";
export { bold, cyan, dim, green, red, setColorEnabled, yellow } from "jsr:@std/fmt@1/colors";
