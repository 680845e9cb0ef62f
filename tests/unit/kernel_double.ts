// SPDX-License-Identifier: BSD-3-Clause
/**
 * A device without a kernel: real memory (a memfd, mapped as the contract says), a real waiter thread, and a
 * kernel's side in TypeScript that the test drives by hand. Its files are eventfds, which are made readable
 * whenever poll(2) on a real device would report something.
 */

import {
  ABI_VERSION,
  ATTACH_AT,
  CHANNEL_ANY,
  GAP_AT,
  INFO_AT,
  KERNEL_PAGE_AT,
  MAGIC,
  MODE_STREAM,
  RECORD_DISCARD,
  RECORD_GAP,
  STATE_BROKEN,
  STATE_CLOSED,
  STATE_OPEN,
  USER_PAGE_AT,
} from "../../src/abi.ts";
import { OpenDevice } from "../../src/device.ts";
import { loadNative, type Native, POLLIN, POLLOUT } from "../../src/library.ts";
import { Consumer, Producer, RING_OK, type RingPlace } from "../../src/ring.ts";

const EBUSY = 16;
const PROT_RW = 3;
const MAP_SHARED = 1;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x22;
const EFD_FLAGS = 0o2004000;

const libc = Deno.dlopen("libc.so.6", {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  mmap: { parameters: ["u64", "usize", "i32", "i32", "i32", "i64"], result: "u64" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
}).symbols;

/** Loaded before any test, so that no test's sanitizer misses its unloading. */
const real = loadNative();

export interface DoubleOptions {
  /** Bytes of each ring. */
  ring?: number;
  channels?: number;
}

const PAGE = 4096;

/** The kernel's side of one attached channel. */
export class KernelSide {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly out: Producer;
  readonly in: Consumer;
  readonly toUser: RingPlace;
  readonly toKernel: RingPlace;
  readonly number: number;
  readonly memory: number;
  readonly fd: number;
  /** KICK calls of this channel. */
  kicks = 0;
  /** The events that a poll which found nothing has left armed. */
  armed = 0;
  readonly #ring: number;

  constructor(fd: number, number: number, generation: number, ring: number) {
    this.fd = fd;
    this.number = number;
    this.#ring = ring;
    const pages = 2 * PAGE + 2 * ring;
    this.memory = libc.memfd_create(new TextEncoder().encode("kup\0"), 1);
    libc.ftruncate(this.memory, BigInt(pages));
    const address = this.map(0n);
    const buffer = Deno.UnsafePointerView.getArrayBuffer(
      Deno.UnsafePointer.create(address)!,
      2 * PAGE + 4 * ring,
    );
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.toUser = {
      words: this.words,
      bytes: this.bytes,
      data: 2 * PAGE,
      size: ring,
      head: KERNEL_PAGE_AT.toUserHead,
      tail: PAGE + USER_PAGE_AT.toUserTail,
      producerEvent: KERNEL_PAGE_AT.toUserProducerEvent,
      consumerEvent: PAGE + USER_PAGE_AT.toUserConsumerEvent,
    };
    this.toKernel = {
      words: this.words,
      bytes: this.bytes,
      data: 2 * PAGE + 2 * ring,
      size: ring,
      head: PAGE + USER_PAGE_AT.toKernelHead,
      tail: KERNEL_PAGE_AT.toKernelTail,
      producerEvent: PAGE + USER_PAGE_AT.toKernelProducerEvent,
      consumerEvent: KERNEL_PAGE_AT.toKernelConsumerEvent,
    };
    this.out = new Producer(this.toUser);
    this.in = new Consumer(this.toKernel, RECORD_DISCARD);
    this.#fillPage(generation);
  }

  #fillPage(generation: number): void {
    const view = new DataView(this.words.buffer);
    view.setBigUint64(KERNEL_PAGE_AT.magic, MAGIC, true);
    const set = (at: number, value: number) => view.setUint32(at, value, true);
    set(KERNEL_PAGE_AT.abiVersion, ABI_VERSION);
    set(KERNEL_PAGE_AT.channel, this.number);
    set(KERNEL_PAGE_AT.generation, generation);
    set(KERNEL_PAGE_AT.state, STATE_OPEN);
  }

  /** Maps the pages as the contract says, at an address or anywhere. */
  map(wanted: bigint): bigint {
    const ring = this.#ring;
    const total = BigInt(2 * PAGE + 4 * ring);
    const base = wanted || libc.mmap(0n, total, 0, MAP_ANONYMOUS, -1, 0n);
    const put = (at: number, bytes: number, offset: number) => {
      const flags = MAP_SHARED | MAP_FIXED;
      libc.mmap(base + BigInt(at), BigInt(bytes), PROT_RW, flags, this.memory, BigInt(offset));
    };
    put(0, 2 * PAGE, 0);
    for (const [i, offset] of [2 * PAGE, 2 * PAGE, 2 * PAGE + ring, 2 * PAGE + ring].entries()) {
      put(2 * PAGE + i * ring, ring, offset);
    }
    return base;
  }

  /** Sends to the user; false if there is no room. */
  send(data: string | Uint8Array, type = 0): boolean {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (this.out.put(bytes, type) !== RING_OK) return false;
    this.wake(this.out.wakes);
    return true;
  }

  /** Reports messages that it could not place. */
  gap(records: number, bytes: number): void {
    const { out, words } = this;
    out.reserve(GAP_AT.SIZE);
    const at = out.payloadAt(out.position);
    const counts = new BigUint64Array(words.buffer, at, 2);
    counts.set([BigInt(records), BigInt(bytes)]);
    out.commit(out.position, GAP_AT.SIZE, GAP_AT.SIZE, 0, RECORD_GAP);
    this.wake(out.wakes);
  }

  /** The next message from the user as text, or undefined. */
  receive(): { type: number; text: string } | undefined {
    const result = this.in.next();
    if (result !== RING_OK) return undefined;
    const { at, length, type } = this.in;
    const text = new TextDecoder().decode(this.bytes.subarray(at, at + length));
    this.in.release();
    const owed = this.in.owesWake;
    this.in.owesWake = false;
    this.wake(owed);
    return { type, text };
  }

  close(): void {
    Atomics.store(this.words, KERNEL_PAGE_AT.state >> 2, STATE_CLOSED);
    this.#signal();
  }

  break(error: number): void {
    Atomics.store(this.words, KERNEL_PAGE_AT.error >> 2, error);
    Atomics.store(this.words, KERNEL_PAGE_AT.state >> 2, STATE_BROKEN);
    this.#signal();
  }

  /** A poll with these events: what is so already is reported, the rest stays armed. */
  poll(events: number): void {
    libc.read(this.fd, new Uint8Array(8), 8n);
    this.armed = events;
    this.wake(false);
  }

  /** Tells poll, if the user asked for it by its event word or is inside poll for it. */
  wake(asked: boolean): void {
    if (asked || (this.#conditions() & this.armed) !== 0) this.#signal();
  }

  #signal(): void {
    this.armed = 0;
    libc.write(this.fd, new BigUint64Array([1n]), 8n);
  }

  #conditions(): number {
    const word = (at: number) => Atomics.load(this.words, at >> 2);
    if (word(KERNEL_PAGE_AT.state) !== STATE_OPEN) return POLLIN | POLLOUT;
    const readable = word(this.toUser.head) !== word(this.toUser.tail);
    const event = word(this.toKernel.producerEvent);
    const tail = word(this.toKernel.tail);
    const writable = event === tail || ((event - tail) >>> 0) > this.#ring;
    return (readable ? POLLIN : 0) | (writable ? POLLOUT : 0);
  }
}

/** A device whose handles are opened with `open`. */
export class KernelDouble {
  /** The attached channels, by number. */
  readonly sides: (KernelSide | undefined)[];
  readonly #ring: number;
  readonly #handles = new Map<number, KernelSide | undefined>();
  readonly #native: Native;
  #attaches = 0;

  constructor({ ring = 4096, channels = 1 }: DoubleOptions = {}) {
    this.#ring = ring;
    this.sides = new Array(channels).fill(undefined);
    this.#native = this.#fake();
  }

  open(): OpenDevice {
    return new OpenDevice(this.#native, "/dev/double");
  }

  /** How many files are open. */
  get handles(): number {
    return this.#handles.size;
  }

  /** The channel that must be attached. */
  side(number = 0): KernelSide {
    const side = this.sides[number];
    if (side === undefined) throw new Error(`channel ${number} is not attached`);
    return side;
  }

  #fake(): Native {
    return {
      ...real,
      kup_user_open: () => {
        const fd = libc.eventfd(0, EFD_FLAGS);
        this.#handles.set(fd, undefined);
        return fd;
      },
      kup_user_close: (fd) => this.#close(fd),
      kup_user_info: (_fd, buffer) => this.#info(buffer as Uint8Array<ArrayBuffer>),
      kup_user_attach: (fd, buffer) => this.#attach(fd, buffer as Uint8Array<ArrayBuffer>),
      kup_user_kick: (fd) => {
        this.#handles.get(fd)!.kicks++;
        return 0;
      },
      kup_user_map: (fd, _page, _toUser, _toKernel, address) => {
        const inOut = address as BigUint64Array<ArrayBuffer>;
        inOut[0] = this.#handles.get(fd)!.map(inOut[0]!);
        return 0;
      },
      kup_user_stats: () => 0,
      kup_user_held: () => this.sides.filter((side) => side !== undefined).length,
      kup_user_wait: (fd, events, timeout) => {
        this.#handles.get(fd)?.poll(events);
        return real.kup_user_wait(fd, POLLIN, timeout);
      },
      kup_user_waiter_arm: (fd, id, events) => {
        this.#handles.get(fd)?.poll(events);
        // A file of the library's own is what it seems.
        return real.kup_user_waiter_arm(fd, id, this.#handles.has(fd) ? POLLIN : events);
      },
    };
  }

  #close(fd: number): number {
    const side = this.#handles.get(fd);
    this.#handles.delete(fd);
    const result = real.kup_user_close(fd);
    if (side === undefined) return result;
    this.sides[side.number] = undefined;
    libc.close(side.memory);
    // A free channel is what all handles without one poll for.
    for (const [other, attached] of this.#handles) {
      if (attached === undefined) libc.write(other, new BigUint64Array([1n]), 8n);
    }
    return result;
  }

  #info(buffer: Uint8Array<ArrayBuffer>): number {
    const view = new DataView(buffer.buffer);
    const set = (at: number, value: number) => view.setUint32(at, value, true);
    set(INFO_AT.abiVersion, ABI_VERSION);
    set(INFO_AT.mode, MODE_STREAM);
    set(INFO_AT.pageSize, PAGE);
    set(INFO_AT.channels, this.sides.length);
    set(INFO_AT.channelsFree, this.sides.filter((side) => side === undefined).length);
    set(INFO_AT.toUserBytes, this.#ring);
    set(INFO_AT.toKernelBytes, this.#ring);
    new TextEncoder().encodeInto("double", buffer.subarray(INFO_AT.name));
    return 0;
  }

  #attach(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
    const view = new DataView(buffer.buffer);
    const channel = view.getUint32(ATTACH_AT.channel, true);
    libc.read(fd, new Uint8Array(8), 8n);
    const number = channel === CHANNEL_ANY ? this.sides.indexOf(undefined) : channel;
    if (number < 0 || this.sides[number] !== undefined) return -EBUSY;
    const side = new KernelSide(fd, number, ++this.#attaches, this.#ring);
    this.sides[number] = side;
    this.#handles.set(fd, side);
    view.setUint32(ATTACH_AT.channel, number, true);
    return 0;
  }
}
