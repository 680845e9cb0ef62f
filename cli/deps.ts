// SPDX-License-Identifier: BSD-3-Clause
// deno-lint-ignore-file no-import-prefix -- the command line's external modules.

/**
 * Every external module that the command line uses. The library itself has none, and never
 * imports this file. Where JSR can't be reached, the stand-ins in `tests/std/` have these names.
 */

export { parseArgs } from "jsr:@std/cli@1/parse-args";
export { format as formatBytes } from "jsr:@std/fmt@1/bytes";
export { bold, dim, green, red, setColorEnabled, yellow } from "jsr:@std/fmt@1/colors";
