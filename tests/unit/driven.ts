// SPDX-License-Identifier: BSD-3-Clause
/**
 * A device of the host driver whose kernel side a test drives: the real engine, and a client module
 * that does nothing by itself (clients/driven.c). One at a time in a process.
 */

import { type Device, open, unload } from "../../mod.ts";
import { GAP_AT, KERNEL_PAGE_AT, USER_PAGE_AT } from "../../src/abi.ts";
import { ClientModules } from "../lib/client_modules.ts";
import { ROOT } from "../lib/paths.ts";

const EAGAIN = 11;
const EPIPE = 32;
const ENODATA = 61;
const EPROTO = 71;
const PAGE = 4096;
/** In nanoseconds. */
const SECOND = 1_000_000_000n;
/** The size of `struct kup_record` in bytes, and the offsets of its fields. */
const RECORD = { SIZE: 32, length: 8, type: 12, control: 16 } as const;
/** `struct kup_reservation`. */
const RESERVATION_SIZE = 16;

const path = await new ClientModules().build("driven", `-I${ROOT}/kmod/uapi`);

const { os, arch } = Deno.build;

/** The kernel client API. `nonblocking` calls run in a thread, as those of a client do. */
const engine = Deno.dlopen(`${ROOT}/native/build/libkup-${os}-${arch}.so`, {
  kup_channel_get: { parameters: ["pointer"], result: "void" },
  kup_channel_close: { parameters: ["pointer"], result: "void" },
  kup_channel_put: { parameters: ["pointer"], result: "void" },
  kup_commit_control: { parameters: ["pointer", "buffer", "u32", "u32"], result: "void" },
  kup_end: { parameters: ["pointer", "i64"], result: "i32" },
  kup_discard: { parameters: ["pointer", "buffer"], result: "void" },
  kup_receive: { parameters: ["pointer", "buffer", "u32", "buffer", "i64"], result: "i32" },
  kup_send: { parameters: ["pointer", "u32", "buffer", "u32", "i64"], result: "i32" },
  kup_try_reserve: { parameters: ["pointer", "u32", "buffer"], result: "i32" },
  kup_try_send: { parameters: ["pointer", "u32", "buffer", "u32"], result: "i32" },
}).symbols;

const waiting = Deno.dlopen(`${ROOT}/native/build/libkup-${os}-${arch}.so`, {
  kup_receive: {
    parameters: ["pointer", "buffer", "u32", "buffer", "i64"],
    result: "i32",
    nonblocking: true,
  },
  kup_send: {
    parameters: ["pointer", "u32", "buffer", "u32", "i64"],
    result: "i32",
    nonblocking: true,
  },
}).symbols;

const DRIVEN = {
  driven_take: { parameters: ["u32"], result: "pointer" },
  driven_pages: { parameters: ["pointer"], result: "u64" },
  driven_kicks: { parameters: ["pointer"], result: "u32" },
  driven_files: { parameters: [], result: "u32" },
  driven_let_go: { parameters: [], result: "void" },
} as const;

type Driven = Deno.DynamicLibrary<typeof DRIVEN>;

/** A message that the kernel's side has received. */
export interface Received {
  readonly type: number;
  readonly text: string;
  /** For a control record: its kind. */
  readonly control?: number;
}

function bytesOf(data: string | Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** A negative errno is an error of the test itself. */
function must(call: string, result: number): void {
  if (result < 0) throw new Error(`${call} returned ${result}`);
}

/** The kernel's side of one attached channel. */
export class KernelSide {
  /** All pages, mapped as in the contract; those of the kernel can be written too. */
  readonly words: Int32Array;
  /** Where the user's receiving side has its words and the kernel's data, in bytes. */
  readonly toUser: { readonly tail: number; readonly data: number };
  readonly number: number;
  readonly #driven: Driven;
  readonly #channel: Deno.PointerObject;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #record = new Uint8Array(RECORD.SIZE);

  constructor(driven: Driven, channel: Deno.PointerObject, number: number, ring: number) {
    this.#driven = driven;
    this.#channel = channel;
    this.number = number;
    this.#buffer = new Uint8Array(ring);
    const pages = Deno.UnsafePointer.create(driven.symbols.driven_pages(channel))!;
    this.words = new Int32Array(
      Deno.UnsafePointerView.getArrayBuffer(pages, 2 * PAGE + 4 * ring),
    );
    this.toUser = { tail: PAGE + USER_PAGE_AT.toUserTail, data: 2 * PAGE };
  }

  /** The number of KICK calls for this channel. */
  get kicks(): number {
    return this.#driven.symbols.driven_kicks(this.#channel);
  }

  /** The positions that the kernel's side sleeps for, or slept for: of data, and of room. */
  get announced(): { data: number; room: number } {
    return {
      data: Atomics.load(this.words, KERNEL_PAGE_AT.toKernelConsumerEvent >> 2),
      room: Atomics.load(this.words, KERNEL_PAGE_AT.toUserProducerEvent >> 2),
    };
  }

  /** The position up to which the user has released what it received. */
  get tail(): number {
    return Atomics.load(this.words, this.toUser.tail >> 2);
  }

  /** Sends to the user. Returns false if there is no room, or the user has gone. */
  send(data: string | Uint8Array<ArrayBuffer>, type = 0): boolean {
    const bytes = bytesOf(data);
    const result = engine.kup_send(this.#channel, type, bytes, bytes.length, 0n);
    if (result === -EAGAIN || result === -EPIPE) return false;
    must("kup_send", result);
    return true;
  }

  /** Sends a control record of this kind, with this many bytes. */
  control(kind: number, length = 0): void {
    const reservation = new Uint8Array(RESERVATION_SIZE);
    must("kup_try_reserve", engine.kup_try_reserve(this.#channel, length, reservation));
    engine.kup_commit_control(this.#channel, reservation, kind, length);
  }

  /** Sends a discarded record with this many bytes. */
  discard(length: number): void {
    const reservation = new Uint8Array(RESERVATION_SIZE);
    must("kup_try_reserve", engine.kup_try_reserve(this.#channel, length, reservation));
    engine.kup_discard(this.#channel, reservation);
  }

  /** Sends from a thread that waits for room. */
  async sendWaiting(data: string | Uint8Array<ArrayBuffer>, type = 0): Promise<void> {
    const bytes = bytesOf(data);
    using held = this.#hold();
    must("kup_send", await waiting.kup_send(held.channel, type, bytes, bytes.length, -1n));
  }

  /** Loses this many messages. Each must be too long for the ring, so `bytes` can't be small. */
  lose(records: number, bytes: number): void {
    const each = Math.floor(bytes / records);
    for (let i = 1; i <= records; i++) {
      const length = i < records ? each : bytes - (records - 1) * each;
      const result = engine.kup_try_send(this.#channel, 0, null, length);
      if (result >= 0) throw new Error(`a message of ${length} bytes was not lost`);
    }
  }

  /** The same, and reports that at once. */
  gap(records: number, bytes: number): void {
    this.lose(records, bytes);
    // The report comes before the next record, which is discarded.
    this.discard(GAP_AT.SIZE);
  }

  /** The next message from the user, or undefined. */
  receive(): Received | undefined {
    const { length } = this.#buffer;
    const result = engine.kup_receive(this.#channel, this.#buffer, length, this.#record, 0n);
    if (result === -EAGAIN || result === -EPIPE) return undefined;
    must("kup_receive", result);
    return read(this.#buffer, this.#record);
  }

  /** A copy of the next message's bytes, and its type. */
  receiveBytes(): { type: number; bytes: Uint8Array<ArrayBuffer> } | undefined {
    const received = this.receive();
    if (received === undefined) return undefined;
    const length = new DataView(this.#record.buffer).getUint32(RECORD.length, true);
    return { type: received.type, bytes: this.#buffer.slice(0, length) };
  }

  /** The next message, by a thread that waits for it; undefined at the end of what comes. */
  async receiveWaiting(): Promise<Received | undefined> {
    const buffer = new Uint8Array(this.#buffer.length);
    const record = new Uint8Array(RECORD.SIZE);
    using held = this.#hold();
    const result = await waiting.kup_receive(held.channel, buffer, buffer.length, record, -1n);
    if (result === -EPIPE || result === -ENODATA) return undefined;
    must("kup_receive", result);
    return read(buffer, record);
  }

  /** Sends everything back until the user has gone, and sleeps in between. */
  async echo(): Promise<void> {
    for (let got; (got = await this.receiveWaiting()) !== undefined;) {
      await this.sendWaiting(got.text, got.type);
    }
  }

  close(): void {
    engine.kup_channel_close(this.#channel);
  }

  /** Whether the next thing to receive is the user's end, which is then received. */
  end(): boolean {
    const { length } = this.#buffer;
    const result = engine.kup_receive(this.#channel, this.#buffer, length, this.#record, 0n);
    return result === -ENODATA;
  }

  /** Ends the direction to the user. Returns what kup_end returns. */
  sendEnd(): number {
    return engine.kup_end(this.#channel, 0n);
  }

  /**
   * Breaks the channel by an invalid head position in the user's page. The kernel's side finds it
   * before it sleeps, at the latest.
   */
  break(): void {
    Atomics.xor(this.words, (PAGE + USER_PAGE_AT.toKernelHead) >> 2, 0x40000000);
    const { length } = this.#buffer;
    let result: number;
    do {
      result = engine.kup_receive(this.#channel, this.#buffer, length, this.#record, SECOND);
    } while (result === 0);
    if (result !== -EPROTO) throw new Error(`the lie was not found: kup_receive gave ${result}`);
  }

  /** Releases the channel's memory; no other call may follow. */
  put(): void {
    engine.kup_channel_put(this.#channel);
  }

  /** A thread's own reference: a test that fails releases the channel while the thread waits. */
  #hold(): { readonly channel: Deno.PointerObject } & Disposable {
    const channel = this.#channel;
    engine.kup_channel_get(channel);
    return { channel, [Symbol.dispose]: () => engine.kup_channel_put(channel) };
  }
}

function read(buffer: Uint8Array<ArrayBuffer>, record: Uint8Array<ArrayBuffer>): Received {
  const view = new DataView(record.buffer);
  const length = view.getUint32(RECORD.length, true);
  const text = new TextDecoder().decode(buffer.subarray(0, length));
  const control = view.getUint32(RECORD.control, true);
  const type = view.getUint32(RECORD.type, true);
  return control === 0 ? { type, text } : { type, text, control };
}

export interface DrivenOptions {
  /** The size of each ring in bytes. */
  ring?: number;
  channels?: number;
  /** As in kup_config. The kernel's side makes the calls of streams in both modes. */
  mode?: number;
  /** As in kup_config. */
  stamps?: number;
  /** A channel whose user has gone stays taken until {@linkcode DrivenDevice.letGo}. */
  hold?: boolean;
}

/** The device, loaded for one test. */
export class DrivenDevice implements Disposable {
  readonly path = path;
  readonly #ring: number;
  readonly #driven: Driven;
  readonly #sides: KernelSide[] = [];
  readonly #newest = new Map<number, KernelSide>();

  constructor(
    { ring = PAGE, channels = 1, mode = 0, stamps = 0, hold = false }: DrivenOptions = {},
  ) {
    this.#ring = ring;
    const parameters = { channels, pages: ring / PAGE, mode, stamps, hold: hold ? 1 : 0 };
    open(path, { parameters }).close();
    this.#driven = Deno.dlopen(path.slice("host:".length), DRIVEN);
  }

  open(): Device {
    return open(path);
  }

  /** How many files of the device are open. */
  get files(): number {
    return this.#driven.symbols.driven_files();
  }

  /** The kernel's side of a channel, which must have been attached. */
  side(number = 0): KernelSide {
    const channel = this.#driven.symbols.driven_take(number);
    if (channel !== null) {
      const side = new KernelSide(this.#driven, channel, number, this.#ring);
      this.#sides.push(side);
      this.#newest.set(number, side);
    }
    const side = this.#newest.get(number);
    if (side === undefined) throw new Error(`channel ${number} is not attached`);
    return side;
  }

  letGo(): void {
    this.#driven.symbols.driven_let_go();
  }

  [Symbol.dispose](): void {
    for (const side of this.#sides) side.put();
    unload(path);
    this.#driven.close();
  }
}
