// SPDX-License-Identifier: BSD-3-Clause
/**
 * The benchmark in a virtual machine's kernel; `make bench-vm` calls it there. Its modules are
 * loaded, and what is in C was built before.
 */

import { vm } from "./groups/vm.ts";
import { runGroups } from "./main.ts";
import { formatReport } from "./table.ts";

if (import.meta.main) {
  const device = (name: string) => `/dev/${name}`;
  const say = (text: string) => console.log(text);
  const report = await runGroups([vm], { quick: false, device, say });
  console.log(formatReport(report));
  Deno.exit(0);
}
