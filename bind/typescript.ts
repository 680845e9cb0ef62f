// SPDX-License-Identifier: BSD-3-Clause
/** Writes the TypeScript module. */

import type { Constant } from "./model.ts";
import type { Direction, Guard, Item, Plan, Property, Shape } from "./plan.ts";
import { PARTS } from "./runtime.ts";

/** A large number is a bit pattern. */
function spell({ value, size }: Constant): string {
  const digits = value < 0x10000n ? `${value}` : `0x${value.toString(16)}`;
  return size === 8 ? `${digits}n` : digits;
}

function documented(indent: string, comment: string): string {
  return comment === "" ? "" : `${indent}/** ${comment.replaceAll("*/", "* /")} */\n`;
}

function isLarge(item: Item): item is Extract<Item, { kind: "integer" }> {
  return item.kind === "integer" && item.size === 8;
}

/** The type of the property in TypeScript. */
function typeOf({ item }: Property, enums: Plan["enums"]): string {
  if (item.kind === "enum") {
    const known = enums.find(({ values }) => values === item.values);
    return known?.class ?? item.values.values.map(({ name }) => `typeof ${name}`).join(" | ");
  }
  if (item.kind === "text") return "string";
  if (item.kind === "bool") return "boolean";
  return isLarge(item) ? "bigint" : "number";
}

/** An expression that reads an integer of at most 32 bits. */
function readSmall(size: number, signed: boolean, big: boolean, at: string): string {
  const read = `this.#source.u${size * 8}(${at})`;
  if (size === 1) return signed ? `(${read} << 24) >> 24` : read;
  if (size === 2) {
    const value = big ? `swap16(${read})` : read;
    return signed ? `(${value} << 16) >> 16` : value;
  }
  if (big) return signed ? `swap32(${read}) | 0` : `swap32(${read})`;
  return signed ? `this.#source.i32(${at})` : read;
}

function readItem(property: Property, enums: Plan["enums"], at: string): string {
  const { item } = property;
  switch (item.kind) {
    case "integer":
      if (item.size < 8) return readSmall(item.size, item.signed, item.big, at);
      if (item.big) return `swap64(this.#source.u64(${at}), ${item.signed})`;
      return `this.#source.${item.signed ? "i" : "u"}64(${at})`;
    case "enum":
      return `(${readSmall(item.size, item.values.signed, false, at)}) as ${
        typeOf(property, enums)
      }`;
    case "float":
      return `this.#source.f${item.size * 8}(${at})`;
    case "bool":
      return `this.#source.u8(${at}) !== 0`;
    case "text":
      return `textOf(this.#source, ${at}, ${item.size})`;
    case "struct":
    case "union":
      return `this.#_${property.name}.at(this.#source, ${at})`;
  }
}

/** An expression with the 64 bits as a number, which is exact up to 2^53. */
function readNumber({ item }: Property, at: string): string {
  const { signed, big } = item as Extract<Item, { kind: "integer" }>;
  const [low, high] = big ? [" + 4", ""] : ["", " + 4"];
  const upper = readSmall(4, signed, big, `${at}${high}`);
  return `(${upper}) * 0x100000000 + ${readSmall(4, false, big, `${at}${low}`)}`;
}

const INDICES = ["index", "index2", "index3", "index4", "index5", "index6", "index7", "index8"];

function indexOf(i: number): string {
  return INDICES[i] ?? `index${i + 1}`;
}

/** Where the property lies: an expression with the indices of its arrays. */
function place({ offset, lengths, item, name }: Property): string {
  let at = offset === 0 ? "this.#at" : `this.#at ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
  let stride = item.size;
  const parts: string[] = [];
  for (let i = lengths.length - 1; i >= 0; i--) {
    parts.unshift(`element(${indexOf(i)}, ${lengths[i]}, "${name}") * ${stride}`);
    stride *= lengths[i]!;
  }
  for (const part of parts) at += ` + ${part}`;
  return at;
}

function parameters({ lengths }: Property): string {
  return lengths.map((_, i) => `${indexOf(i)}: number`).join(", ");
}

function guardAt({ offset }: Guard): string {
  return offset === 0 ? "this.#at" : `this.#at ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
}

function readGuard({ guard, path }: Property): string {
  if (guard === undefined) return "";
  const { values, constant, tag } = guard;
  const read = readSmall(values.size, values.signed, false, guardAt(guard));
  return `    if ((${read}) !== ${constant.name}) {\n` +
    `      throw otherMember("${path}", "${tag}", "${constant.name}");\n    }\n`;
}

function method(property: Property, name: string, type: string, expression: string): string {
  const { lengths, comment } = property;
  const head = lengths.length === 0 ? `get ${name}()` : `${name}(${parameters(property)})`;
  const arrays = lengths.length === 0 ? "" : `[${lengths.join("][")}]`;
  const text = [comment, arrays && `An element of ${arrays}.`].filter((part) => part !== "");
  return `\n${documented("  ", text.join("; "))}  ${head}: ${type} {\n${readGuard(property)}` +
    `    return ${expression};\n  }\n`;
}

function readerMethods(property: Property, enums: Plan["enums"]): string {
  const at = place(property);
  const isInner = property.class !== "";
  const type = isInner ? property.class : typeOf(property, enums);
  const first = method(property, property.name, type, readItem(property, enums, at));
  if (!isLarge(property.item)) return first;
  const comment = "The same as a number, which is exact up to 2^53, and without an allocation.";
  const same = { ...property, comment };
  return first + method(same, `${property.name}Number`, "number", readNumber(property, at));
}

function record({ record }: Shape): string {
  if (record === undefined) return "";
  return `  /** The type of the record that it is. */\n` +
    `  readonly recordType: typeof ${record} = ${record};\n`;
}

function inner(properties: readonly Property[], suffix: string): string {
  return properties.filter((property) => property.class !== "")
    .map((property) => `  readonly #_${property.name} = new ${property.class}${suffix}();\n`).join(
      "",
    );
}

function titleOf({ struct, class: name }: Shape): string {
  return struct.spelling === "" ? `what is in ${name}` : `\`${struct.spelling}\``;
}

function writeReader(shape: Shape, enums: Plan["enums"]): string {
  const { class: name, struct, properties } = shape;
  const offsets = properties.filter(({ offset }) => offset >= 0)
    .map((property) => `    ${property.name}: ${property.offset},\n`).join("");
  const isEmpty = properties.length === 0;
  return `\n/** Reads ${
    titleOf(shape)
  }. One object reads any number of messages, one by one. */\n` +
    `export class ${name} {\n  /** Its size in bytes. */\n  static readonly SIZE = ${struct.size};\n` +
    `  /** Where each field begins, in bytes. */\n` +
    `  static readonly AT = {\n${offsets}  } as const;\n${record(shape)}` +
    (isEmpty ? "" : "  #source: Source = NOTHING;\n  #at = 0;\n") +
    inner(properties, "") +
    `\n  /**\n   * Moves to a struct that begins at \`offset\`, and returns this reader.\n   *\n` +
    `   * @throws {RangeError} If the struct would end beyond the source.\n   */\n` +
    `  at(source: Source, offset = 0): this {\n` +
    `    if (!(offset + ${struct.size} <= source.length)) {\n` +
    `      throw short("${name}", ${struct.size}, offset, source.length);\n    }\n` +
    (isEmpty ? "" : "    this.#source = source;\n    this.#at = offset;\n") +
    `    return this;\n  }\n${
      properties.map((property) => readerMethods(property, enums)).join("")
    }}\n`;
}

function limits(size: number, signed: boolean): readonly [bigint, bigint] {
  const bits = BigInt(size * 8);
  return signed ? [-(1n << bits - 1n), (1n << bits - 1n) - 1n] : [0n, (1n << bits) - 1n];
}

/** A statement that writes an integer. */
function writeInteger(size: number, signed: boolean, big: boolean, at: string, name: string) {
  const [least, most] = limits(size, signed);
  const call = `this.#view.set${size === 8 ? "Big" : ""}${signed ? "Int" : "Uint"}${size * 8}`;
  const value = size === 8
    ? `large(value, ${least}n, ${most}n, "${name}")`
    : `whole(value, ${least}, ${most}, "${name}")`;
  return `${call}(${at}, ${value}${size === 1 ? "" : `, ${!big}`});`;
}

function writeItem({ item, name }: Property, at: string): string {
  switch (item.kind) {
    case "integer":
      return writeInteger(item.size, item.signed, item.big, at, name);
    case "enum":
      return writeInteger(item.size, item.values.signed, false, at, name);
    case "float":
      return `this.#view.setFloat${item.size * 8}(${at}, value, true);`;
    case "bool":
      return `this.#view.setUint8(${at}, value ? 1 : 0);`;
    case "text":
      return `putText(this.#view, ${at}, ${item.size}, value, "${name}");`;
    case "struct":
    case "union":
      return `return this.#_${name}.over(this.#view, ${at});`;
  }
}

/** Writing a member of a union sets its tag. */
function writeGuard({ guard }: Property): string {
  if (guard === undefined) return "";
  const { size, signed } = guard.values;
  const call = `this.#view.set${signed ? "Int" : "Uint"}${size * 8}`;
  return `    ${call}(${guardAt(guard)}, ${guard.constant.name}${size === 1 ? "" : ", true"});\n`;
}

function setter(property: Property, name: string, type: string, statement: string): string {
  const { lengths } = property;
  const upper = name[0]!.toUpperCase() + name.slice(1);
  const head = lengths.length === 0
    ? `set ${name}(value: ${type})`
    : `set${upper}(${parameters(property)}, value: ${type}): void`;
  return `\n${documented("  ", property.comment)}  ${head} {\n${writeGuard(property)}` +
    `    ${statement}\n  }\n`;
}

function writerMethods(property: Property, enums: Plan["enums"]): string {
  const at = place(property);
  const { item, name } = property;
  if (property.class !== "") {
    const { lengths, comment } = property;
    const head = lengths.length === 0 ? `get ${name}()` : `${name}(${parameters(property)})`;
    return `\n${documented("  ", comment)}  ${head}: ${property.class}Writer {\n` +
      `${writeGuard(property)}    ${writeItem(property, at)}\n  }\n`;
  }
  const first = setter(property, name, typeOf(property, enums), writeItem(property, at));
  if (!isLarge(item)) return first;
  const [low, high] = item.big ? [" + 4", ""] : ["", " + 4"];
  const least = item.signed ? "Number.MIN_SAFE_INTEGER" : "0";
  const most = "Number.MAX_SAFE_INTEGER";
  const statement = `whole(value, ${least}, ${most}, "${name}Number");\n` +
    `    this.#view.setUint32(${at}${low}, value >>> 0, ${!item.big});\n` +
    `    this.#view.setInt32(${at}${high}, Math.floor(value / 0x100000000), ${!item.big});`;
  const comment = "The same as a number, without an allocation.";
  return first + setter({ ...property, comment }, `${name}Number`, "number", statement);
}

function writeWriter(shape: Shape, enums: Plan["enums"]): string {
  const { class: name, struct, properties } = shape;
  const { size } = struct;
  const isEmpty = properties.length === 0;
  const [view, at] = isEmpty ? ["_view", "_at"] : ["view", "at"];
  const over = `
  /** Moves to \`at\` of a view, without clearing what is there, and returns this writer. */
  over(${view}: DataView, ${at}: number): this {${
    isEmpty ? "" : "\n    this.#view = view;\n    this.#at = at;"
  }
    return this;
  }
`;
  return `\n/**\n * Writes ${
    titleOf(shape)
  }. One object writes any number of messages, one by one.\n` +
    ` * Don't use it for a reservation that was committed: what lies there is sent.\n */\n` +
    `export class ${name}Writer {\n  /** Its size in bytes. */\n  static readonly SIZE = ${size};\n` +
    record(shape) +
    (isEmpty ? "" : "  #view: DataView = NO_ROOM;\n  #at = 0;\n") + inner(properties, "Writer") +
    `\n  /**\n   * Moves to a struct that begins at \`offset\`, clears it, and returns this writer.\n   *\n` +
    `   * @throws {RangeError} If the struct would end beyond the target.\n   */\n` +
    `  at(target: Target, offset = 0): this {\n` +
    `    const bytes = target instanceof Uint8Array ? target : target.bytes;\n` +
    `    if (!(offset >>> 0 === offset && offset + ${size} <= bytes.length)) {\n` +
    `      throw short("${name}", ${size}, offset, bytes.length);\n    }\n` +
    (isEmpty
      ? ""
      : `    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);\n` +
        `    this.#at = bytes.byteOffset + offset;\n` +
        `    bytes.fill(0, offset, offset + ${size});\n`) +
    `    return this;\n  }\n${over}${
      properties.map((property) => writerMethods(property, enums)).join("")
    }}\n`;
}

function writeDirection({ class: name, toUser, kinds }: Direction): string {
  const side = toUser ? "kernel" : "user";
  const classes = [...new Set(kinds.map(({ shape }) => shape.class))];
  const readers = classes.map((one) => `  readonly #${lower(one)} = new ${one}();\n`).join("");
  const cases = kinds.map(({ constant, shape }) =>
    `      case ${constant.name}:\n        return this.#${lower(shape.class)}.at(message);\n`
  ).join("");
  return `
/** A record that the ${side} sends. Its \`recordType\` shows which one it is. */
export type ${name}Record = ${classes.join(" | ")};

/** Reads each record that the ${side} sends. */
export class ${name} {
${readers}
  /**
   * Returns a reader of the message, by its type. The next call may return the same object.
   *
   * @throws {RangeError} If there is no record of this type, or the message is too short.
   * @throws {KupError} \`"gap"\` if the message is a gap: look at \`message.gap\` first.
   */
  read(message: Source & { readonly type: number; readonly gap?: unknown }): ${name}Record {
    if (message.gap !== undefined) message.u8(0); // throws
    switch (message.type) {
${cases}    }
    throw unknownType("${name}", message.type);
  }
}
`;
}

function lower(name: string): string {
  return name[0]!.toLowerCase() + name.slice(1);
}

const SWAPS = `
function swap16(value: number): number {
  return (value & 0xff) << 8 | value >> 8;
}

function swap32(value: number): number {
  return (swap16(value & 0xffff) << 16 | swap16(value >>> 16)) >>> 0;
}

function swap64(value: bigint, signed: boolean): bigint {
  const low = BigInt(swap32(Number(value >> 32n)));
  const all = BigInt(swap32(Number(value & 0xffffffffn))) << 32n | low;
  return signed ? BigInt.asIntN(64, all) : all;
}
`;

/** The functions of SWAPS that the text needs, directly or by another one. */
function swaps(text: string): string {
  const parts = SWAPS.split(/(?=\nfunction )/);
  const needed: string[] = [];
  for (const part of parts.reverse()) {
    const name = part.match(/function (\w+)/)?.[1];
    if (name !== undefined && (text + needed.join("")).includes(`${name}(`)) needed.unshift(part);
  }
  return needed.join("");
}

/** The line with the licence, if the header has one. */
export function licence(text: string): string {
  return text.match(/SPDX-License-Identifier: ([\w .()-]+?)\s*(?:\*\/)?$/m)?.[1] ?? "";
}

/** Returns the text of the module. \`source\` is the header's name. */
export function writeTypeScript(plan: Plan, source: string, command: string): string {
  const spdx = licence(plan.header.text);
  const head = (spdx === "" ? "" : `// SPDX-License-Identifier: ${spdx}\n`) +
    `// Generated from ${source} by \`${command}\`. Do not edit.\n` +
    "// deno-fmt-ignore-file\n// deno-lint-ignore-file\n" +
    `\n/**\n * The messages that ${source} declares: readers, writers and constants.\n *\n * @module\n */\n\n`;
  const constants = plan.constants.map((constant) =>
    `${documented("", constant.comment)}export const ${constant.name} = ${spell(constant)};\n`
  ).join("");
  const enums = plan.enums.map(({ class: name, values }) =>
    `\n/** A value of \`${values.spelling}\`. */\nexport type ${name} = ${
      values.values.map(({ name }) => `typeof ${name}`).join(" | ")
    };\n`
  ).join("");
  const shapes = plan.shapes.map((shape) =>
    writeReader(shape, plan.enums) + writeWriter(shape, plan.enums)
  ).join("");
  const body = shapes + plan.directions.map(writeDirection).join("");
  const parts = PARTS.filter(({ needs }) => body.includes(needs)).map(({ text }) => text).join("");
  return head + constants + enums + parts + swaps(body) + body;
}
