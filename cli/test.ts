// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup test`: builds a module, boots a kernel, and runs the tests beside the module there.
 *
 * @module
 */

import { runTestCommand } from "../harness/test_command.ts";
import type { Command } from "./command.ts";
import { type CommandLine, UsageError } from "./command_line.ts";
import { translate } from "./harness_error.ts";

const USAGE = `usage: kup test [OPTION]... [FOLDER [FILE]...]

Builds the module in FOLDER (the working directory if not given), boots a
kernel, loads the module and runs the Deno tests in FOLDER there, or those
FILEs. The exit status is 0 if all tests pass and the kernel's log has no
warning.

  --kernel SERIES   6.1, 6.12 (the default), 7.x, debug for a kernel full of
                    detectors, or host for the host driver
  --arch ARCH       amd64 (the default), or arm64, for 6.1 and 6.12
  --filter TEXT     only tests whose names contain TEXT
  --run COMMAND     this shell command instead of the tests
  --module PATHS    other modules, folders or .ko files, that are loaded before
  --param NAME=TEXT,...  parameters of the module
  --share FOLDERS   other folders for the guest, at the same paths
  --silence SECONDS how long the guest may print nothing; 300 if not given

PATHS and FOLDERS are separated by commas.`;

/** The parts of an option that may have several, with commas between them. */
function list(line: CommandLine, name: string): string[] {
  return line.value(name)?.split(",") ?? [];
}

function parameter(pair: string): [string, string] {
  const at = pair.indexOf("=");
  if (at < 1) throw new UsageError(`--param takes NAME=TEXT, not "${pair}".`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["kernel", "arch", "filter", "run", "module", "param", "share", "silence"],
    words: 1000,
  },
  run(line, { signal }): Promise<number> {
    const [folder = ".", ...files] = line.words;
    const silence = line.number("silence", { otherwise: 300, least: 1, most: 86_400 });
    const names = ["kernel", "arch", "filter", "run"];
    const given = names.map((name) => [name, line.value(name)]);
    return translate(runTestCommand({
      folder,
      files,
      parameters: Object.fromEntries(list(line, "param").map(parameter)),
      modules: list(line, "module"),
      share: list(line, "share"),
      ...line.value("silence") === undefined ? {} : { silence: silence * 1000 },
      ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    }, { signal }));
  },
};
