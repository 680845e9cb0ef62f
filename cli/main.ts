// SPDX-License-Identifier: BSD-3-Clause
/**
 * Finds the command, runs it, and turns what goes wrong into one sentence and an exit status:
 * 0 it worked, 1 it failed, 2 the command line is wrong, 130 Ctrl-C, 143 SIGTERM.
 *
 * @module
 */

import { abortAtSignals } from "../harness/interrupt.ts";
import { KupError } from "../mod.ts";
import { Failure, Interrupted, reasonOf } from "./command.ts";
import { CommandLine, UsageError } from "./command_line.ts";
import { COMMANDS, type Entry } from "./commands.ts";
import { bold, setColorEnabled } from "./deps.ts";
import { oneLine, OutputClosed, print, warn } from "./output.ts";

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) =>
    `  ${bold(name.padEnd(width))}  ${summary}`
  );
  return `usage: kup COMMAND [OPTION]...

${lines.join("\n")}

\`kup COMMAND --help\` describes a command. A device is /dev/NAME, or
host:NAME or host:FILE.so for one of the host driver. The exit status
is 0 if it worked, 1 if it failed, 2 if the command line is wrong.`;
}

function findCommand(name: string): ReturnType<Entry["load"]> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry !== undefined) return entry.load();
  throw new UsageError(
    `There is no command "${name}"; the commands are ${Object.keys(COMMANDS).join(", ")}.`,
  );
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError("A command is missing; `kup --help` lists them.");
  if (name === "help" && rest[0] !== undefined) return await run([rest[0], "--help"], signal);
  if (name === "--version" || name === "-V") return await run(["version", ...rest], signal);
  if (name === "--help" || name === "-h" || name === "help") {
    print(overview());
    return 0;
  }
  const loaded = await findCommand(name);
  if ("bind" in loaded) return await loaded.bind(rest);
  const { command } = loaded;
  const line = new CommandLine(rest, command.usage);
  if (line.help) {
    print(command.usage.text.trimEnd());
    return 0;
  }
  if (line.words.length < (command.least ?? 0)) {
    throw new UsageError(`An argument is missing; \`kup ${name} --help\` describes them.`);
  }
  return await command.run(line, { signal }) ?? 0;
}

/** What an error means for a person, or undefined if it is a fault of this program. */
function explain(error: unknown): string | undefined {
  if (error instanceof KupError) {
    const message = oneLine(error.message);
    if (error.code === "not-a-device") {
      const isFile = /host:.*\.so: /.test(message);
      const advice = isFile ? "`kup modinfo` describes such files" : "`kup list` finds the devices";
      return `${message} ${advice}.`;
    }
    if (error.code === "busy") return `${message} (\`--wait\` waits for a free channel.)`;
    return message;
  }
  if (error instanceof Failure) return error.message;
  if (error instanceof Deno.errors.NotCapable) {
    const [, , flag] = /^Requires (.*), run again with the (--allow-\w+)/.exec(error.message) ?? [];
    return `Deno does not permit this; run it with ${
      flag === "--allow-all" ? "-A" : flag ?? "-A"
    }.`;
  }
  // The library's sentence about a value that is wrong for this device, such as a long message.
  if (error instanceof RangeError || error instanceof TypeError) {
    return error.message.endsWith(".") ? error.message : undefined;
  }
  const ofSystem = error instanceof Error && / \(os error \d+\)/.test(error.message);
  return ofSystem ? `The system refuses it: ${reasonOf(error)}.` : undefined;
}

/** The exit status of what a command has thrown. */
function refuse(error: unknown, command: string): number {
  if (error instanceof OutputClosed) return 0;
  if (error instanceof Interrupted) return error.status;
  if (error instanceof UsageError) {
    warn(`kup: ${error.message}`);
    return 2;
  }
  const sentence = explain(error);
  if (sentence === undefined) throw error;
  warn(`kup ${command}: ${sentence}`);
  return 1;
}

/**
 * Runs a command line, and ends the process.
 *
 * @param args Without the program's name.
 */
export async function main(args: readonly string[]): Promise<never> {
  setColorEnabled(Deno.stdout.isTerminal());
  const signal = abortAtSignals();
  let status: number;
  try {
    status = await run(args, signal);
  } catch (error) {
    status = refuse(error, args[0] ?? "");
  }
  Deno.exit(status);
}
