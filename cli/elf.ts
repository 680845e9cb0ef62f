// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reads what a client module's file says about itself, without loading it: ELF, 64 bits,
 * little-endian. Every offset of the file is checked, since reads beyond it throw a RangeError.
 *
 * @module
 */

import { Failure } from "./command.ts";

interface Section {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

const SYMBOL_TABLES: readonly number[] = [2, 11];
const RELOCATIONS = 4;
const NO_BITS = 8;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;
const MACHINES: Readonly<Record<number, string>> = { 62: "x86_64", 183: "aarch64", 243: "riscv64" };
/** R_X86_64_RELATIVE, R_AARCH64_RELATIVE: the addend is the value. */
const RELATIVE: readonly number[] = [8, 1027];

/** One file. */
export class Elf {
  readonly machine: string;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #sections: readonly Section[];
  readonly #relocations = new Map<number, number>();

  /** @throws {Failure} If it is not such a file. */
  constructor(bytes: Uint8Array<ArrayBuffer>, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isElf = bytes.length >= 64 && this.#view.getUint32(0) === 0x7f454c46;
    if (!isElf || bytes[4] !== 2 || bytes[5] !== 1) {
      throw new Failure(
        `${path} is not a module: name a .ko, or a .so that was built for the host driver.`,
      );
    }
    const machine = this.#view.getUint16(18, true);
    this.machine = MACHINES[machine] ?? `machine ${machine}`;
    this.#sections = this.#readSections();
    this.#readRelocations();
  }

  #number(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  #readSections(): Section[] {
    const begin = this.#number(40);
    const [size, count, names] = [58, 60, 62].map((at) => this.#view.getUint16(at, true));
    const headers = Array.from({ length: count! }, (_, index) => begin + index * size!);
    const namesAt = headers[names!] === undefined ? 0 : this.#number(headers[names!]! + 24);
    return headers.map((at) => ({
      name: this.string(namesAt + this.#view.getUint32(at, true)),
      type: this.#view.getUint32(at + 4, true),
      address: this.#number(at + 16),
      offset: this.#number(at + 24),
      size: this.#number(at + 32),
      link: this.#view.getUint32(at + 40, true),
    }));
  }

  #readRelocations(): void {
    for (const { type, offset, size } of this.#sections) {
      if (type !== RELOCATIONS) continue;
      for (let at = offset; at < offset + size; at += RELOCATION_BYTES) {
        const kind = this.#view.getUint32(at + 8, true);
        if (RELATIVE.includes(kind)) this.#relocations.set(this.#number(at), this.#number(at + 16));
      }
    }
  }

  /** A text that ends with NUL, at an offset of the file. */
  string(offset: number): string {
    const end = this.#bytes.indexOf(0, offset);
    if (offset < 0 || end < 0) throw new RangeError("a text beyond the file");
    return new TextDecoder().decode(this.#bytes.subarray(offset, end));
  }

  /** A section's bytes, and where it is loaded. */
  section(name: string): { bytes: Uint8Array; address: number; size: number } | undefined {
    const found = this.#sections.find((one) => one.name === name);
    if (found === undefined) return undefined;
    const { offset, size, address } = found;
    return { bytes: this.#bytes.subarray(offset, offset + size), address, size };
  }

  /** The address of a symbol. */
  symbol(name: string): number | undefined {
    for (const { type, offset, size, link } of this.#sections) {
      if (!SYMBOL_TABLES.includes(type)) continue;
      const names = this.#sections[link]?.offset ?? 0;
      for (let at = offset; at < offset + size; at += SYMBOL_BYTES) {
        const [nameAt, section] = [
          this.#view.getUint32(at, true),
          this.#view.getUint16(at + 6, true),
        ];
        if (section !== 0 && this.string(names + nameAt) === name) return this.#number(at + 8);
      }
    }
    return undefined;
  }

  #offsetOf(address: number): number {
    const section = this.#sections.find((one) =>
      one.type !== NO_BITS && one.address !== 0 && address >= one.address &&
      address < one.address + one.size
    );
    if (section === undefined) throw new RangeError("an address beyond the file");
    return section.offset + address - section.address;
  }

  /** A number of 32 bits in memory. */
  u32(address: number): number {
    return this.#view.getUint32(this.#offsetOf(address), true);
  }

  /** A pointer in memory, as the loader will set it. 0: NULL, or a symbol of another file. */
  pointer(address: number): number {
    return this.#relocations.get(address) ?? this.#number(this.#offsetOf(address));
  }

  /** The text that a pointer in memory leads to. */
  text(address: number): string | undefined {
    const target = this.pointer(address);
    return target === 0 ? undefined : this.string(this.#offsetOf(target));
  }
}
