// SPDX-License-Identifier: BSD-3-Clause
/**
 * A command line that is read strictly: examples, benchmarks and test runners share it. `--help`
 * prints the usage and exits with 0. Anything that the usage does not name is a mistake: one
 * sentence and the usage go to standard error, and the exit status is 2.
 */

import { parseArgs } from "../deps.ts";
import { HarnessError } from "../harness/error.ts";

/** What a program takes. */
export interface Usage {
  /** What `--help` prints. It also follows the sentence that names a mistake. */
  readonly text: string;
  /** The options that take a value, without their dashes. */
  readonly values?: readonly string[];
  /** The options that are either given or not, without their dashes. */
  readonly flags?: readonly string[];
  /**
   * The largest number of other words.
   *
   * @default {0}
   */
  readonly words?: number;
}

/** The numbers that an option accepts. */
export interface NumberOption {
  /** The number when the option is not given. */
  readonly otherwise: number;
  readonly least: number;
  readonly most: number;
}

/** A mistake in a command line; the message is one sentence. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/**
 * A mistake in a setting that a person gives in another place than this program's command line,
 * such as make's; the usage would be of no help.
 */
export class SettingError extends UsageError {
  override readonly name = "SettingError";
}

/** A command line without mistakes. */
export class CommandLine {
  readonly #parsed: Readonly<Record<string, unknown>>;
  /** Everything that is not an option, in order. */
  readonly words: readonly string[];
  /** Whether the usage was asked for. */
  readonly help: boolean;

  /** @throws {UsageError} when the arguments hold something that the usage does not name. */
  constructor(args: readonly string[], { values = [], flags = [], words = 0 }: Usage) {
    const parsed = parseArgs([...args], { string: [...values], boolean: [...flags, "help"] });
    this.#parsed = parsed;
    this.words = parsed._.map(String);
    this.help = parsed.help === true || this.#parsed.h === true;
    if (this.help) return;
    const known: readonly string[] = ["_", "help", ...values, ...flags];
    const unknown = Object.keys(parsed).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new UsageError(`There is no option ${unknown.length === 1 ? "-" : "--"}${unknown}.`);
    }
    const empty = values.find((name) => this.#parsed[name] === "");
    if (empty !== undefined) throw new UsageError(`--${empty} needs a value.`);
    if (this.words.includes("")) throw new UsageError("An argument is empty.");
    const extra = this.words[words];
    if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many.`);
  }

  /** Returns whether an option without a value is given. */
  flag(name: string): boolean {
    return this.#parsed[name] === true;
  }

  /** Returns an option's value, or nothing when it is not given. */
  value(name: string): string | undefined {
    const value = this.#parsed[name];
    return value === undefined ? undefined : String(value);
  }

  /**
   * Returns an option's value as a number.
   *
   * @throws {UsageError} when the value is not a decimal number between the limits.
   */
  number(name: string, { otherwise, least, most }: NumberOption): number {
    const value = this.value(name);
    if (value === undefined) return otherwise;
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(`--${name} takes a number from ${least} to ${most}, not "${value}".`);
  }
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
