// SPDX-License-Identifier: BSD-3-Clause
/** The tests that run on this machine, without a kernel module. */

import { JunitError, parseJunit } from "../../harness/junit.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";
import type { Tally } from "../lib/tally.ts";
import { CONFIG } from "./static.ts";

/** A choice of tests. */
export interface Choice {
  /** The file or folder. */
  readonly tests: string;
  /** A part of the tests' names; all tests without it. */
  readonly filter?: string | undefined;
}

/** Runs `tests/unit/`, or a part of it, in Deno. */
export async function runDenoTests(
  tally: Tally,
  choice: Choice = { tests: "tests/unit/" },
): Promise<void> {
  await runTests(tally, "unit", choice, {});
}

/** Runs the conformance suite, or a part of it, against the host driver. */
export async function runConformance(
  tally: Tally,
  choice: Choice = { tests: "tests/conformance/" },
): Promise<void> {
  console.log("\nConformance of the host driver");
  await must(["make", "-s", "-C", "tests/conformance/c"]);
  await must(["make", "-s", "-C", "tests/seed"]);
  await runTests(tally, "host", choice, {
    KUP_DRIVER: "host",
    // A mistake of the echo client, or one that is reported though there is none.
    KUP_HOST_CHECKS: "abort",
  });
}

/** Runs tests and counts them; passes their output on as it comes. */
async function runTests(
  tally: Tally,
  where: string,
  { tests, filter }: Choice,
  variables: Record<string, string>,
): Promise<void> {
  const report = await Deno.makeTempFile({ prefix: "kup-junit-", suffix: ".xml" });
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      // The types are a static check of their own.
      args: [
        "test",
        "-A",
        "--no-check",
        "--config",
        CONFIG,
        `--junit-path=${report}`,
        ...filter === undefined ? [] : [`--filter=${filter}`],
        tests,
      ],
      cwd: ROOT,
      env: { ...variables, ...Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" } },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    countTests(tally, where, await Deno.readTextFile(report), code, filter);
  } finally {
    await Deno.remove(report);
  }
}

/**
 * Counts a report. A run that failed while its report has no failed test has failed all the same:
 * it may have died before its tests, or beside them.
 */
export function countTests(
  tally: Tally,
  where: string,
  junit: string,
  code: number,
  filter?: string,
): void {
  try {
    const all = parseJunit(junit);
    const ran = all.filter(({ outcome }) => outcome !== "skipped");
    // In a report, tests that a filter leaves out look like those that skip themselves.
    const tests = filter === undefined ? all : ran;
    tally.recordTests(where, tests);
    if (ran.length === 0) {
      const reason = filter === undefined ? "" : `; no test's name holds "${filter}"`;
      tally.record("failed", `${where}: no test was run${reason}`);
    }
    if (code !== 0 && !tests.some((test) => test.outcome === "failed")) {
      tally.record("failed", `${where}: the run ended with exit status ${code}`);
    }
  } catch (error) {
    if (!(error instanceof JunitError)) throw error;
    tally.record("failed", `${where}: ${error.message} (exit status ${code})`);
  }
}

/** Runs the C unit tests, if there are any; each prints `ok`, `not ok` or `skip` and its name. */
export async function runCTests(tally: Tally): Promise<void> {
  if (!await exists(`${ROOT}/tests/c/Makefile`)) return;
  const { code, output } = await capture(["make", "-s", "-C", "tests/c", "check"]);
  console.log(output.trimEnd());
  countCTests(tally, output, code);
}

/** Counts what the C unit tests printed. */
export function countCTests(tally: Tally, output: string, code: number): void {
  const lines = [...output.matchAll(/^(ok|not ok|skip) (.+)$/gm)];
  const outcomes = { "ok": "passed", "not ok": "failed", "skip": "skipped" } as const;
  for (const [, word, name] of lines) {
    tally.record(outcomes[word as keyof typeof outcomes], `C: ${name}`);
  }
  if (lines.length === 0) tally.record("failed", "C: no test was run");
  if (code !== 0 && !lines.some(([, word]) => word === "not ok")) {
    tally.record("failed", `C: the run ended with exit status ${code}`);
  }
}
