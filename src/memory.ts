// SPDX-License-Identifier: BSD-3-Clause
/**
 * The mapped memory of one channel, as array buffers, and what happens to its addresses.
 *
 * Two buffers lie over the same pages. The private one covers all of them and never leaves this
 * library. The public one covers the data of the rings only. `message.bytes` is a view of it, so a
 * program can reach the whole public buffer, detach it, or transfer it to another thread. In no
 * case can it reach the kernel page, where a write would end the process, or detach the words that
 * this library uses.
 *
 * Addresses are never unmapped: see {@linkcode ChannelMemory.close}.
 *
 * @module
 */

import { ABI_VERSION, FEATURE_STAMPS, KERNEL_PAGE_AT, MAGIC, USER_PAGE_AT } from "./abi.ts";
import { isDetached } from "./arguments.ts";
import { KupError, systemError } from "./errors.ts";
import { checkFfi } from "./permission.ts";
import type { Resources } from "./resources.ts";
import type { RingPlace } from "./ring.ts";
import { stampOrigin } from "./stamp_origin.ts";
import type { Device } from "./types.ts";

/** Saved here, because the public buffer may have got another method of this name. */
const { transfer } = ArrayBuffer.prototype;

/** Sizes in bytes; those of the rings are not doubled. */
export interface Geometry {
  readonly pageSize: number;
  readonly toUserSize: number;
  readonly toKernelSize: number;
}

/** The contract's KUP_MAP_BYTES: each ring is mapped twice. */
function mapBytes({ pageSize, toUserSize, toKernelSize }: Geometry): number {
  return 2 * (pageSize + toUserSize + toKernelSize);
}

/**
 * Ranges of addresses that closed channels have left, oldest first, by their size. An asynchronous
 * operation that was given a view may still use its range for a while. If the range were used
 * again, the operation would see the bytes of another channel of this process. Only this order, and
 * this number, protect against that.
 */
const parked = new Map<number, bigint[]>();
const PARKED_BEFORE_REUSE = 64;

/** Ranges that failed attaches have left: no view of them was ever given to the program. */
const unseen = new Map<number, bigint[]>();

function takeParked(bytes: number): bigint {
  const clean = unseen.get(bytes)?.pop();
  if (clean !== undefined) return clean;
  const ranges = parked.get(bytes);
  if (ranges === undefined || ranges.length <= PARKED_BEFORE_REUSE) return 0n;
  return ranges.shift() ?? 0n;
}

function park(ranges: Map<number, bigint[]>, address: bigint, bytes: number): void {
  const same = ranges.get(bytes);
  if (same === undefined) ranges.set(bytes, [address]);
  else same.push(address);
}

/**
 * Maps a public buffer to its memory. A view may be all that a program still has of a channel. This
 * entry then keeps the memory, and with it the channel, from being collected.
 */
const memoryOf = new WeakMap<ArrayBuffer, ChannelMemory>();

/**
 * One channel's memory. It belongs to one isolate; `close` ends its use. Everything that can access
 * the memory refers to this object: both directions, messages, reservations, and views (through
 * {@linkcode memoryOf}). So the channel is collected exactly when this object is.
 */
export class ChannelMemory {
  /** The whole memory, as 32-bit words; private. */
  readonly words: Int32Array<ArrayBuffer>;
  /** The whole memory, as bytes; private. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The whole memory, for numbers at any place; private. */
  readonly data: DataView<ArrayBuffer>;
  /** One of MODE_*. */
  readonly mode: number;
  /** Whether each payload to the user begins with a stamp. */
  readonly stamped: boolean;
  /** With stamps: their time when `performance.now()` is 0, in milliseconds. */
  readonly stampOrigin: number | undefined;
  /** The ring to the user: the kernel produces. */
  readonly toUser: RingPlace;
  /** The ring to the kernel: the user produces. */
  readonly toKernel: RingPlace;

  /** The device. It is in use, and not to be collected, as long as this memory is. */
  readonly device: Device;
  readonly #resources: Resources;
  readonly #address: bigint;
  readonly #dataAt: number;
  #public: ArrayBuffer;
  /** The program has taken the public buffer over, and may alias the range without a limit. */
  #exposed = false;

  private constructor(resources: Resources, address: bigint, geometry: Geometry, device: Device) {
    this.device = device;
    const { pageSize, toUserSize, toKernelSize } = geometry;
    const total = mapBytes(geometry);
    this.#resources = resources;
    this.#address = address;
    this.#dataAt = 2 * pageSize;
    const whole = bufferAt(address, total);
    this.words = new Int32Array(whole);
    this.bytes = new Uint8Array(whole);
    this.data = new DataView(whole);
    this.#public = bufferAt(address + BigInt(this.#dataAt), total - this.#dataAt);
    memoryOf.set(this.#public, this);
    this.mode = this.number32(KERNEL_PAGE_AT.mode);
    const required = BigInt(this.number64(KERNEL_PAGE_AT.required));
    this.stamped = (required & FEATURE_STAMPS) !== 0n;
    this.stampOrigin = this.stamped ? stampOrigin(resources.native) : undefined;
    this.toUser = {
      words: this.words,
      bytes: this.bytes,
      data: this.#dataAt,
      size: toUserSize,
      head: KERNEL_PAGE_AT.toUserHead,
      tail: pageSize + USER_PAGE_AT.toUserTail,
      producerEvent: KERNEL_PAGE_AT.toUserProducerEvent,
      consumerEvent: pageSize + USER_PAGE_AT.toUserConsumerEvent,
    };
    this.toKernel = {
      words: this.words,
      bytes: this.bytes,
      data: this.#dataAt + 2 * toUserSize,
      size: toKernelSize,
      head: pageSize + USER_PAGE_AT.toKernelHead,
      tail: KERNEL_PAGE_AT.toKernelTail,
      producerEvent: pageSize + USER_PAGE_AT.toKernelProducerEvent,
      consumerEvent: KERNEL_PAGE_AT.toKernelConsumerEvent,
    };
  }

  /**
   * Maps the channel that the file of `resources` has. After an error nothing is mapped.
   *
   * @throws {KupError} `"out-of-memory"`, `"gone"`, `"abi-mismatch"`, `"no-ffi-permission"` or
   * `"system"`.
   */
  static map(resources: Resources, geometry: Geometry, device: Device): ChannelMemory {
    checkFfi(device.path);
    const { native, fd } = resources;
    const { pageSize, toUserSize, toKernelSize } = geometry;
    const bytes = mapBytes(geometry);
    const reused = takeParked(bytes);
    const address = new BigUint64Array([reused]);
    const result = native.kup_user_map(fd, pageSize, toUserSize, toKernelSize, address);
    if (result < 0) {
      if (reused !== 0n) park(unseen, reused, bytes);
      throw systemError("map", result, device.path);
    }
    resources.mapping = { address: address[0]!, bytes };
    try {
      const memory = new ChannelMemory(resources, address[0]!, geometry, device);
      memory.#checkVersion();
      return memory;
    } catch (error) {
      resources.mapping = undefined;
      const unmapped = native.kup_user_unmap(address[0]!, BigInt(bytes));
      if (unmapped === 0) park(unseen, address[0]!, bytes);
      throw error;
    }
  }

  #checkVersion(): void {
    const magic = new DataView(this.bytes.buffer).getBigUint64(KERNEL_PAGE_AT.magic, true);
    if (magic === MAGIC && this.number32(KERNEL_PAGE_AT.abiVersion) === ABI_VERSION) return;
    throw new KupError(
      "abi-mismatch",
      `${this.device.path}: The kernel page is not of this version.`,
    );
  }

  /** A public view of ring data. `at` counts from the beginning of the memory, as in `bytes`. */
  view(at: number, length: number): Uint8Array<ArrayBuffer> {
    if (isDetached(this.#public)) this.#replacePublic();
    return new Uint8Array(this.#public, at - this.#dataAt, length);
  }

  /** A word of the kernel page, unsigned. */
  number32(at: number): number {
    return Atomics.load(this.words, at >> 2) >>> 0;
  }

  /** A 64-bit number, exact up to 2^53. */
  number64(at: number): number {
    return this.number32(at) + this.number32(at + 4) * 2 ** 32;
  }

  /**
   * Replaces the device's pages by zeros, and detaches all buffers, so that views which the program
   * kept are empty. Another channel may use the range later, unless the program has taken the
   * public buffer over. Then the range stays zeros, which costs nothing but addresses.
   */
  close(): void {
    if (isDetached(this.#public)) this.#exposed = true;
    else transfer.call(this.#public, 0);
    const bytes = this.bytes.length;
    this.words.buffer.transfer(0);
    this.#resources.mapping = undefined;
    const result = this.#resources.native.kup_user_unmap(this.#address, BigInt(bytes));
    // If there was no memory even for that, the device's pages stay, and the range with them.
    if (result === 0 && !this.#exposed) park(parked, this.#address, bytes);
  }

  #replacePublic(): void {
    if (this.bytes.length === 0) return;
    checkFfi(this.#resources.subject);
    this.#exposed = true;
    this.#public = bufferAt(this.#address + BigInt(this.#dataAt), this.bytes.length - this.#dataAt);
    memoryOf.set(this.#public, this);
  }
}

function bufferAt(address: bigint, bytes: number): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, bytes);
}
