// SPDX-License-Identifier: BSD-3-Clause
/** What others get of this project when the module is published. */

import { fileURLToPath } from "node:url";
import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

/**
 * The files, as paths in the checkout; Deno itself tells. With `check` it also looks at types and
 * at all else that would keep it from publishing, and the failure tells what that is.
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
  // The list goes where complaints go.
  const told = await must(["sh", "-c", '"$@" 2>&1', "sh", ...command], { env: { NO_COLOR: "1" } });
  const listed = [...told.matchAll(/^ +(file:\S+) \(/gm)];
  const paths = listed.map(([, url]) => fileURLToPath(url!).slice(ROOT.length + 1));
  if (!paths.includes("mod.ts")) throw new Error(`deno publish lists no mod.ts:\n${told}`);
  return paths.sort();
}
