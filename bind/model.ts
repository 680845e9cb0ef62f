// SPDX-License-Identifier: BSD-3-Clause
/** What a header declares, as the compiler lays it out. Sizes and offsets are in bytes. */

/** A type of a field. */
export type Type =
  | { readonly kind: "integer"; readonly size: number; readonly signed: boolean; big: boolean }
  | { readonly kind: "float"; readonly size: number }
  | { readonly kind: "bool"; readonly size: 1 }
  /** An array of char, which contains text that ends with a NUL. */
  | { readonly kind: "text"; readonly size: number }
  | { readonly kind: "enum"; readonly size: number; readonly values: Enum }
  | { readonly kind: "struct"; readonly size: number; readonly struct: Struct }
  | { readonly kind: "union"; readonly size: number; readonly struct: Struct }
  | Sequence;

/** An array. */
export interface Sequence {
  readonly kind: "array";
  readonly size: number;
  readonly count: number;
  readonly element: Type;
}

/** A field of a struct, or a member of a union. The name of an anonymous one is empty. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: Type;
  readonly comment: string;
}

/** A struct or a union. */
export interface Struct {
  /** Its tag, or the name of the typedef of a struct without a tag; empty for an anonymous one. */
  readonly name: string;
  /** How C names it: `struct name`, or the typedef's name. */
  readonly spelling: string;
  readonly isUnion: boolean;
  readonly size: number;
  readonly fields: readonly Field[];
}

/** A named number: a macro, or a value of an enum. */
export interface Constant {
  readonly name: string;
  readonly value: bigint;
  /** The size of its type. */
  readonly size: number;
  readonly comment: string;
}

/** An enum. */
export interface Enum {
  /** Its tag, or its typedef's name; empty for an anonymous one. */
  readonly name: string;
  readonly spelling: string;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly Constant[];
}

/** What a header declares itself, without what it includes. */
export interface Header {
  readonly path: string;
  /** Its text. */
  readonly text: string;
  /** Whether a file may include it twice. */
  readonly canRepeat: boolean;
  /** The macros that are integers. */
  readonly macros: readonly Constant[];
  /** The macros with a content that is none. */
  readonly others: readonly string[];
  readonly enums: readonly Enum[];
  readonly structs: readonly Struct[];
}

/** A reserved field: zero on the way to the kernel, and invisible in TypeScript. */
export function isReserved(name: string): boolean {
  return /^_*(pad|padding|reserved)_*\d*$/.test(name);
}
