// SPDX-License-Identifier: BSD-3-Clause
/** The files that the published module consists of. */

import { fileURLToPath } from "node:url";
import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

/** What this machine uses; see scripts/deno_config.ts. */
const CONFIG = Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json";
const REAL = "deno.json";
/** Those that `withConfig` writes. */
const OFFLINE = /^deno\.offline\./;
const STAND_INS = "tests/std/";

/**
 * Where JSR can't be reached, Deno finds the command line's imports in the stand-ins only if they
 * are published as well.
 */
async function withConfig<T>(run: (config: string) => Promise<T>): Promise<T> {
  if (CONFIG === REAL) return await run(REAL);
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}/${CONFIG}`));
  config.publish.include.push(STAND_INS);
  const file = `deno.offline.${Deno.pid}.json`;
  await Deno.writeTextFile(`${ROOT}/${file}`, JSON.stringify(config));
  try {
    return await run(file);
  } finally {
    await Deno.remove(`${ROOT}/${file}`);
  }
}

/**
 * Deno warns once: of the import of `node:net` that bundlers must not recognise (src/reactor.ts).
 */
function refuseWarnings(output: string): void {
  const warnings = [...output.matchAll(/^warning\[(.*?)\]/gm)].map(([, code]) => code);
  if (warnings.join() !== "unanalyzable-dynamic-import") {
    throw new Error(`deno publish warns of something else: ${warnings.join()}\n${output}`);
  }
}

/**
 * The files, as paths in the checkout, from Deno itself. With `check` Deno also looks at types and
 * at all else that would prevent publishing; then the error contains its output.
 */
export async function publishedFiles({ check = false } = {}): Promise<string[]> {
  const options = ["--dry-run", "--allow-dirty"];
  if (!check) options.push("--no-check", "--allow-slow-types");
  // Deno prints the list to standard error.
  const output = await withConfig((config) =>
    must(
      ["sh", "-c", '"$@" 2>&1', "sh", Deno.execPath(), "publish", ...options, "--config", config],
      { env: { NO_COLOR: "1" } },
    )
  );
  if (check) refuseWarnings(output);
  const listed = [...output.matchAll(/^ +(file:\S+) \(/gm)];
  const paths = listed.map(([, url]) => fileURLToPath(url!).slice(ROOT.length + 1));
  if (!paths.includes("mod.ts")) throw new Error(`deno publish lists no mod.ts:\n${output}`);
  // The configuration is published under its own name.
  return paths.filter((path) => !path.startsWith(STAND_INS) && !OFFLINE.test(path)).sort();
}
