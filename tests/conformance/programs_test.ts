// SPDX-License-Identifier: BSD-3-Clause
/** The programs in c/, which know kup_user.h and kup_abi.h. */

import { differencesOf } from "./differences.ts";
import { driver } from "./lib/driver.ts";
import { testPrograms } from "./lib/programs.ts";

testPrograms(new URL("./", import.meta.url), "in C", [driver.path, ...differencesOf(driver.name)]);
