// SPDX-License-Identifier: BSD-3-Clause
/** Turns C's names into TypeScript's, and refuses those that can't be used there. */

import { BindError } from "./mistake.ts";

/** Words that no constant may be named. */
const WORDS = new Set(
  ("abstract any arguments as async await boolean break case catch class const continue debugger " +
    "declare default delete do else enum eval export extends false finally for function get if " +
    "implements import in infer instanceof interface is keyof let namespace never new null number " +
    "object of package private protected public readonly return set static string super switch " +
    "symbol this throw true try type typeof undefined unknown var void while with yield NaN " +
    "Infinity bigint globalThis").split(" "),
);

/** Names that the generated module needs for itself, or that are JavaScript's everywhere. */
const GLOBALS = new Set(
  ("Array ArrayBuffer ArrayBufferLike ArrayBufferView BigInt Boolean Bytes DataView Date Deno Error " +
    "Function Infinity JSON Map Math NOTHING NO_ROOM Number Object Promise Proxy RangeError " +
    "Reflect RegExp Set SharedArrayBuffer Source String Symbol Target TextDecoder TextEncoder " +
    "TypeError Uint8Array WeakMap WeakSet element large otherMember putText short swap16 swap32 " +
    "swap64 textOf unknownType whole").split(" "),
);

/** What every reader or writer has already. */
const MEMBERS = new Set([
  "at",
  "constructor",
  "over",
  "prototype",
  "recordType",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "toString",
  "valueOf",
]);

function isReservedWord(name: string): boolean {
  return WORDS.has(name) || GLOBALS.has(name);
}

/** `a_name` is `aName`. */
export function camel(name: string): string {
  return name.replace(/(?<=[^_])_+(\w)/g, (_, letter: string) => letter.toUpperCase())
    .replace(/_+$/, "");
}

/** `a_name` is `AName`, and the `a_name_t` of a typedef is, too. */
export function pascal(name: string): string {
  const words = camel(name.replace(/_t$/, "").replace(/^_+/, ""));
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** The name of a constant, which is C's. */
export function checkConstant(name: string): string {
  if (isReservedWord(name)) throw reserved(`constant ${name}`, name);
  return name;
}

/** The name of a struct's class, or of an enum's type. */
export function className(kind: string, name: string): string {
  const result = pascal(name);
  if (isReservedWord(result)) throw reserved(`${kind} ${name}`, result);
  if (!/^[A-Z]\w*$/.test(result)) {
    throw new BindError(
      `The name of ${kind} ${name} gives no name of a class: begin it with a letter.`,
    );
  }
  return result;
}

/** The name of a field's property. */
export function propertyName(name: string, inside: string): string {
  const result = camel(name);
  if (MEMBERS.has(result) || result === "__proto__" || result === "") {
    throw reserved(`field "${name}" in ${inside}`, result);
  }
  return result;
}

function reserved(what: string, name: string): BindError {
  return new BindError(
    `The ${what} would be "${name}" in TypeScript, where that name has a meaning of its own: ` +
      "rename it in the header.",
  );
}

/** Refuses a name that is used twice. */
export class Names {
  readonly #used = new Map<string, string>();
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  add(name: string, what: string): void {
    const other = this.#used.get(name);
    if (other !== undefined) {
      throw new BindError(
        `Both ${other} and ${what} would be "${name}" in ${this.#where}: rename one in the header.`,
      );
    }
    this.#used.set(name, what);
  }
}
