// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/cli/parse-args` that this project uses, for machines that can't
 * reach JSR. It implements the options `string`, `boolean`, `collect` and `default`.
 */

/** How options are read. */
export interface ParseOptions<S extends string, B extends string, C extends string> {
  /** Options whose values stay strings; without a value they are the empty string. */
  readonly string?: readonly S[];
  /** Options that take no value; they are false when they are not given. */
  readonly boolean?: readonly B[];
  /** Options that may be given more than once; each becomes an array. */
  readonly collect?: readonly C[];
  /** The value of an option that is not given. */
  readonly default?: Readonly<Record<string, unknown>>;
}

/** The options by name, and the remaining arguments as `_`. */
export type Args<S extends string, B extends string, C extends string> =
  & { [name in Exclude<S, C>]: string | undefined }
  & { [name in S & C]: string[] }
  & { [name in B]: boolean }
  & { _: (string | number)[] };

type Tree = Record<string, unknown>;

/** Text that looks like a number becomes one, where no option asks for a string. */
function asNumber(text: string): string | number {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** The value that follows a letter in the same argument; undefined if more letters follow. */
function valueOf(letter: string, rest: string): string | undefined {
  if (rest === "=") return "";
  if (rest === "-") return rest;
  const [, value] = /=(.+)/.exec(rest) ?? [];
  if (/[A-Za-z]/.test(letter) && (value !== undefined || /\d\.?$/.test(rest))) return value ?? rest;
  return /^\W./s.test(rest) ? rest : undefined;
}

/** Names that would reach into the prototypes of the result. */
const FORBIDDEN = ["__proto__", "constructor"];

/** Reads one command line. */
class Reader {
  readonly result: Tree & { _: (string | number)[] } = { _: [] };
  readonly #args: readonly string[];
  readonly #strings: ReadonlySet<string>;
  readonly #booleans: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  #at = 0;

  constructor(args: readonly string[], options: ParseOptions<string, string, string>) {
    this.#args = args;
    this.#strings = new Set(options.string);
    this.#booleans = new Set(options.boolean);
    this.#collected = new Set(options.collect);
  }

  read(): void {
    const end = this.#args.indexOf("--");
    const count = end < 0 ? this.#args.length : end;
    const options = this.#args.slice(0, count);
    for (this.#at = 0; this.#at < count; this.#at++) {
      const arg = options[this.#at]!;
      const next = options[this.#at + 1] ?? "";
      const [, name, value] = /^--(.+?)(?:=(.*))?$/s.exec(arg) ?? [];
      if (name !== undefined) this.#readLong(name, value, next);
      else if (/^-./s.test(arg)) this.#readLetters([...arg.slice(1)], next);
      else this.result._.push(asNumber(arg));
    }
    this.result._.push(...this.#args.slice(count + 1));
  }

  /** `--name=value`, `--name value` or `--name`. */
  #readLong(name: string, value: string | undefined, next: string): void {
    if (value === undefined) this.#readNext(name, next, next.startsWith("-"));
    else this.#set(name, this.#booleans.has(name) ? value !== "false" : value);
  }

  /** `-abc`, `-n5` or `-n=5`; the last letter may have its value in the next argument. */
  #readLetters(letters: string[], next: string): void {
    for (const [index, letter] of letters.entries()) {
      const rest = letters.slice(index + 1).join("");
      if (rest === "") return this.#readNext(letter, next, /^--?[^-]/.test(next));
      const value = valueOf(letter, rest);
      if (value !== undefined) return this.#set(letter, value);
      this.#set(letter, this.#withoutValue(letter));
    }
  }

  /** Takes the next argument as the value if it can be one. */
  #readNext(name: string, next: string, isOption: boolean): void {
    const isValue = next !== "" && !isOption && !this.#booleans.has(name);
    const isAnswer = next === "true" || next === "false";
    if (isValue || isAnswer) this.#at++;
    this.#set(name, isValue ? next : isAnswer ? next === "true" : this.#withoutValue(name));
  }

  #withoutValue(name: string): string | true {
    return this.#strings.has(name) ? "" : true;
  }

  #set(name: string, given: string | boolean): void {
    const value = typeof given === "string" && !this.#strings.has(name) ? asNumber(given) : given;
    const before = this.#collected.has(name) ? [this.#find(name) ?? []].flat() : undefined;
    this.#put(name, before === undefined ? value : [...before, value]);
  }

  /** A name with dots is a path into objects. */
  #put(name: string, value: unknown): void {
    const path = name.split(".");
    if (path.some((part) => FORBIDDEN.includes(part))) return;
    const last = path.pop()!;
    let tree: Tree = this.result;
    for (const part of path) tree = (tree[part] ??= {}) as Tree;
    tree[last] = value;
  }

  #find(name: string): unknown {
    return name.split(".").reduce<unknown>(
      (tree, part) => (tree as Tree | undefined)?.[part],
      this.result,
    );
  }

  /** An option that is not given gets its default, or the empty value of its kind. */
  complete(defaults: Readonly<Record<string, unknown>>): void {
    const empty = (name: string, value: unknown) => this.#collected.has(name) ? [] : value;
    const missing = new Map(Object.entries(defaults));
    for (const name of this.#booleans) {
      if (!missing.has(name)) missing.set(name, empty(name, false));
    }
    for (const name of this.#strings) {
      if (!missing.has(name) && this.#collected.has(name)) missing.set(name, []);
    }
    for (const [name, value] of missing) if (this.#find(name) === undefined) this.#put(name, value);
  }
}

/** Reads a command line. Options that are not declared are kept, as in std. */
export function parseArgs<
  S extends string = never,
  B extends string = never,
  C extends string = never,
>(args: readonly string[], options: ParseOptions<S, B, C> = {}): Args<S, B, C> {
  const reader = new Reader(args, options);
  reader.read();
  reader.complete(options.default ?? {});
  return reader.result as unknown as Args<S, B, C>;
}
