// SPDX-License-Identifier: BSD-3-Clause
/**
 * Boots a Debian kernel in QEMU with the modules loaded, and does one thing in it:
 *
 *     deno run -A tests/vm/main.ts --kernel 6.12 --shell
 *     deno run -A tests/vm/main.ts --kernel 6.12 --module FOLDER --run "command"
 *     deno run -A tests/vm/main.ts --kernel 6.12 --test --filter TEXT
 */

import { type CommandLine, UsageError, withUsage } from "../../scripts/usage.ts";
import { HarnessError } from "../../harness/error.ts";
import { checkSeries, fetchKernel } from "../../harness/kernel.ts";
import { readModuleFolder } from "../../harness/module.ts";
import { guestLimits } from "../../harness/silence.ts";
import { ROOT } from "../lib/paths.ts";
import { CommandError } from "../lib/process.ts";
import { allTestFiles, type Job } from "./job.ts";
import { buildModules, buildOwnModule, type BuiltModule } from "./modules.ts";
import { type Judgement, runGuest } from "./session.ts";

const USAGE = {
  text: `usage: tests/vm/main.ts [--kernel SERIES] [--module FOLDER] [--quiet]
                        (--shell | --run COMMAND | --test [--filter TEXT])

Boots a Debian kernel in QEMU with KUP's modules loaded, and does one thing in it.

  --kernel SERIES    6.1, 6.12, 7.x, or debug for the debug kernel; 6.12 if not given
  --module FOLDER    a module of one's own: it is built, and loaded unless COMMAND has "insmod"; its
                     folder is in the guest, in the same place, and COMMAND is run there
  --quiet            show the command's own output only, unless something is wrong
  --shell            a shell, which Ctrl-A X quits
  --run COMMAND      one shell command
  --test             the kernel tests and the conformance suite
  --filter TEXT      only those tests whose names hold TEXT; --test TEXT is the same

VM_SILENCE=SECONDS in the environment is how long a guest may print nothing before it is ended; 300
if it is not set. A shell has no limit. KUP_SECONDS=SECONDS is how long a test lasts in which
channels and modules come and go; 3 if it is not set.`,
  values: ["kernel", "module", "run", "filter"],
  flags: ["quiet", "shell", "test"],
  words: 1,
};

/** How much of a kernel log is shown after a failure; the file has the rest. */
const LOG_LINES = 60;

async function chooseJob(line: CommandLine): Promise<Job> {
  const command = line.value("run");
  const filter = line.value("filter") ?? line.words[0];
  const chosen = [line.flag("shell"), line.flag("test"), command !== undefined];
  if (chosen.filter(Boolean).length !== 1) {
    throw new UsageError("One of --shell, --run and --test is needed.");
  }
  if (filter !== undefined && !line.flag("test")) {
    throw new UsageError(`"${filter}" is for --test only.`);
  }
  if (command !== undefined) return { kind: "command", command };
  if (!line.flag("test")) return { kind: "shell" };
  return { kind: "tests", files: await allTestFiles(), filter: filter ?? "" };
}

async function report(judgement: Judgement, quiet: boolean): Promise<number> {
  const failed = judgement.tests.filter((test) => test.outcome === "failed");
  if (judgement.problems.length === 0 && failed.length === 0) {
    const passed = judgement.tests.filter((test) => test.outcome === "passed").length;
    const tests = judgement.tests.length === 0 ? "" : `, tests passed: ${passed}`;
    if (!quiet) console.error(`vm: all is well after ${judgement.seconds.toFixed(1)} s${tests}`);
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

/** Wrong settings are found before anything is fetched or built. */
async function prepare(line: CommandLine) {
  const series = line.value("kernel") ?? "6.12";
  checkSeries(series);
  const job = await chooseJob(line);
  guestLimits(Deno.env.get("VM_SILENCE"));
  const folder = line.value("module");
  if (folder === undefined) return { series, job, source: undefined };
  // A relative path begins at the top of the checkout.
  const path = folder.startsWith("/") ? folder : `${ROOT}/${folder}`;
  return { series, job, source: await readModuleFolder(path) };
}

async function main(line: CommandLine): Promise<number> {
  const { series, job, source } = await prepare(line);
  const quiet = line.flag("quiet");
  const say = quiet ? () => {} : (text: string) => console.error(`vm: ${text}`);

  say(`getting Linux ${series}`);
  const kernel = await fetchKernel(series);
  say(`building for ${kernel.release}`);
  const build = await buildModules(kernel);
  if (!build.ok) {
    console.error(`${build.output}\nvm: the modules don't build without warnings`);
    return 1;
  }
  let own: BuiltModule | undefined;
  if (source !== undefined) own = await buildOwnModule(kernel, source);
  say("booting");
  return await report(await runGuest(kernel, build.modules, job, { own }), quiet);
}

if (import.meta.main) {
  try {
    Deno.exit(await withUsage(USAGE, main));
  } catch (error) {
    // The output of another program is more useful than the stack here.
    if (!(error instanceof CommandError || error instanceof HarnessError)) throw error;
    console.error(`vm: ${error.message}`);
    Deno.exit(1);
  }
}
