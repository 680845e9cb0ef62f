// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one runner behind `make test` and `make check`. It goes on after a failure, and its very last
 * line is the verdict.
 *
 *     deno run -A tests/run.ts [--only static|unit|vm] [--kernel SERIES]
 */

import { bold, green, parseArgs, red, setColorEnabled, yellow } from "../deps.ts";
import { type Check, Skip } from "./checks/check.ts";
import { runPrebuiltTests } from "./checks/prebuilt.ts";
import { staticChecks } from "./checks/static.ts";
import { runConformance, runCTests, runDenoTests } from "./checks/unit.ts";
import { runKernelTests } from "./checks/vm.ts";
import { Tally } from "./lib/tally.ts";
import { ALL_SERIES } from "./vm/kernel.ts";

const PARTS = ["static", "unit", "vm"];

function heading(text: string): void {
  console.log(`\n${bold(text)}`);
}

/** Whatever goes wrong in a part of the run is a failure of that part, and no end of the run. */
async function guarded(tally: Tally, name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    tally.record("failed", `${name}: could not be run`);
  }
}

/** How many lines of a failed check are shown: enough for a start, and the end stays in sight. */
const REASON_LINES = 40;

function shorten(text: string): string {
  const lines = text.split("\n");
  if (lines.length <= REASON_LINES) return text;
  return [...lines.slice(0, REASON_LINES), `(${lines.length - REASON_LINES} more lines)`].join(
    "\n",
  );
}

/** Runs one check and counts it; a check that can't be done here is counted as skipped. */
export async function runCheck(tally: Tally, check: Check): Promise<void> {
  const started = performance.now();
  await guarded(tally, check.name, async () => {
    const reason = await check.run();
    if (reason instanceof Skip) {
      tally.record("skipped", `${check.name}: ${reason.reason}`);
      console.log(`${yellow("skipped")} ${check.name}: ${reason.reason}`);
      return;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    tally.record(reason === undefined ? "passed" : "failed", check.name);
    const word = reason === undefined ? green("ok") : red("not ok");
    console.log(`${word} ${check.name} (${seconds} s)`);
    if (reason !== undefined) console.log(shorten(reason).replace(/^/gm, "    "));
  });
}

function summarise(tally: Tally): void {
  for (const name of tally.names("skipped")) console.log(`${yellow("skipped")} ${name}`);
  for (const name of tally.names("failed")) console.log(`${red("failed")} ${name}`);
}

async function main(): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal());
  const args = parseArgs(Deno.args, { string: ["only", "kernel"] });
  if (args.only !== undefined && !PARTS.includes(args.only)) {
    console.error(`tests/run.ts: --only takes one of ${PARTS.join(", ")}`);
    return 2;
  }
  const wanted = (part: string) => args.only === undefined || args.only === part;
  const series = args.kernel === undefined ? ALL_SERIES : [args.kernel];
  const tally = new Tally();

  if (wanted("static")) {
    heading("Static checks");
    for (const check of staticChecks(series)) await runCheck(tally, check);
  }
  if (wanted("unit")) {
    heading("Unit tests");
    await guarded(tally, "unit", () => runDenoTests(tally));
    await guarded(tally, "C", () => runCTests(tally));
    await guarded(tally, "host", () => runConformance(tally));
    await guarded(tally, "prebuilt", () => runPrebuiltTests(tally));
  }
  if (wanted("vm")) {
    for (const one of series) {
      heading(`Kernel tests on Linux ${one}`);
      await guarded(tally, `Linux ${one}`, () => runKernelTests(tally, one));
    }
  }

  heading("Summary");
  summarise(tally);
  console.log(tally.verdict);
  return tally.ok ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
