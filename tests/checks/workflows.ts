// SPDX-License-Identifier: BSD-3-Clause
/** The workflows in `.github/`, which no machine here can run: their syntax, and what they call. */

import { capture, projectFiles } from "../lib/process.ts";
import { ROOT } from "../lib/paths.ts";
import type { Check } from "./check.ts";

/** The only other command: what a container needs before it has make and this checkout. */
const PREPARE = /^apt-get update && apt-get install -y --no-install-recommends [a-z -]+$/;

/** A published action with the hash of a commit, or a workflow of this repository. */
const PINNED = /^[\w-]+\/[\w/-]+@[0-9a-f]{40}$/;

interface Step {
  readonly uses?: unknown;
  readonly run?: unknown;
}

interface Job extends Step {
  readonly steps?: readonly Step[];
  readonly needs?: string | readonly string[];
  readonly "timeout-minutes"?: unknown;
}

interface Workflow {
  readonly permissions?: unknown;
  readonly jobs?: Readonly<Record<string, Job>>;
}

/** What a check needs to know of the checkout. */
export interface Surroundings {
  /** Its files. */
  readonly files: readonly string[];
  /** The targets of a Makefile, by its folder; `.` is the top. */
  readonly targets: (folder: string) => Promise<readonly string[]>;
}

/** Debian's parser; the text goes to its standard input. */
async function parseYaml(text: string): Promise<Workflow> {
  const program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
  const command = ["/usr/bin/python3", "-c", program];
  const { code, stdout, output } = await capture(command, { input: text });
  if (code !== 0) throw new SyntaxError(output.trimEnd().split("\n").slice(-4).join(" "));
  return JSON.parse(stdout);
}

/** Why a command is none that may be run, if it is none. */
async function findInCommand(run: string, { targets }: Surroundings): Promise<string[]> {
  const line = run.trim();
  if (PREPARE.test(line)) return [];
  const [, folder = ".", words = ""] = /^make(?: -C (\S+))?((?: [\w=/-]+)+)$/.exec(line) ?? [];
  const wanted = words.trim().split(" ").filter((word) => word !== "" && !word.includes("="));
  if (wanted.length === 0) return [`"${line}" is not a target of make`];
  const known = await targets(folder);
  return wanted.filter((target) => !known.includes(target)).map((target) =>
    `"${line}": there is no target ${target}`
  );
}

function findInUse(uses: string, { files }: Surroundings): string[] {
  if (uses.startsWith("./")) {
    return files.includes(uses.slice(2)) ? [] : [`${uses} is not there`];
  }
  return PINNED.test(uses) ? [] : [`${uses} names no commit by its hash`];
}

async function findInStep({ uses, run }: Step, around: Surroundings): Promise<string[]> {
  if (typeof uses === "string" && run === undefined) return findInUse(uses, around);
  if (typeof run === "string" && uses === undefined) return await findInCommand(run, around);
  return ["a step has to have either `uses` or `run`"];
}

/** The problems of one workflow. */
export async function checkWorkflow(text: string, around: Surroundings): Promise<string[]> {
  const { permissions, jobs } = await parseYaml(text);
  if (jobs === undefined || Object.keys(jobs).length === 0) return ["there are no jobs"];
  const problems: string[] = [];
  // Without the key a token may write nearly everything.
  if (JSON.stringify(permissions) !== '{"contents":"read"}') {
    problems.push("its `permissions` are not `contents: read`; a job may ask for more");
  }
  for (const [name, job] of Object.entries(jobs)) {
    const found = job.steps === undefined ? await findInStep(job, around) : [];
    for (const step of job.steps ?? []) found.push(...await findInStep(step, around));
    if (job.steps !== undefined && typeof job["timeout-minutes"] !== "number") {
      found.push("it has no `timeout-minutes`");
    }
    const missing = [job.needs ?? []].flat().filter((one) => jobs[one] === undefined);
    found.push(...missing.map((one) => `it needs ${one}, which is no job`));
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  return problems;
}

/** The targets of this checkout's Makefiles. */
async function targetsIn(folder: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/${folder}/Makefile`).catch(() => "");
  return [...text.matchAll(/^([a-z-]+)(?: [a-z -]+)?:(?!=)/gm)].map(([, target]) => target!);
}

async function checkWorkflows(): Promise<string | undefined> {
  const files = await projectFiles();
  const around = { files, targets: targetsIn };
  const paths = files.filter((path) => path.startsWith(".github/workflows/"));
  if (paths.length === 0) return "there is no workflow";
  const problems: string[] = [];
  for (const path of paths) {
    const found = await checkWorkflow(await Deno.readTextFile(`${ROOT}/${path}`), around)
      .catch((error: Error) => [error.message]);
    problems.push(...found.map((problem) => `${path}: ${problem}`));
  }
  return problems.length === 0 ? undefined : problems.join("\n");
}

/** One check for all workflows. */
export const workflowsCheck: Check = {
  name: "the workflows in .github are YAML, and call targets of make",
  run: checkWorkflows,
};
