// SPDX-License-Identifier: BSD-3-Clause
/** One boot, from the build to the judgement. */

import { dim } from "../../deps.ts";
import { JunitError, parseJunit, type TestCase } from "../lib/junit.ts";
import { CACHE } from "../lib/paths.ts";
import { makeWorkFolder } from "./work.ts";
import { makeInitramfs } from "./initramfs.ts";
import type { Job } from "./job.ts";
import { findTrouble } from "./kernel_log.ts";
import type { Kernel } from "./kernel.ts";
import { followLog } from "./log_follower.ts";
import { machineFor } from "./machine.ts";
import type { BuiltModule } from "./own_module.ts";
import { type Boot, type Ended, runQemu } from "./qemu.ts";
import { guestLimits, NO_LIMITS } from "./silence.ts";
import { parseVerdict, type Verdict } from "./verdict.ts";

/** The result of a boot. It was good if there are no problems. */
export interface Judgement {
  /** All problems except failed tests, one line each. */
  readonly problems: readonly string[];
  /** The tests that were run. */
  readonly tests: readonly TestCase[];
  /** Whether the kernel's log is likely to explain the problems. */
  readonly logMatters: boolean;
  /** The file with the kernel's log. */
  readonly log: string;
  readonly seconds: number;
}

/**
 * Boots a kernel with the given modules, and with one from outside the project if there is one;
 * does a job in it, and judges the result. Without a shell, VM_SILENCE limits how long the guest
 * may print nothing.
 */
export async function runGuest(
  kernel: Kernel,
  modules: readonly string[],
  job: Job,
  own?: BuiltModule,
): Promise<Judgement> {
  const limits = job.shell ? NO_LIMITS : guestLimits(Deno.env.get("VM_SILENCE"));
  const folder = `${CACHE}/vm`;
  await using work = await makeWorkFolder(folder, kernel.series);
  const log = `${folder}/${kernel.series}.log`;
  const started = performance.now();
  const boot = {
    image: kernel.image,
    initramfs: await makeInitramfs(work.path, modules, job, own),
    log: `${work.path}/log`,
    verdict: `${work.path}/verdict`,
    interactive: job.shell,
    limits,
    machine: await machineFor(kernel.series),
  };
  const ended = await runShowingLog(boot, job.tests);
  const logText = await readIfThere(boot.log);
  const verdict = parseVerdict(await readBytesIfThere(boot.verdict));
  await Deno.writeTextFile(log, logText);
  return {
    ...judge(job, ended, logText, verdict),
    log,
    seconds: (performance.now() - started) / 1000,
  };
}

/** With tests the kernel's log is shown as it comes, so that a line stands beside its cause. */
async function runShowingLog(boot: Boot, show: boolean): Promise<Ended> {
  if (!show) return await runQemu(boot);
  const done = new AbortController();
  const following = followLog(boot.log, done.signal, (line) => console.log(dim(`kernel: ${line}`)));
  try {
    return await runQemu(boot);
  } finally {
    done.abort();
    await following;
  }
}

/** Decides whether a boot was good. Anything that is not known to be good is a problem. */
export function judge(
  job: Job,
  ended: Ended,
  log: string,
  verdict: Verdict | undefined,
): Omit<Judgement, "log" | "seconds"> {
  const problems: string[] = [];
  if (ended.stopped !== undefined) problems.push(`the guest was ended: ${ended.stopped}`);
  else if (ended.code !== 0) problems.push(`QEMU ended with exit status ${ended.code}`);
  if (ended.complaints.trim() !== "") problems.push(`QEMU says: ${ended.complaints.trim()}`);
  problems.push(...findTrouble(log).map((line) => `kernel log: ${line}`));
  // A shell that is left by Ctrl-A X gives no verdict.
  if (job.shell) return { problems, tests: [], logMatters: problems.length > 0 };
  if (verdict === undefined) {
    problems.push("the guest gave no verdict");
    return { problems, tests: [], logMatters: true };
  }
  problems.push(...verdict.faults);
  const logMatters = problems.length > 0;
  const { tests, problem } = readTests(job, verdict);
  if (problem !== undefined) problems.push(problem);
  // With failed tests, a non-zero status is expected.
  const explained = tests.some((test) => test.outcome === "failed");
  if (verdict.exit === undefined) problems.push("the command was not run");
  else if (verdict.exit !== 0 && !explained) {
    problems.push(`the command ended with exit status ${verdict.exit}`);
  }
  return { problems, tests, logMatters };
}

function readTests(job: Job, verdict: Verdict): { tests: TestCase[]; problem?: string } {
  if (verdict.junit === undefined) {
    return job.tests ? { tests: [], problem: "the tests left no report" } : { tests: [] };
  }
  try {
    const tests = parseJunit(verdict.junit);
    // Tests that a filter leaves out are in the report, as skipped.
    const none = tests.every(({ outcome }) => outcome === "skipped");
    return none ? { tests, problem: "no test was run" } : { tests };
  } catch (error) {
    if (!(error instanceof JunitError)) throw error;
    return { tests: [], problem: error.message };
  }
}

async function readBytesIfThere(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

async function readIfThere(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytesIfThere(path));
}
