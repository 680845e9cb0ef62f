// SPDX-License-Identifier: BSD-3-Clause
/**
 * The format of recordings. All numbers are little-endian.
 *
 *     a header of 64 bytes           and then records of 32 bytes, each with its payload
 *      0  "KUPREC1\n"                 0  u32  the payload's length
 *      8  u32  0x01020304             4  u32  kind: 1 received, 2 sent, 3 gap
 *     12  u32  version: 1             8  u32  the message's type
 *     16  u32  bytes before records  12  u32  the processor that sent it
 *     20  u32  mode: 1 stream, 2 turn, 3 call
 *     24  u32  features: 1 stamps    16  i64  nanoseconds since the recording began
 *     28  u32  ABI version           24  u32  the message's number
 *     32  u32  ring to the user      28  u32  flags: 1 time, number and processor are the stamp's
 *     36  u32  ring to the kernel    32  the payload, and zeros up to a multiple of 8
 *     40  f64  milliseconds since 1970 when the recording began
 *     48  u32  channel
 *     52  u32  the name's length
 *     56  8 zeros
 *     64  the device's name in UTF-8, and zeros up to a multiple of 8
 *
 * A gap's payload is two u64: how many messages are missing there, and their bytes. A reader skips
 * records of a kind that it does not know. The version changes when old readers can't do that.
 *
 * @module
 */

import type { RingBytes } from "../mod.ts";
import { Failure, reasonOf } from "./command.ts";

const MAGIC = "KUPREC1\n";
const BYTE_ORDER = 0x01020304;
const VERSION = 1;
const HEADER = 64;
const RECORD = 32;
export const FEATURE_STAMPS = 1;
/** Where the features stand: a writer may learn of them later. */
export const FEATURES_AT = 24;
const FLAG_STAMP = 1;
const MODES = ["stream", "turn", "call"] as const;

/** A longer payload, or name, is not a recording's. */
const MOST_PAYLOAD = 2 ** 30;
const MOST_NAME = 4096;

/** What a recording knows of its device. */
export interface Head {
  readonly name: string;
  readonly mode: typeof MODES[number];
  readonly stamps: boolean;
  readonly abiVersion: number;
  readonly ringBytes: RingBytes;
  readonly channel: number;
  readonly began: number;
}

/** One message, or gap. */
export interface Recorded {
  readonly kind: "received" | "sent" | "gap";
  readonly type: number;
  readonly nanoseconds: bigint;
  readonly bytes: Uint8Array;
  /** Set if the message has a stamp. */
  readonly stamp?: { readonly cpu: number; readonly sequence: number } | undefined;
}

const KINDS: readonly Recorded["kind"][] = ["received", "sent", "gap"];

function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/** The bytes of a recording's beginning. */
export function encodeHead(head: Head): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(head.name);
  const bytes = new Uint8Array(HEADER + padded(name.length));
  const view = new DataView(bytes.buffer);
  new TextEncoder().encodeInto(MAGIC, bytes);
  const words = [
    BYTE_ORDER,
    VERSION,
    bytes.length,
    MODES.indexOf(head.mode) + 1,
    head.stamps ? FEATURE_STAMPS : 0,
    head.abiVersion,
    head.ringBytes.toUser,
    head.ringBytes.toKernel,
  ];
  words.forEach((word, index) => view.setUint32(8 + 4 * index, word, true));
  view.setFloat64(40, head.began, true);
  view.setUint32(48, head.channel, true);
  view.setUint32(52, name.length, true);
  bytes.set(name, HEADER);
  return bytes;
}

/** The bytes of one record. */
export function encodeRecord(record: Recorded): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD + padded(record.bytes.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, record.bytes.length, true);
  view.setUint32(4, KINDS.indexOf(record.kind) + 1, true);
  view.setUint32(8, record.type, true);
  view.setUint32(12, record.stamp?.cpu ?? 0, true);
  view.setBigInt64(16, record.nanoseconds, true);
  view.setUint32(24, record.stamp?.sequence ?? 0, true);
  view.setUint32(28, record.stamp === undefined ? 0 : FLAG_STAMP, true);
  bytes.set(record.bytes, RECORD);
  return bytes;
}

/** A gap's payload. */
export function encodeGap(records: number, bytes: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(16);
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(records), true);
  view.setBigUint64(8, BigInt(bytes), true);
  return payload;
}

/** @throws {Failure} If it is no gap's payload. */
export function decodeGap(payload: Uint8Array): { records: number; bytes: number } {
  if (payload.length < 16) throw new Failure("The recording is damaged: a gap has no counts.");
  const view = new DataView(payload.buffer, payload.byteOffset);
  const count = (at: number) => Number(view.getBigUint64(at, true));
  return { records: count(0), bytes: count(8) };
}

/** Reads a recording from a file, piece by piece. */
export class Reader implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  #count = 0;

  /** @throws What Deno throws if the file can't be read. */
  constructor(path: string) {
    this.#path = path;
    this.#file = Deno.openSync(path);
    if (!this.#file.statSync().isDirectory) return;
    this.#file.close();
    throw new Failure(`${path} is a folder; name a file that \`kup record\` has written.`);
  }

  /** @returns As many bytes as there are, up to `length`. */
  #read(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const count = this.#readSome(bytes.subarray(at));
      if (count === null) break;
      at += count;
    }
    return bytes.subarray(0, at);
  }

  #readSome(bytes: Uint8Array): number | null {
    try {
      return this.#file.readSync(bytes);
    } catch (cause) {
      const reason = reasonOf(cause);
      throw new Failure(`${this.#path} can't be read; name another file (${reason}).`, { cause });
    }
  }

  /** @throws {Failure} If the file is not a recording. */
  head(): Head {
    const bytes = this.#read(HEADER);
    const view = new DataView(bytes.buffer);
    if (bytes.length < HEADER || new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) {
      throw new Failure(`${this.#path} is not a recording of \`kup record\`.`);
    }
    const word = (at: number) => view.getUint32(at, true);
    if (word(8) !== BYTE_ORDER) {
      throw new Failure(`${this.#path} was written in another byte order; convert it first.`);
    }
    const mode = MODES[word(20) - 1];
    if (word(12) !== VERSION || mode === undefined) {
      throw new Failure(`${this.#path} has version ${word(12)} of the format; update kup.`);
    }
    const [length, begin] = [word(52), word(16)];
    if (length > MOST_NAME || begin < HEADER + length || begin > HEADER + 2 * MOST_NAME) {
      throw this.#damaged();
    }
    const name = this.#read(begin - HEADER);
    if (name.length < begin - HEADER) throw this.#damaged();
    return {
      name: new TextDecoder().decode(name.subarray(0, length)),
      mode,
      stamps: (word(24) & FEATURE_STAMPS) !== 0,
      abiVersion: word(28),
      ringBytes: { toUser: word(32), toKernel: word(36) },
      channel: word(48),
      began: view.getFloat64(40, true),
    };
  }

  /**
   * @returns The next record; undefined at the end.
   * @throws {Failure} If the file ends inside it.
   */
  next(): Recorded | undefined {
    for (;;) {
      const header = this.#read(RECORD);
      if (header.length === 0) return undefined;
      if (header.length < RECORD) throw this.#damaged();
      const view = new DataView(header.buffer);
      const length = view.getUint32(0, true);
      if (length > MOST_PAYLOAD) throw this.#damaged();
      const payload = this.#read(padded(length));
      if (payload.length < padded(length)) throw this.#damaged();
      this.#count++;
      const kind = KINDS[view.getUint32(4, true) - 1];
      if (kind === undefined) continue;
      const isStamped = (view.getUint32(28, true) & FLAG_STAMP) !== 0;
      return {
        kind,
        type: view.getUint32(8, true),
        nanoseconds: view.getBigInt64(16, true),
        bytes: payload.subarray(0, length),
        stamp: isStamped
          ? { cpu: view.getUint32(12, true), sequence: view.getUint32(24, true) }
          : undefined,
      };
    }
  }

  #damaged(): Failure {
    return new Failure(
      `${this.#path} is cut off or damaged behind record ${this.#count}; record it again.`,
    );
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
