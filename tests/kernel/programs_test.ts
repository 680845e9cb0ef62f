// SPDX-License-Identifier: BSD-3-Clause
/** The programs in c/, which make system calls of their own. */

import { differencesOf } from "../conformance/differences.ts";
import { testPrograms } from "../conformance/lib/programs.ts";
import { PATH } from "./lib/guest.ts";

testPrograms(new URL("./", import.meta.url), "system calls, in C", [
  PATH,
  ...differencesOf("linux"),
]);
