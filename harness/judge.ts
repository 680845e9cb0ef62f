// SPDX-License-Identifier: BSD-3-Clause
/** Decides whether a guest was good. Anything that is not known to be good is a problem. */

import { HarnessError } from "./error.ts";
import type { Ended } from "./guest.ts";
import { JunitError, parseJunit, type TestCase } from "./junit.ts";
import { findTrouble } from "./kernel_log.ts";

/**
 * The result of a guest's whole life, beside its commands. It was good if there are no problems.
 *
 * @example
 * ```ts
 * import { boot, type Judgement } from "jsr:@kup/kup/harness";
 *
 * const vm = await boot();
 * const { problems, cause, seconds }: Judgement = await vm.stop();
 * console.log(problems.length === 0 ? `all is well after ${seconds} s` : cause);
 * ```
 */
export interface Judgement {
  /** All problems, one line each. */
  readonly problems: readonly string[];
  /** The problem that most likely explains the others. */
  readonly cause: string | undefined;
  /** The file with the kernel's log, which the next guest of the same series replaces. */
  readonly log: string;
  /** How long the guest existed. */
  readonly seconds: number;
}

/**
 * A guest that has ended when it was needed. The message has the end of its log, the cause last.
 *
 * @example
 * ```ts
 * import { boot, GuestError } from "jsr:@kup/kup/harness";
 *
 * try {
 *   await using vm = await boot();
 *   await vm.run("echo c > /proc/sysrq-trigger"); // the kernel ends
 * } catch (error) {
 *   if (!(error instanceof GuestError)) throw error;
 *   console.log(error.judgement.cause);
 * }
 * ```
 */
export class GuestError extends HarnessError {
  /** What was wrong with the guest. */
  readonly judgement: Judgement;

  /** Makes an error whose message is shown to a person. */
  constructor(message: string, judgement: Judgement) {
    super("guest", message);
    this.judgement = judgement;
  }
}

/** A line that only announces others, which say more. */
const ANNOUNCEMENT = /kmemleak: \d+ new suspected memory leaks/;

/** Lists the problems of a guest, the cause first. */
export function findProblems(ended: Ended, log: string): string[] {
  const trouble = findTrouble(log);
  const detailed = trouble.filter((line) => !ANNOUNCEMENT.test(line));
  const announced = trouble.filter((line) => ANNOUNCEMENT.test(line));
  const problems = [...detailed, ...announced].map((line) => `kernel log: ${line}`);
  problems.push(...ended.faults);
  if (ended.stopped !== undefined) problems.push(`the guest was ended: ${ended.stopped}`);
  else if (ended.code !== 0) problems.push(`QEMU ended with exit status ${ended.code}`);
  if (ended.complaints.trim() !== "") problems.push(`QEMU says: ${ended.complaints.trim()}`);
  if (!ended.announced && problems.length === 0) {
    problems.push("the guest ended before it was asked to");
  }
  return problems;
}

/** What a report of tests has, and what is wrong with it. */
export interface ReadTests {
  readonly tests: readonly TestCase[];
  readonly problem?: string;
}

/** Reads the report that a test run has left. A run without tests has a problem. */
export function readTests(junit: string | undefined): ReadTests {
  if (junit === undefined) return { tests: [], problem: "the tests left no report" };
  try {
    const tests = parseJunit(junit);
    // Tests that a filter leaves out are in the report, as skipped.
    const none = tests.every(({ outcome }) => outcome === "skipped");
    return none ? { tests, problem: "no test was run" } : { tests };
  } catch (error) {
    if (!(error instanceof JunitError)) throw error;
    return { tests: [], problem: error.message };
  }
}

/** How many lines of a kernel's log are shown. */
const LOG_LINES = 60;
/** How many problems are shown: an oops is a dozen. */
const PROBLEMS = 8;

/** The end of a kernel's log, the problems, and the cause as the last line. */
export function explain({ problems, cause, log }: Judgement, logText: string): string {
  const others = problems.filter((problem) => problem !== cause);
  return [
    `the end of the kernel's log (all of it: ${log})`,
    ...logText.trimEnd().split("\n").slice(-LOG_LINES),
    ...others.slice(0, PROBLEMS).map((problem) => `also: ${problem}`),
    ...others.length > PROBLEMS ? [`(${others.length - PROBLEMS} more problems)`] : [],
    cause ?? "",
  ].join("\n");
}
