// SPDX-License-Identifier: BSD-3-Clause
/** The programs in c/, which make system calls of their own. */

import { differencesOf } from "../conformance/differences.ts";
import { testPrograms } from "../conformance/lib/programs.ts";
import { PATH } from "./lib/guest.ts";

const HERE = new URL("./", import.meta.url);
const ARGUMENTS = [PATH, ...differencesOf("linux")];

testPrograms(HERE, "system calls, in C", ARGUMENTS);

/** What `tests/vm/debug.config` adds to the release. Only that kernel can make allocations fail. */
const DEBUG = "-kup-debug";

if (Deno.osRelease().endsWith(DEBUG)) {
  testPrograms(HERE, "faults, in C", ARGUMENTS, "DEBUG_PROGRAMS");
}
