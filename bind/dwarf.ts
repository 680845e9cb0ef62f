// SPDX-License-Identifier: BSD-3-Clause
/**
 * The debugging information of one object file, in DWARF's version 4 with 32 bits, which both gcc
 * and clang write when they are asked for it. Only what describes types is read.
 */

import { readSections, textAt } from "./elf.ts";
import { BindError } from "./mistake.ts";

/** What an entry describes: DW_TAG_*. */
export const TAG = {
  array: 0x01,
  enumeration: 0x04,
  member: 0x0d,
  pointer: 0x0f,
  structure: 0x13,
  typedef: 0x16,
  union: 0x17,
  subrange: 0x21,
  base: 0x24,
  const: 0x26,
  enumerator: 0x28,
  volatile: 0x35,
  restrict: 0x37,
  atomic: 0x47,
} as const;

/** What an attribute of an entry contains: DW_AT_*. */
export const AT = {
  sibling: 0x01,
  name: 0x03,
  byteSize: 0x0b,
  bitSize: 0x0d,
  statements: 0x10,
  compilationFolder: 0x1b,
  upperBound: 0x2f,
  count: 0x37,
  memberLocation: 0x38,
  declaration: 0x3c,
  encoding: 0x3e,
  declaredFile: 0x3a,
  declaredLine: 0x3b,
  type: 0x49,
} as const;

type Value = number | string | boolean | undefined;

/** A description, with the ones inside it. */
export interface Entry {
  readonly tag: number;
  readonly attributes: ReadonlyMap<number, Value>;
  readonly children: Entry[];
}

/** All descriptions of an object file. */
export interface Descriptions {
  /** The ones outside of all others. */
  readonly top: readonly Entry[];
  /** The one that an attribute's value refers to. */
  at(reference: Value): Entry | undefined;
  /** The path of a file by its number. */
  readonly files: ReadonlyMap<number, string>;
}

/** Reads numbers one behind the other. */
class Reader {
  readonly bytes: Uint8Array;
  readonly data: DataView;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = at;
  }

  fixed(size: 1 | 2 | 4 | 8): number {
    const at = this.at;
    this.at += size;
    if (size === 1) return this.data.getUint8(at);
    if (size === 2) return this.data.getUint16(at, true);
    if (size === 4) return this.data.getUint32(at, true);
    return Number(this.data.getBigInt64(at, true));
  }

  /** A number in groups of 7 bits. */
  grouped(signed = false): number {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = this.fixed(1);
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) !== 0) continue;
      if (signed && (byte & 0x40) !== 0) value -= 1n << (shift + 7n);
      return Number(value);
    }
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError("a text beyond the section");
    const text = textAt(this.bytes, this.at);
    this.at = end + 1;
    return text;
  }
}

interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly fields: readonly (readonly [attribute: number, form: number])[];
}

function readAbbreviations(bytes: Uint8Array, at: number): Map<number, Abbreviation> {
  const reader = new Reader(bytes, at);
  const found = new Map<number, Abbreviation>();
  for (let code = reader.grouped(); code !== 0; code = reader.grouped()) {
    const tag = reader.grouped();
    const hasChildren = reader.fixed(1) !== 0;
    const fields: [number, number][] = [];
    for (;;) {
      const attribute = reader.grouped();
      const form = reader.grouped();
      if (attribute === 0 && form === 0) break;
      fields.push([attribute, form]);
    }
    found.set(code, { tag, hasChildren, fields });
  }
  return found;
}

/** Reads one value; blocks are skipped. A reference becomes an offset in the section. */
function readValue(reader: Reader, form: number, unit: number, strings: Uint8Array): Value {
  const skip = (length: number) => {
    reader.at += length;
    return undefined;
  };
  switch (form) {
    case 0x01: // addr
    case 0x07: // data8
    case 0x20: // ref_sig8
      return reader.fixed(8);
    case 0x03:
      return skip(reader.fixed(2)); // block2
    case 0x04:
      return skip(reader.fixed(4)); // block4
    case 0x0a:
      return skip(reader.fixed(1)); // block1
    case 0x09: // block
    case 0x18: // exprloc
      return skip(reader.grouped());
    case 0x05: // data2
      return reader.fixed(2);
    case 0x06: // data4
    case 0x10: // ref_addr
    case 0x17: // sec_offset
      return reader.fixed(4);
    case 0x08: // string
      return reader.text();
    case 0x0b: // data1
      return reader.fixed(1);
    case 0x0c: // flag
      return reader.fixed(1) !== 0;
    case 0x0d: // sdata
      return reader.grouped(true);
    case 0x0e: // strp
      return textAt(strings, reader.fixed(4));
    case 0x0f: // udata
      return reader.grouped();
    case 0x11: // ref1
      return unit + reader.fixed(1);
    case 0x12: // ref2
      return unit + reader.fixed(2);
    case 0x13: // ref4
      return unit + reader.fixed(4);
    case 0x14: // ref8
      return unit + reader.fixed(8);
    case 0x15: // ref_udata
      return unit + reader.grouped();
    case 0x19: // flag_present
      return true;
  }
  throw new BindError(
    `The compiler's debugging information has a form (${form}) that is not known: give another ` +
      "compiler by --cc.",
  );
}

/** Reads one unit's entries; `reader` stands behind the unit's length. */
function readUnit(
  reader: Reader,
  end: number,
  sections: ReadonlyMap<string, Uint8Array>,
  entries: Map<number, Entry>,
): Entry {
  const unit = reader.at - 4;
  if (reader.fixed(2) !== 4) {
    throw new BindError("The compiler does not write DWARF 4: give another compiler by --cc.");
  }
  const abbreviations = readAbbreviations(section(sections, ".debug_abbrev"), reader.fixed(4));
  const strings = sections.get(".debug_str") ?? new Uint8Array();
  reader.at++; // the size of an address
  const root: Entry = { tag: 0, attributes: new Map(), children: [] };
  const parents = [root];
  while (reader.at < end) {
    const at = reader.at;
    const code = reader.grouped();
    if (code === 0) {
      if (parents.length > 1) parents.pop();
      continue;
    }
    const { tag, hasChildren, fields } = abbreviations.get(code)!;
    const attributes = new Map<number, Value>();
    for (const [attribute, form] of fields) {
      attributes.set(attribute, readValue(reader, form, unit, strings));
    }
    const entry = { tag, attributes, children: [] };
    entries.set(at, entry);
    parents.at(-1)!.children.push(entry);
    if (hasChildren) parents.push(entry);
  }
  return root.children[0]!;
}

/** The files' paths, from the tables of folders and of files in front of a line program. */
function readFiles(lines: Uint8Array, at: number, folder: string): Map<number, string> {
  const reader = new Reader(lines, at);
  reader.at += 4; // its length
  if (reader.fixed(2) > 4) {
    throw new BindError("The assembler does not write DWARF 4: give another compiler by --cc.");
  }
  reader.at += 4; // the header's length
  reader.at += 5; // how instructions are encoded
  const opcodes = reader.fixed(1);
  reader.at += opcodes - 1; // how many operands each one has
  const folders = [folder];
  const within = (folder: string, path: string) =>
    path.startsWith("/") ? path : `${folder}/${path}`;
  for (let path = reader.text(); path !== ""; path = reader.text()) {
    folders.push(within(folder, path));
  }
  const files = new Map<number, string>();
  for (let name = reader.text(); name !== ""; name = reader.text()) {
    const inside = folders[reader.grouped()] ?? folder;
    reader.grouped(); // when it was changed
    reader.grouped(); // its length
    files.set(files.size + 1, within(inside, name));
  }
  return files;
}

function section(sections: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const found = sections.get(name);
  if (found !== undefined) return found;
  throw new BindError(
    `The compiler writes no section ${name}: give another compiler, such as gcc or clang, by --cc.`,
  );
}

/** Reads the descriptions in an object file. */
export function readDescriptions(file: Uint8Array): Descriptions {
  const sections = readSections(file);
  const reader = new Reader(section(sections, ".debug_info"));
  const entries = new Map<number, Entry>();
  const top: Entry[] = [];
  let files = new Map<number, string>();
  while (reader.at < reader.bytes.length) {
    const length = reader.fixed(4);
    const end = reader.at + length;
    const unit = readUnit(reader, end, sections, entries);
    reader.at = end;
    top.push(...unit.children);
    const folder = String(unit.attributes.get(AT.compilationFolder) ?? ".");
    const at = Number(unit.attributes.get(AT.statements) ?? 0);
    files = readFiles(section(sections, ".debug_line"), at, folder);
  }
  return { top, files, at: (reference) => entries.get(Number(reference)) };
}
