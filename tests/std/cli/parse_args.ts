// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/cli/parse-args` that this project uses, for machines that can't
 * reach JSR. It wraps `node:util`'s parser.
 */

import { parseArgs as parseNodeArgs } from "node:util";

/** What the caller wants to be told about its command line. */
export interface ParseOptions<S extends string, B extends string, C extends string> {
  /** Options that take a value. */
  readonly string?: readonly S[];
  /** Options that are either there or not. */
  readonly boolean?: readonly B[];
  /** Options that may be given more than once; each becomes an array. */
  readonly collect?: readonly C[];
  /** What an option is when it is not given. */
  readonly default?: Readonly<Record<string, unknown>>;
}

/** The options by name, and what was left over as `_`. */
export type Args<S extends string, B extends string, C extends string> =
  & { [name in Exclude<S, C>]: string | undefined }
  & { [name in S & C]: string[] }
  & { [name in B]: boolean }
  & { _: (string | number)[] };

/** Reads a command line. Like std's, it keeps options that it doesn't know instead of failing. */
export function parseArgs<
  S extends string = never,
  B extends string = never,
  C extends string = never,
>(args: readonly string[], options: ParseOptions<S, B, C> = {}): Args<S, B, C> {
  const collected = new Set<string>(options.collect);
  const known: Record<string, { type: "string" | "boolean"; multiple: boolean }> = {};
  for (const name of options.string ?? []) {
    known[name] = { type: "string", multiple: collected.has(name) };
  }
  for (const name of options.boolean ?? []) known[name] = { type: "boolean", multiple: false };

  const { tokens } = parseNodeArgs({
    args: [...args],
    options: known,
    strict: false,
    tokens: true,
  });

  const result: Record<string, unknown> = {};
  for (const name of options.boolean ?? []) result[name] = false;
  for (const name of collected) result[name] = [];
  Object.assign(result, options.default);

  const rest: (string | number)[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") {
      rest.push(asNumber(token.value));
    } else if (token.kind === "option") {
      // An option that wants a value and got none is the empty string, as in std.
      const isString = known[token.name]?.type === "string";
      const value = token.value ?? (isString ? "" : true);
      const before = result[token.name];
      result[token.name] = collected.has(token.name) && Array.isArray(before)
        ? [...before, value]
        : value;
    }
  }
  return { ...result, _: rest } as Args<S, B, C>;
}

/** std gives positional arguments that look like numbers as numbers. */
function asNumber(word: string): string | number {
  return /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/.test(word) ? Number(word) : word;
}
