// SPDX-License-Identifier: BSD-3-Clause
/**
 * The sections of an object file: ELF with 64 bits and little-endian, which is what the compilers
 * of all machines that KUP runs on write. Relocations are applied, as a linker would do it.
 */

import { BindError } from "./mistake.ts";

/** The relocations that store an address as it is: their numbers with 32 and with 64 bits. */
const ABSOLUTE: Readonly<Record<number, readonly [bits32: number, bits64: number]>> = {
  62: [10, 1], // x86_64: R_X86_64_32, R_X86_64_64
  183: [258, 257], // aarch64: R_AARCH64_ABS32, R_AARCH64_ABS64
};

const RELA = 4;
const SYMBOL_BYTES = 24;
const RELA_BYTES = 24;
const SECTION_BYTES = 64;

interface Section {
  readonly type: number;
  readonly link: number;
  readonly info: number;
  readonly at: number;
  readonly size: number;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The text at `at`, up to its NUL. */
export function textAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(bytes.subarray(at, end < 0 ? bytes.length : end));
}

/** Refuses what KUP does not run on: other machines, and the other byte order. */
function checkMachine(bytes: Uint8Array): readonly [number, number] {
  const data = view(bytes);
  if (bytes.length < 64 || data.getUint32(0) !== 0x7f454c46 || bytes[4] !== 2) {
    throw new BindError("The compiler writes no ELF with 64 bits: give one for Linux by --cc.");
  }
  const kinds = ABSOLUTE[data.getUint16(18, true)];
  if (bytes[5] !== 1 || kinds === undefined) {
    throw new BindError(
      "The compiler's machine is neither x86_64 nor aarch64, on which KUP runs, in little-endian " +
        "order: give another compiler by --cc.",
    );
  }
  return kinds;
}

function readSection(data: DataView, at: number): Section {
  return {
    type: data.getUint32(at + 4, true),
    at: Number(data.getBigUint64(at + 24, true)),
    size: Number(data.getBigUint64(at + 32, true)),
    link: data.getUint32(at + 40, true),
    info: data.getUint32(at + 44, true),
  };
}

/** Reads an object file's sections, by name. */
export function readSections(file: Uint8Array): Map<string, Uint8Array> {
  const [bits32, bits64] = checkMachine(file);
  const data = view(file);
  const first = Number(data.getBigUint64(40, true));
  const sections: Section[] = [];
  for (let i = 0; i < data.getUint16(60, true); i++) {
    sections.push(readSection(data, first + i * SECTION_BYTES));
  }
  const content = ({ at, size }: Section) => file.subarray(at, at + size);
  for (const relocations of sections.filter(({ type }) => type === RELA)) {
    const symbols = view(content(sections[relocations.link]!));
    const target = view(content(sections[relocations.info]!));
    const entries = view(content(relocations));
    for (let at = 0; at < entries.byteLength; at += RELA_BYTES) {
      const symbol = entries.getUint32(at + 12, true) * SYMBOL_BYTES;
      const value = symbols.getBigUint64(symbol + 8, true) + entries.getBigInt64(at + 16, true);
      const place = Number(entries.getBigUint64(at, true));
      const kind = entries.getUint32(at + 8, true);
      if (kind === bits32) target.setUint32(place, Number(BigInt.asUintN(32, value)), true);
      else if (kind === bits64) target.setBigUint64(place, BigInt.asUintN(64, value), true);
    }
  }
  const names = content(sections[data.getUint16(62, true)]!);
  const found = new Map<string, Uint8Array>();
  for (const [i, section] of sections.entries()) {
    const name = textAt(names, data.getUint32(first + i * SECTION_BYTES, true));
    if (section.type !== 0 && section.type !== 8) found.set(name, content(section));
  }
  return found;
}
