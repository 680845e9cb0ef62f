// SPDX-License-Identifier: BSD-3-Clause
/** The reference, the manual pages and the version: what is generated, or stands in many files. */

import { capture, projectFiles } from "../lib/process.ts";
import type { Check } from "./check.ts";

/** Runs a script with --check; the check fails with its output unless its exit status is 0. */
async function matches(script: string, config: string): Promise<string | undefined> {
  const command = [Deno.execPath(), "run", "-A", "--config", config, script, "--check"];
  const { code, output } = await capture(command, { env: { NO_COLOR: "1" } });
  return code === 0 ? undefined : output.trimEnd() || `exit status ${code}`;
}

/** A page of another project may not be installed here, and need not be. */
function isManualFault(line: string, pages: readonly string[]): boolean {
  if (line === "" || line.includes("outdated mandoc.db")) return false;
  const [, name, section] = line.match(/manual not found: Xr (\w+) (\d)/) ?? [];
  return name === undefined || name.startsWith("kup") && !pages.includes(`man/${name}.${section}`);
}

async function checkManual(): Promise<string | undefined> {
  const pages = await projectFiles("man/*");
  if (pages.length === 0) return "there is no manual page";
  const { output } = await capture(["mandoc", "-Tlint", ...pages]);
  const wrong = output.split("\n").filter((line) => isManualFault(line, pages));
  return wrong.length === 0 ? undefined : wrong.join("\n");
}

/** All checks of this file, with the configuration for this machine. */
export function referenceChecks(config: string): Check[] {
  return [
    {
      name: "the reference and the manual pages match the headers and the help texts",
      run: () => matches("scripts/gen_reference.ts", config),
    },
    { name: "mandoc finds nothing wrong with the manual pages", run: checkManual },
    {
      name: "the version is the same everywhere",
      run: () => matches("scripts/version.ts", config),
    },
  ];
}
