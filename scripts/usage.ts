// SPDX-License-Identifier: BSD-3-Clause
/**
 * A command line that is read strictly: examples, benchmarks and test runners share it. `--help`
 * prints the usage and exits with 0. Anything that the usage does not name is a mistake: one
 * sentence and the usage go to standard error, and the exit status is 2.
 */

import { CommandLine, type Usage, UsageError } from "../cli/command_line.ts";
import { HarnessError } from "../harness/error.ts";

export * from "../cli/command_line.ts";

/**
 * A mistake in a setting that a person gives in another place than this program's command line,
 * such as make's; the usage would be of no help.
 */
export class SettingError extends UsageError {
  override readonly name = "SettingError";
}

function refuse(error: UsageError, usage: Usage): never {
  console.error(`error: ${error.message}`);
  if (!(error instanceof SettingError)) console.error(`\n${usage.text.trimEnd()}`);
  Deno.exit(2);
}

/**
 * Runs a program with the process's command line. The process ends here when the usage is asked
 * for, and when the command line, or `main`, finds a mistake.
 */
export async function withUsage<T>(
  usage: Usage,
  main: (line: CommandLine) => T | Promise<T>,
): Promise<T> {
  try {
    const line = new CommandLine(Deno.args, usage);
    if (!line.help) return await main(line);
  } catch (error) {
    if (error instanceof UsageError) refuse(error, usage);
    if (error instanceof HarnessError && error.code === "setting") {
      refuse(new SettingError(error.message), usage);
    }
    throw error;
  }
  console.log(usage.text.trimEnd());
  Deno.exit(0);
}
