// SPDX-License-Identifier: BSD-3-Clause
/** The programs in c/, which make system calls of their own. */

import { differencesOf } from "../conformance/differences.ts";
import { testPrograms } from "../conformance/lib/programs.ts";
import { IN_DEBUG_KERNEL } from "../lib/debug_kernel.ts";
import { PATH } from "./lib/guest.ts";

const HERE = new URL("./", import.meta.url);
const ARGUMENTS = [PATH, ...differencesOf("linux")];

testPrograms(HERE, "system calls, in C", ARGUMENTS);

if (IN_DEBUG_KERNEL) {
  testPrograms(HERE, "faults, in C", ARGUMENTS, "DEBUG_PROGRAMS");
}
