// SPDX-License-Identifier: BSD-3-Clause
/**
 * Boots a Debian kernel in QEMU with the modules loaded, and does one thing in it:
 *
 *     deno run -A tests/vm/main.ts --kernel 6.12 --shell
 *     deno run -A tests/vm/main.ts --kernel 6.12 --run "command"
 *     deno run -A tests/vm/main.ts --kernel 6.12 --test [filter]
 *
 * With `--quiet` only the command's own output is shown, unless something is wrong.
 */

import { parseArgs } from "../../deps.ts";
import { CommandError } from "../lib/process.ts";
import { commandJob, type Job, shellJob, testJob } from "./job.ts";
import { fetchKernel } from "./kernel.ts";
import { buildModules } from "./modules.ts";
import { DEFAULT_TIMEOUT_MS, type Judgement, runGuest } from "./session.ts";

const USAGE = `usage: tests/vm/main.ts [--kernel SERIES] [--quiet] [--timeout SECONDS]
                        (--shell | --run COMMAND | --test [FILTER])`;

/** How much of a kernel log is shown when something is wrong; the rest is in the file. */
const LOG_LINES = 60;

function chooseJob(args: { shell: boolean; test: boolean; run?: string }, rest: string): Job {
  if (args.shell) return shellJob();
  if (args.run !== undefined) return commandJob(args.run);
  if (args.test) return testJob(rest);
  console.error(USAGE);
  Deno.exit(2);
}

async function report(judgement: Judgement, quiet: boolean): Promise<number> {
  const failed = judgement.tests.filter((test) => test.outcome === "failed");
  if (judgement.problems.length === 0 && failed.length === 0) {
    if (!quiet) console.error(`vm: all well after ${judgement.seconds.toFixed(1)} s`);
    return 0;
  }
  if (judgement.logMatters) {
    const log = (await Deno.readTextFile(judgement.log)).trimEnd().split("\n");
    console.error(`\nvm: the end of the kernel log (all of it: ${judgement.log})`);
    console.error(log.slice(-LOG_LINES).join("\n"));
  }
  for (const problem of judgement.problems) console.error(`vm: ${problem}`);
  for (const test of failed) console.error(`vm: failed: ${test.name}`);
  return 1;
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["kernel", "run", "timeout"],
    boolean: ["quiet", "shell", "test"],
    default: { kernel: "6.12" },
  });
  const job = chooseJob(
    { shell: args.shell, test: args.test, ...(args.run === undefined ? {} : { run: args.run }) },
    args._.join(" "),
  );
  const say = args.quiet ? () => {} : (text: string) => console.error(`vm: ${text}`);

  const series = args.kernel ?? "";
  say(`getting Linux ${series}`);
  const kernel = await fetchKernel(series);
  say(`building for ${kernel.release}`);
  const build = await buildModules(kernel);
  if (!build.ok) {
    console.error(`${build.output}\nvm: the modules don't build without warnings`);
    return 1;
  }
  say("booting");
  const timeout = args.timeout === undefined ? DEFAULT_TIMEOUT_MS : Number(args.timeout) * 1000;
  return await report(await runGuest(kernel, build.modules, job, timeout), args.quiet);
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    // What another program had to say is worth more than where it was started from.
    if (!(error instanceof CommandError)) throw error;
    console.error(`vm: ${error.message}`);
    Deno.exit(1);
  }
}
