// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the examples share, so that each of them shows only its own subject: a strict command line,
 * an end by Ctrl-C, and errors as one sentence. It depends on nothing, so the examples also run
 * from a URL.
 */

import { parseArgs } from "node:util";
import { KupError } from "jsr:@kup/kup@0";

/** What an example takes. */
export interface Usage {
  /** What `--help` prints. */
  readonly text: string;
  /** The options, without their dashes; each takes a value. */
  readonly values?: readonly string[];
  /** The largest number of other words. */
  readonly words: number;
}

/** A mistake in the command line; the message is one sentence. */
export class UsageError extends Error {}

/** Any other error whose message is enough for a person. */
export class Failure extends Error {}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What the person who started the example wants. */
export class CommandLine {
  /** Everything that is not an option, in order. */
  readonly words: readonly string[];
  readonly help: boolean;
  readonly #values: Readonly<Record<string, string | undefined>>;
  readonly #stop = new AbortController();
  readonly #abort = () => {
    this.#stop.abort();
    this.release();
  };

  constructor(args: string[], { values = [], words }: Usage) {
    const valued = values.map((name) => [name, { type: "string" as const }]);
    const options = { help: { type: "boolean" as const, short: "h" } };
    const { tokens } = parseArgs({
      args,
      options: { ...options, ...Object.fromEntries(valued) },
      strict: false,
      tokens: true,
    });
    const given = tokens.flatMap((token) => token.kind === "option" ? [token] : []);
    this.words = tokens.flatMap((token) => token.kind === "positional" ? [token.value] : []);
    this.#values = Object.fromEntries(given.map(({ name, value }) => [name, value]));
    this.help = given.some(({ name }) => name === "help");
    if (this.help) return;
    const unknown = given.find(({ name }) => !values.includes(name));
    if (unknown !== undefined) throw new UsageError(`There is no option ${unknown.rawName}.`);
    const empty = given.find(({ value }) => !value);
    if (empty !== undefined) throw new UsageError(`${empty.rawName} needs a value.`);
    if (this.words.includes("")) throw new UsageError("An argument is empty.");
    const extra = this.words[words];
    if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many.`);
  }

  /**
   * Is aborted by the first Ctrl-C, so that the program can finish; a second one ends the process
   * at once. So does the first one, if the program never reads this property.
   */
  get signal(): AbortSignal {
    const { signal } = this.#stop;
    if (!signal.aborted) { for (const name of SIGNALS) Deno.addSignalListener(name, this.#abort); }
    return signal;
  }

  /** Whether an error only says that the program was ended by Ctrl-C. */
  isStop(error: unknown): boolean {
    return this.#stop.signal.aborted && error === this.#stop.signal.reason;
  }

  /** Lets Ctrl-C end the process again. */
  release(): void {
    for (const name of SIGNALS) Deno.removeSignalListener(name, this.#abort);
  }

  /** Returns an option's value. */
  value(name: string, otherwise: string): string {
    return this.#values[name] ?? otherwise;
  }

  /** Returns an option's value as a number. */
  number(name: string, otherwise: number, [least, most]: readonly [number, number]): number {
    const value = this.value(name, String(otherwise));
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(`--${name} takes a number from ${least} to ${most}, not "${value}".`);
  }
}

/** Errors whose message a person can act on without the place in the program. */
const { NotFound, PermissionDenied, NotCapable } = Deno.errors;
const EXPLAINED = [Failure, KupError, NotFound, PermissionDenied, NotCapable];

/** Prints what a person needs to know about an error, and returns the exit status. */
function explain(error: unknown, usage: Usage): number {
  if (error instanceof UsageError) {
    console.error(`error: ${error.message}\n\n${usage.text}`);
    return 2;
  }
  if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
  console.error(`error: ${(error as Error).message}`);
  return 1;
}

/** Runs an example's `main`. */
export async function program(
  usage: Usage,
  main: (line: CommandLine) => void | Promise<void>,
): Promise<void> {
  let line: CommandLine | undefined;
  try {
    line = new CommandLine(Deno.args, usage);
    if (line.help) console.log(usage.text);
    else await main(line);
  } catch (error) {
    if (!line?.isStop(error)) Deno.exitCode = explain(error, usage);
  } finally {
    line?.release();
  }
}
