// SPDX-License-Identifier: BSD-3-Clause
/** The files that the published module consists of. */

import { fileURLToPath } from "node:url";
import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

/**
 * The files, as paths in the checkout, from Deno itself. With `check` Deno also looks at types and
 * at all else that would prevent publishing; then the error contains its output.
 */
export async function publishedFiles({ check = false } = {}): Promise<string[]> {
  const command = [
    Deno.execPath(),
    "publish",
    "--dry-run",
    "--allow-dirty",
    "--config",
    "deno.json",
  ];
  if (!check) command.push("--no-check", "--allow-slow-types");
  // Deno prints the list to standard error.
  const output = await must(["sh", "-c", '"$@" 2>&1', "sh", ...command], {
    env: { NO_COLOR: "1" },
  });
  const listed = [...output.matchAll(/^ +(file:\S+) \(/gm)];
  const paths = listed.map(([, url]) => fileURLToPath(url!).slice(ROOT.length + 1));
  if (!paths.includes("mod.ts")) throw new Error(`deno publish lists no mod.ts:\n${output}`);
  return paths.sort();
}
