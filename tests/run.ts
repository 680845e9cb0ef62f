// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one runner behind `make test` and `make check`. It continues after a failure, and its very
 * last line is the verdict.
 *
 *     deno run -A tests/run.ts [--only PART,...] [--kernel SERIES] [--force]
 */

import { bold, green, red, setColorEnabled, yellow } from "../deps.ts";
import { type CommandLine, UsageError, withUsage } from "../scripts/usage.ts";
import { PassedChecks } from "./checks/cache.ts";
import { type Check, Skip } from "./checks/check.ts";
import { inputsOf } from "./checks/inputs.ts";
import { runPrebuiltTests } from "./checks/prebuilt.ts";
import { CONFIG, staticChecks } from "./checks/static.ts";
import { runConformance, runCTests, runDenoTests } from "./checks/unit.ts";
import { runHarnessTests, runPlantedTests } from "./checks/harness.ts";
import { runKernelTests, runNewestKernel, runOwnModuleTest } from "./checks/vm.ts";
import { HeldOutput, RunBeside } from "./lib/beside.ts";
import { CACHE, ROOT } from "./lib/paths.ts";
import { Tally } from "./lib/tally.ts";
import {
  ALL_SERIES,
  checkSeries,
  DEBUG_SERIES,
  fetchKernel,
  NEWEST_SERIES,
} from "../harness/kernel.ts";
import { buildPrograms } from "./vm/programs.ts";
import { guestLimits } from "../harness/silence.ts";

const PARTS = ["static", "unit", "host", "c", "vm", "newest", "harness"];

const USAGE = {
  text: `usage: tests/run.ts [--only PART,...] [--kernel SERIES] [--force]

Runs every check and test, and prints the verdict as its last line.

  --only PART,...    some of the parts: the static checks, the unit tests, the conformance of
                     the host driver, the tests in C, those in kernels, those in the newest
                     kernel, or the harness (static, unit, host, c, vm, newest, harness)
  --kernel SERIES    one kernel instead of all: 6.1, 6.12, 7.x, 6.12-arm64, ..., or debug for the
                     debug kernel
  --force            run also the static checks that have passed with the same inputs
  --results FILE     write the results there instead of printing them at the end`,
  values: ["only", "kernel", "results"],
  flags: ["force"],
};

function heading(text: string): void {
  console.log(`\n${bold(text)}`);
}

function secondsSince(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

/** An error in a part of the run is a failure of that part, and does not end the run. */
async function guarded(tally: Tally, name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    tally.record("failed", `${name}: could not be run`);
  }
}

/** The same for a part that is worth a line about its time. */
async function timed(tally: Tally, name: string, run: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await guarded(tally, name, run);
  console.log(`${name} took ${secondsSince(start)}`);
}

/**
 * How many lines of a failed check are shown. Compilers name the cause first, and make names it
 * last.
 */
const REASON_LINES = 40;

function shorten(text: string): string {
  const lines = text.split("\n");
  if (lines.length <= REASON_LINES) return text;
  const begin = REASON_LINES / 4;
  return [
    ...lines.slice(0, begin),
    `(${lines.length - REASON_LINES} more lines)`,
    ...lines.slice(begin - REASON_LINES),
  ].join("\n");
}

/**
 * Runs one check and counts it; a check that can't be done here is skipped. Returns whether it
 * passed.
 */
export async function runCheck(tally: Tally, check: Check): Promise<boolean> {
  const start = performance.now();
  let passed = false;
  await guarded(tally, check.name, async () => {
    const reason = await check.run();
    if (reason instanceof Skip) {
      tally.record("skipped", `${check.name}: ${reason.reason}`);
      console.log(`${yellow("skipped")} ${check.name}: ${reason.reason}`);
      return;
    }
    passed = reason === undefined;
    tally.record(passed ? "passed" : "failed", check.name);
    const word = passed ? green("ok") : red("not ok");
    console.log(`${word} ${check.name} (${secondsSince(start)})`);
    if (reason !== undefined) console.log(shorten(reason).replace(/^/gm, "    "));
  });
  return passed;
}

/** Runs the checks that have not passed with the present inputs before. */
async function runChecks(tally: Tally, checks: readonly Check[], force: boolean): Promise<void> {
  const known = await PassedChecks.open(`${CACHE}/checks`, await inputsOf(ROOT, CONFIG));
  const passed: Check[] = [];
  for (const check of checks) {
    if (!force && !check.always && await known.has(check)) {
      tally.record("passed", check.name);
      console.log(`${green("ok")} ${check.name} (unchanged)`);
    } else if (await runCheck(tally, check) && !check.always) {
      passed.push(check);
    }
  }
  if (passed.length > 0) await known.keep(passed, await inputsOf(ROOT, CONFIG));
}

async function runStatic(tally: Tally, series: readonly string[], force: boolean): Promise<void> {
  heading("Static checks");
  await timed(tally, "static checks", async () => {
    // The headers are an input; the check that needs them reports why they are missing.
    for (const one of series) await fetchKernel(one).catch(() => {});
    await runChecks(tally, staticChecks(series), force);
  });
}

async function runUnit(tally: Tally): Promise<void> {
  heading("Unit tests");
  await timed(tally, "unit tests", () => runDenoTests(tally));
}

async function runHost(tally: Tally): Promise<void> {
  heading("Host driver");
  await timed(tally, "conformance of the host driver", () => runConformance(tally));
}

async function runC(tally: Tally): Promise<void> {
  heading("C tests");
  await timed(tally, "C tests", () => runCTests(tally));
  await timed(tally, "prebuilt libraries", () => runPrebuiltTests(tally));
}

async function runKernels(tally: Tally, series: readonly string[]): Promise<void> {
  const newest = ALL_SERIES.at(-1)!;
  for (const one of series) {
    heading(`Kernel tests on Linux ${one}`);
    if (one !== DEBUG_SERIES) {
      await timed(tally, `Linux ${one}`, () => runKernelTests(tally, one));
      continue;
    }
    const output = new HeldOutput();
    const planted = () => runPlantedTests(tally, newest, output.line);
    const after = () => guarded(tally, "modules with planted bugs", planted);
    await timed(tally, `Linux ${one}`, () => runKernelTests(tally, one, { after }));
    heading("Modules with planted bugs");
    output.show();
  }
}

/** What is the same in all kernels. */
async function runHarness(tally: Tally): Promise<void> {
  const newest = ALL_SERIES.at(-1)!;
  heading(`A module from outside the project on Linux ${newest}`);
  await timed(tally, "it", () => runOwnModuleTest(tally, newest));
  heading(`The harness on Linux ${newest}`);
  await timed(tally, "the harness", () => runHarnessTests(tally, newest));
}

async function runNewest(tally: Tally): Promise<void> {
  heading(`Kernel tests on Linux ${NEWEST_SERIES}`);
  await timed(tally, `Linux ${NEWEST_SERIES}`, () => runNewestKernel(tally, NEWEST_SERIES));
}

/** Starts the tests of one series in a process of its own, and others behind them. */
function startKernel(series: string, ...parts: readonly string[]): RunBeside {
  return new RunBeside([
    Deno.execPath(),
    "run",
    "-A",
    "--config",
    CONFIG,
    `${ROOT}/tests/run.ts`,
    `--only=${["vm", ...parts].join()}`,
    `--kernel=${series}`,
    "--results",
  ]);
}

/**
 * Runs the tests in kernels beside all others. An emulated machine takes one of the two processors,
 * and many of the others sleep for much of their time.
 */
async function runAllParts(tally: Tally, force: boolean): Promise<void> {
  const [older, newest] = ALL_SERIES;
  const beside: RunBeside[] = [];
  await guarded(tally, "kernel tests", async () => {
    // Both use these programs, so they are made before.
    await buildPrograms(true);
    beside.push(startKernel(newest), startKernel(older, "newest", "host", "harness"));
  });
  // The modules of the others are built there.
  await runStatic(tally, [NEWEST_SERIES], force);
  await runUnit(tally);
  await runC(tally);
  for (const one of beside) {
    await guarded(tally, "kernel tests", () => one.finish(tally, "kernel tests"));
  }
}

function summarise(tally: Tally): void {
  for (const name of tally.names("skipped")) console.log(`${yellow("skipped")} ${name}`);
  for (const name of tally.names("failed")) console.log(`${red("failed")} ${name}`);
}

function chooseParts(line: CommandLine): readonly string[] {
  const only = line.value("only");
  if (only === undefined) return PARTS;
  const parts = only.split(",");
  if (!parts.every((part) => PARTS.includes(part))) {
    throw new UsageError(`--only takes some of ${PARTS.join(", ")}, with commas between them.`);
  }
  return parts;
}

async function main(line: CommandLine): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal());
  const parts = chooseParts(line);
  const kernel = line.value("kernel");
  if (kernel !== undefined) checkSeries(kernel);
  guestLimits(Deno.env.get("VM_SILENCE"));
  const series = kernel === undefined ? ALL_SERIES : [kernel];
  const tally = new Tally();
  const start = performance.now();

  if (parts.length === PARTS.length && kernel === undefined) {
    await runAllParts(tally, line.flag("force"));
  } else {
    if (parts.includes("static")) {
      const built = kernel === undefined ? [...series, NEWEST_SERIES] : series;
      await runStatic(tally, built, line.flag("force"));
    }
    if (parts.includes("unit")) await runUnit(tally);
    if (parts.includes("vm")) await runKernels(tally, series);
    if (parts.includes("newest")) await runNewest(tally);
    if (parts.includes("host")) await runHost(tally);
    // It boots the last of these kernels.
    const isMeant = line.value("only") !== undefined || series.includes(ALL_SERIES.at(-1)!);
    if (parts.includes("harness") && isMeant) await runHarness(tally);
    if (parts.includes("c")) await runC(tally);
  }

  const results = line.value("results");
  if (results !== undefined) {
    await Deno.writeTextFile(results, JSON.stringify(tally));
    return 0;
  }
  heading("Summary");
  console.log(`took ${secondsSince(start)}`);
  summarise(tally);
  console.log(tally.verdict);
  return tally.ok ? 0 : 1;
}

if (import.meta.main) Deno.exit(await withUsage(USAGE, main));
