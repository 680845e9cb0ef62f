// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reads a command line strictly: anything that the usage does not name is a mistake, which one
 * sentence explains.
 *
 * @module
 */

import { parseArgs } from "./deps.ts";

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
