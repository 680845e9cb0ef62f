// SPDX-License-Identifier: BSD-3-Clause
/** Reads what a header declares, from the debugging information that a compiler writes. */

import { Compiler, type CompilerOptions, type Computed } from "./compiler.ts";
import { AT, type Descriptions, type Entry, TAG } from "./dwarf.ts";
import { BindError } from "./mistake.ts";
import type { Constant, Enum, Field, Header, Struct, Type } from "./model.ts";

/** How DWARF names the kinds of base types: DW_ATE_*. */
const ENCODING = { bool: 2, float: 4, signed: 5, signedChar: 6, unsigned: 7, unsignedChar: 8 };

/** A comment that ends on its first line. Longer ones stay in the header only. */
function trailingComment(line: string): string {
  return line.match(/\/\*\s*(.*?)\s*\*\//)?.[1] ?? line.match(/\/\/\s*(.*)$/)?.[1]?.trim() ?? "";
}

/** Turns descriptions into types. */
class Types {
  readonly #all: Descriptions;
  readonly #lines: readonly string[];
  readonly #header: string;
  readonly #values: ReadonlyMap<string, Computed>;
  readonly #structs = new Map<Entry, Struct>();
  readonly #enums = new Map<Entry, Enum>();

  constructor(
    all: Descriptions,
    header: string,
    text: string,
    values: ReadonlyMap<string, Computed>,
  ) {
    this.#all = all;
    this.#header = header;
    this.#lines = text.split("\n");
    this.#values = values;
  }

  /** The entries outside of all others that the header itself declares. */
  own(): Entry[] {
    return this.#all.top.filter((entry) => this.#isOwn(entry));
  }

  #isOwn({ attributes }: Entry): boolean {
    return this.#all.files.get(Number(attributes.get(AT.declaredFile))) === this.#header;
  }

  /** The comment in the line that declares the entry. */
  #comment(entry: Entry): string {
    if (!this.#isOwn(entry)) return "";
    return trailingComment(this.#lines[Number(entry.attributes.get(AT.declaredLine)) - 1] ?? "");
  }

  /** The comment of a value of an enum or of a macro, in the line that defines it. */
  comment(pattern: RegExp): string {
    return trailingComment(this.#lines.find((line) => pattern.test(line)) ?? "");
  }

  constant(name: string, pattern: RegExp): Constant | undefined {
    const computed = this.#values.get(name);
    return computed && { name, ...computed, comment: this.comment(pattern) };
  }

  enum(entry: Entry, typedef = ""): Enum {
    const known = this.#enums.get(entry);
    if (known !== undefined) return known;
    const tag = String(entry.attributes.get(AT.name) ?? "");
    const values: Constant[] = [];
    for (const child of entry.children) {
      const name = String(child.attributes.get(AT.name));
      const value = this.constant(name, new RegExp(`^\\s*${name}\\b`)) ??
        { name, value: BigInt(Number(child.attributes.get(0x1c))), size: 4, comment: "" };
      values.push(value);
    }
    const read = {
      name: tag || typedef,
      spelling: tag === "" ? typedef : `enum ${tag}`,
      size: Number(entry.attributes.get(AT.byteSize)),
      signed: values.some(({ value }) => value < 0n),
      values,
    };
    this.#enums.set(entry, read);
    return read;
  }

  struct(entry: Entry, typedef = ""): Struct {
    const known = this.#structs.get(entry);
    if (known !== undefined) return known;
    const tag = String(entry.attributes.get(AT.name) ?? "");
    const isUnion = entry.tag === TAG.union;
    const name = tag || typedef;
    const spelling = tag === "" ? typedef : `${isUnion ? "union" : "struct"} ${tag}`;
    const fields = entry.children.filter(({ tag }) => tag === TAG.member)
      .map((member) => this.#field(member, spelling || "an anonymous struct"));
    const size = Number(entry.attributes.get(AT.byteSize) ?? 0);
    const read = { name, spelling, isUnion, size, fields };
    this.#structs.set(entry, read);
    return read;
  }

  #field(member: Entry, inside: string): Field {
    const name = String(member.attributes.get(AT.name) ?? "");
    const place = `field "${name}" in ${inside}`;
    if (member.attributes.has(AT.bitSize)) {
      throw new BindError(
        `The ${place} is a bit field, which has no address: use an integer, and masks for its bits.`,
      );
    }
    const type = this.#type(this.#all.at(member.attributes.get(AT.type)), place);
    const offset = Number(member.attributes.get(AT.memberLocation) ?? 0);
    return { name, offset, type, comment: this.#comment(member) };
  }

  #type(entry: Entry | undefined, place: string, typedef = ""): Type {
    if (entry === undefined) throw pointer(place);
    const size = Number(entry.attributes.get(AT.byteSize) ?? 0);
    const inner = this.#all.at(entry.attributes.get(AT.type));
    switch (entry.tag) {
      case TAG.typedef:
        return this.#named(this.#type(inner, place, nameOf(entry)), nameOf(entry));
      case TAG.const:
      case TAG.volatile:
      case TAG.restrict:
      case TAG.atomic:
        return this.#type(inner, place, typedef);
      case TAG.base:
        return base(entry, size, place);
      case TAG.enumeration:
        return { kind: "enum", size, values: this.enum(entry, typedef) };
      case TAG.structure:
        return { kind: "struct", size, struct: this.struct(entry, typedef) };
      case TAG.union:
        return { kind: "union", size, struct: this.struct(entry, typedef) };
      case TAG.array:
        return this.#array(entry, inner, place);
    }
    throw pointer(place);
  }

  /** `__be32` and the like of Linux are integers in big-endian order. */
  #named(type: Type, name: string): Type {
    if (type.kind !== "integer" || !/^_*be(16|32|64)$/.test(name)) return type;
    return { ...type, big: true };
  }

  #array(entry: Entry, inner: Entry | undefined, place: string): Type {
    let type = this.#type(inner, place);
    const isText = this.#isChar(inner);
    const ranges = entry.children.filter(({ tag }) => tag === TAG.subrange).reverse();
    for (const [i, { attributes }] of ranges.entries()) {
      const last = attributes.get(AT.upperBound);
      const count = Number(attributes.get(AT.count) ?? (last === undefined ? 0 : Number(last) + 1));
      // clang describes `[]` without a count; the count of `[0]` is 0.
      if (!(count > 0 && count < 2 ** 32)) {
        throw new BindError(
          `The ${place} is an array without a length: give it the largest one, such as [256], ` +
            "and a field with the number of elements that are used.",
        );
      }
      if (i === 0 && isText) type = { kind: "text", size: count };
      else type = { kind: "array", size: count * type.size, count, element: type };
    }
    return type;
  }

  /** Whether it is `char`, and no `signed char` or `unsigned char`. */
  #isChar(entry: Entry | undefined): boolean {
    if (entry === undefined) return false;
    if (entry.tag === TAG.base) return nameOf(entry) === "char";
    const isName = entry.tag === TAG.typedef || entry.tag === TAG.const;
    return isName && this.#isChar(this.#all.at(entry.attributes.get(AT.type)));
  }
}

function nameOf(entry: Entry): string {
  return String(entry.attributes.get(AT.name) ?? "");
}

function pointer(place: string): BindError {
  return new BindError(
    `The ${place} is a pointer, which means nothing on the other side: send the bytes it points to.`,
  );
}

function base(entry: Entry, size: number, place: string): Type {
  const encoding = entry.attributes.get(AT.encoding);
  const name = nameOf(entry);
  switch (encoding) {
    case ENCODING.bool:
      if (size === 1) return { kind: "bool", size };
      break;
    case ENCODING.float:
      if (size === 4 || size === 8) return { kind: "float", size };
      break;
    case ENCODING.signed:
    case ENCODING.signedChar:
    case ENCODING.unsigned:
    case ENCODING.unsignedChar: {
      const signed = encoding === ENCODING.signed || encoding === ENCODING.signedChar;
      if (size <= 8) return { kind: "integer", size, signed, big: false };
    }
  }
  throw new BindError(
    `The ${place} is a ${name}, which has no type in TypeScript: use an integer of at most 64 ` +
      "bits, a float or a double.",
  );
}

/** The typedefs that give a struct, union or enum without a tag its name. */
function typedefs(all: Descriptions, own: readonly Entry[]): Map<Entry, string> {
  const names = new Map<Entry, string>();
  for (const entry of own.filter(({ tag }) => tag === TAG.typedef)) {
    const target = all.at(entry.attributes.get(AT.type));
    if (target !== undefined && !target.attributes.has(AT.name)) names.set(target, nameOf(entry));
  }
  return names;
}

/** The path is a part of the files that are written, in a comment and behind #include. */
function checkPath(path: string): void {
  if (!/["\p{Cc}]|\*\//u.test(path)) return;
  throw new BindError(
    `The path ${JSON.stringify(path)} can't stand in a C file: rename the part that has a quote, ` +
      "a control character, or an asterisk at its end.",
  );
}

/**
 * Compiles a header and reads what it declares itself.
 *
 * @throws {BindError} If the file, the compiler or a field is not as it must be.
 */
export async function readHeader(path: string, options: CompilerOptions = {}): Promise<Header> {
  const text = await Deno.readTextFile(path);
  const header = await Deno.realPath(path);
  for (const name of [path, header]) checkPath(name);
  await using compiler = await Compiler.start(header, options);
  const all = await compiler.describe();
  const macros = await compiler.findMacros();
  const plain = new Types(all, header, text, new Map());
  const enumerators = plain.own().filter(({ tag }) => tag === TAG.enumeration)
    .flatMap(({ children }) => children.map(nameOf));
  const values = await compiler.compute([...new Set([...enumerators, ...macros])]);
  const types = new Types(all, header, text, values);
  const own = types.own().filter(({ attributes }) => !attributes.has(AT.declaration));
  const names = typedefs(all, own);
  const constants = macros.filter((name) => !enumerators.includes(name));
  const isNamed = (entry: Entry) => entry.attributes.has(AT.name) || names.has(entry);
  return {
    path: header,
    text,
    canRepeat: await compiler.canRepeat(),
    macros: constants.flatMap((name) =>
      types.constant(name, new RegExp(`^\\s*#\\s*define\\s+${name}\\b`)) ?? []
    ),
    others: constants.filter((name) => !values.has(name)),
    enums: own.filter(({ tag }) => tag === TAG.enumeration)
      .map((entry) => types.enum(entry, names.get(entry))),
    structs: own.filter((entry) =>
      (entry.tag === TAG.structure || entry.tag === TAG.union) && isNamed(entry)
    ).map((entry) => types.struct(entry, names.get(entry))),
  };
}
