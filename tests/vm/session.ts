// SPDX-License-Identifier: BSD-3-Clause
/** One boot with the project in the guest, from the build to the judgement. */

import { dim } from "../../deps.ts";
import type { Arch } from "../../harness/arch.ts";
import { shareStandIns, shareWithConfig } from "../../harness/boot.ts";
import { basename } from "../../harness/files.ts";
import type { GuestContent, Share } from "../../harness/initramfs.ts";
import { GuestError, type Judgement as GuestJudgement } from "../../harness/judge.ts";
import type { TestCase } from "../../harness/junit.ts";
import { DEBUG_SERIES, type Kernel } from "../../harness/kernel.ts";
import { bootShell, type RunResult, type TestResult, Vm } from "../../harness/vm.ts";
import { printBytes } from "../lib/beside.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";
import { makeEntries } from "./entries.ts";
import { type Job, loadsModules } from "./job.ts";
import type { BuiltModule } from "./modules.ts";
import { buildArm64Programs, buildPrograms } from "./programs.ts";

const TEXT = new TextEncoder();

/** The result of a boot. It was good if there are no problems, and no test has failed. */
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

/** Options of a boot. */
export interface GuestOptions {
  /** A module from outside the project. */
  readonly own?: BuiltModule | undefined;
  /**
   * Receives what the job prints, and with tests also the kernel's log.
   *
   * @default {it is printed}
   */
  readonly print?: (bytes: Uint8Array) => void;
}

/**
 * Boots a kernel with the given modules, does a job in it, and judges the result. Without a shell,
 * VM_SILENCE limits how long the guest may print nothing.
 */
export async function runGuest(
  kernel: Kernel,
  modules: readonly string[],
  job: Job,
  { own, print = printBytes }: GuestOptions = {},
): Promise<Judgement> {
  const content = await makeContent(kernel, modules, job, own);
  if (job.kind === "shell") return judge(await bootShell(kernel, content));
  try {
    // With tests the kernel's log is shown as it comes, so that a line stands beside its cause.
    const log = (line: string) => print(TEXT.encode(dim(`kernel: ${line}`) + "\n"));
    const silence = silenceOf(kernel);
    await using vm = await Vm.boot(kernel, content, job.kind === "tests" ? { log, silence } : {});
    const result = await runJob(vm, job, print);
    return judge(await vm.stop(), result);
  } catch (error) {
    if (error instanceof GuestError) return judge(error.judgement);
    throw error;
  }
}

/**
 * The debug kernel takes minutes to load the files of a long run, and longer while another guest
 * does the same. VM_SILENCE replaces this limit, too.
 */
function silenceOf({ series }: Kernel): number | undefined {
  return series === DEBUG_SERIES && !Deno.env.get("VM_SILENCE") ? 900_000 : undefined;
}

function runJob(
  vm: Vm,
  job: Exclude<Job, { kind: "shell" }>,
  output: (bytes: Uint8Array) => void,
): Promise<RunResult | TestResult> {
  if (job.kind === "command") return vm.run(job.command, { output });
  const args = ["-A", "--no-check"];
  if (job.until !== undefined) args.push("--preload=tests/vm/in_time.ts");
  return vm.test(Object.keys(makeEntries(job)), { filter: job.filter, args, output });
}

/** Adds the result of a command, or of tests, to what was found about the guest. */
export function judge(
  { problems, log, seconds }: GuestJudgement,
  result?: RunResult | TestResult,
): Judgement {
  const all = [...problems];
  const tests = result !== undefined && "tests" in result ? result.tests : [];
  if (result !== undefined && "tests" in result) {
    if (result.problem !== undefined) all.push(result.problem);
  } else if (result !== undefined && result.status !== 0) {
    all.push(`the command ended with exit status ${result.status}`);
  }
  return { problems: all, tests, logMatters: problems.length > 0, log, seconds };
}

async function makeContent(
  { arch }: Kernel,
  modules: readonly string[],
  job: Job,
  own: BuiltModule | undefined,
): Promise<GuestContent> {
  const names = loadsModules(job) ? [] : (own?.modules ?? []).map(basename);
  return {
    modules: [...modules, ...own?.modules ?? []],
    load: names.map((name) => ({ name, parameters: [] })),
    shares: [
      await shareProject(arch, job, own !== undefined),
      ...own === undefined ? [] : await shareOwn(own),
    ],
    folder: own?.folder ?? "/kup",
    parameters: job.kind === "tests" ? job.parameters ?? [] : [],
    inTurns: job.kind === "tests" && job.inTurns === true,
    env: { KUP_SECONDS: Deno.env.get("KUP_SECONDS") ?? "", ...limitOf(job) },
    shell: job.kind === "shell",
    // Colours are for a person at a terminal.
    color: Deno.stdout.isTerminal() && !Deno.noColor,
  };
}

/** For in_time.ts: the guest's uptime at which it is too late, in seconds. */
function limitOf(job: Job): Record<string, string> {
  if (job.kind !== "tests" || job.until === undefined) return {};
  return { KUP_TOO_LATE: String((job.until - Date.now()) / 1000) };
}

/** What `make prebuilt` has made, if it was run. */
async function embeddedFiles(): Promise<string[]> {
  const folder = "src/embedded";
  if (!await exists(`${ROOT}/${folder}`)) return [];
  const entries = await Array.fromAsync(Deno.readDir(`${ROOT}/${folder}`));
  return entries.map(({ name }) => `${folder}/${name}`);
}

/** The project as git sees it, and what is built from it. A module's scripts may name its path. */
async function shareProject(arch: Arch, job: Job, samePath: boolean): Promise<Share> {
  const tests = job.kind === "tests";
  const sources = [...await projectFiles(), ...await embeddedFiles()];
  const { folder, built } = arch === "arm64"
    ? await buildArm64Programs(tests, sources)
    : { folder: ROOT, built: await buildPrograms(tests) };
  // The guest has no network: @std is always the stand-ins there.
  const config = await Deno.readTextFile(`${ROOT}/deno.offline.json`);
  const at = samePath ? ["/kup", await Deno.realPath(ROOT)] : ["/kup"];
  const texts = { "deno.json": config, ...tests ? makeEntries(job) : {} };
  return { from: folder, files: [...sources, ...built], at, texts };
}

/** A module's folder. Below the project, the project's own configuration is used. */
async function shareOwn({ folder, files }: BuiltModule): Promise<Share[]> {
  if (folder.startsWith(`${await Deno.realPath(ROOT)}/`)) {
    return [{ from: folder, files, at: [folder] }];
  }
  const standIns = await shareStandIns();
  const links = standIns.flatMap((share) => share.at);
  return [await shareWithConfig(folder, files, links), ...standIns];
}
