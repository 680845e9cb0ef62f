// SPDX-License-Identifier: BSD-3-Clause
/** The harness's commands: `test`, `new` and `folder`. */

import { parseArgs } from "node:util";
import { newProject } from "../template/new.ts";
import { HarnessError } from "./error.ts";
import { abortAtSignals } from "./interrupt.ts";
import { packageFolder } from "./package.ts";
import { CommandError } from "./process.ts";
import { runTestCommand, type TestCommand } from "./test_command.ts";

const USAGE = `usage: kup test [OPTION]... [FOLDER [FILE]...]
       kup new NAME
       kup folder

kup test builds the module in FOLDER (the working directory if not given),
boots a kernel, loads the module and runs the Deno tests in FOLDER there, or
those FILEs. The exit status is 0 if all tests pass and the kernel's log has no
warning, 1 if not, 2 if the command line is wrong.

  --kernel SERIES   6.1, 6.12 (the default), 7.x, debug for a kernel full of
                    detectors, or host for the host driver
  --arch ARCH       amd64 (the default), or arm64, for 6.1 and 6.12
  --filter TEXT     only tests whose names contain TEXT
  --run COMMAND     this shell command instead of the tests
  --module PATH     another module, a folder or a .ko, that is loaded before
  --param NAME=TEXT a parameter of the module
  --share FOLDER    another folder for the guest, at the same path
  --silence SECONDS how long the guest may print nothing; 300 if not given

kup new makes a folder with a module, its messages and its tests.
kup folder prints the path of a folder with KUP's headers.`;

class UsageError extends Error {}

/** Reads the command line of `kup test`. */
function readTest(args: string[]): TestCommand {
  const { values, positionals } = parse(args);
  const [folder = ".", ...files] = positionals;
  const parameters = Object.fromEntries((values.param ?? []).map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw new UsageError(`--param takes NAME=TEXT, not "${pair}".`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
  const { kernel, arch, filter, run, module = [], share = [], silence } = values;
  if (silence !== undefined && !(Number(silence) > 0)) {
    throw new UsageError(`--silence takes a number of seconds above 0, not "${silence}".`);
  }
  return {
    folder,
    files,
    parameters,
    modules: module,
    share,
    ...kernel === undefined ? {} : { kernel },
    ...arch === undefined ? {} : { arch },
    ...filter === undefined ? {} : { filter },
    ...run === undefined ? {} : { run },
    ...silence === undefined ? {} : { silence: Number(silence) * 1000 },
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        kernel: { type: "string" },
        arch: { type: "string" },
        filter: { type: "string" },
        run: { type: "string" },
        module: { type: "string", multiple: true },
        param: { type: "string", multiple: true },
        share: { type: "string", multiple: true },
        silence: { type: "string" },
      },
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.split(". ")[0] + ".");
    throw error;
  }
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  const [command, ...rest] = args;
  if (args.includes("--help") || args.includes("-h")) {
    console.log(USAGE);
    return 0;
  }
  if (command === "test") return await runTestCommand(readTest(rest), { signal });
  if (command === "folder" && rest.length === 0) {
    console.log(await packageFolder());
    return 0;
  }
  const [name] = rest;
  if (command === "new" && name !== undefined && rest.length === 1) {
    console.log(await newProject(name));
    return 0;
  }
  throw new UsageError("A command is missing, or has the wrong arguments.");
}

/** Runs a command line, and ends the process with its exit status. */
export async function main(args: readonly string[]): Promise<never> {
  const signal = abortAtSignals();
  try {
    Deno.exit(await run(args, signal));
  } catch (error) {
    const known = error instanceof HarnessError || error instanceof CommandError;
    if (!known && !(error instanceof UsageError)) throw error;
    console.error(`error: ${error.message}`);
    if (error instanceof UsageError) console.error(`\n${USAGE}`);
    const wrong = error instanceof UsageError ||
      error instanceof HarnessError && error.code === "setting";
    Deno.exit(wrong ? 2 : 1);
  }
}
