// SPDX-License-Identifier: BSD-3-Clause
/**
 * User to kernel: sending, and waiting for room.
 *
 * @module
 */

import { ERROR_TAIL, FEATURE_END, KERNEL_PAGE_AT, RECORD_DISCARD, RECORD_RESERVE } from "./abi.ts";
import {
  byteCount,
  checkInteger,
  checkIterable,
  checkNotLost,
  checkSignal,
  checkTimeout,
  checkType,
  copyOf,
  toBytes,
  tooLong,
} from "./arguments.ts";
import { KupError } from "./errors.ts";
import { POLLOUT } from "./library.ts";
import type { Link, Side } from "./link.ts";
import * as forms from "./options.ts";
import { PendingEnd, PendingReserve, PendingRoom, PendingSend, type Queued } from "./queued.ts";
import { Producer, recordSpace, RING_LIE_POSITION, RING_OK, RING_WAIT } from "./ring.ts";
import { type Condition, Spin } from "./spin.ts";
import type {
  AsyncSendOptions,
  CommitOptions,
  Data,
  Reservation,
  SendOptions,
  SyncSendOptions,
  WaitOptions,
} from "./types.ts";

/** The result of every call that doesn't have to wait. */
const DONE: Promise<void> = Promise.resolve();

/** How many messages of a batch are published at once. */
const PART = 64;

/** A layer that has made a reservation. */
export interface Owner {
  /**
   * Called before the commit, after all else that can fail was checked. If it throws, nothing is
   * committed.
   */
  committing(): void;
  /** Called once, after the commit or instead of it. */
  finished(): void;
}

/**
 * An unfinished record of this side. It has no private methods, because V8 stores a brand in each
 * object of a class that has some.
 */
class OpenReservation implements Reservation {
  readonly length: number;
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #producer: Producer;
  readonly #position: number;
  readonly #owner: Owner | undefined;
  #view: Uint8Array<ArrayBuffer> | undefined;
  #done = false;

  constructor(
    link: Link,
    sender: Sender,
    producer: Producer,
    length: number,
    owner: Owner | undefined,
  ) {
    this.#owner = owner;
    this.length = length;
    this.#link = link;
    this.#sender = sender;
    this.#producer = producer;
    this.#position = producer.position;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    OpenReservation.#check(this);
    // The view's length becomes 0 when the program transfers its buffer.
    if (this.#view?.length !== this.length) {
      const at = this.#producer.payloadAt(this.#position);
      this.#view = this.#link.memory.view(at, this.length);
    }
    return this.#view;
  }

  commit(options?: CommitOptions): void {
    forms.checkCommit(options);
    const type = checkType(options?.type);
    const length = options?.length ?? this.length;
    if (length !== this.length) checkInteger("length", length, 0, this.length);
    OpenReservation.#check(this);
    if (!this.#link.looksOpen()) throw this.#link.stateError();
    this.#owner?.committing();
    OpenReservation.#finish(this, length, type, 0);
  }

  discard(): void {
    if (this.#done || this.#link.over) return;
    OpenReservation.#finish(this, this.length, 0, RECORD_DISCARD);
  }

  [Symbol.dispose](): void {
    this.discard();
  }

  static #check(reservation: OpenReservation): void {
    if (reservation.#done) {
      throw new KupError(
        "released",
        "This reservation was committed or discarded; make a new one.",
      );
    }
    const link = reservation.#link;
    if (link.over) throw link.reason();
  }

  static #finish(
    reservation: OpenReservation,
    length: number,
    type: number,
    flags: number,
  ): void {
    const producer = reservation.#producer;
    reservation.#done = true;
    producer.commit(reservation.#position, reservation.length, length, type, flags);
    if (producer.wakes) reservation.#link.kick();
    reservation.#sender.finished();
    reservation.#owner?.finished();
  }
}

/** The producing direction of one channel. */
export class Sender implements Side, Condition {
  /** The longest message, in bytes. */
  readonly maxMessage: number;

  readonly #link: Link;
  readonly #producer: Producer;
  readonly #spin: Spin;
  /** The calls that wait, in their order. While one waits, all later calls wait too. */
  readonly #queue = new Set<Queued>();
  /** This direction has ended, or ends after the calls that wait; see `end`. */
  #ended = false;
  /** The room that `ready` looks for, in bytes of the ring. */
  #wantedSpace = 0;

  /** @param spin How long to spin at most, in milliseconds. */
  constructor(link: Link, spin: number) {
    this.maxMessage = link.memory.toKernel.size - RECORD_RESERVE;
    this.#link = link;
    this.#producer = new Producer(link.memory.toKernel);
    this.#spin = new Spin(link.native, spin);
  }

  /** Whether `end` was called. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Throws if nothing may be sent any more. */
  #checkMaySend(): void {
    if (this.#link.over || this.#ended) throw this.#overError();
  }

  #overError(): KupError {
    if (this.#link.over) return this.#link.reason();
    return new KupError(
      "closed",
      `${this.#link.subject}: This side has ended its direction, and can only receive now; send ` +
        "before `end`, or before `writable` is closed.",
    );
  }

  /** Ends this direction, behind all calls that wait. If it is aborted, the direction goes on. */
  end(options: WaitOptions | undefined): Promise<void> {
    try {
      forms.check(forms.END, options);
      const signal = checkSignal(options?.signal);
      if (signal?.aborted) return Promise.reject(signal.reason);
      this.#checkMaySend();
      this.#checkOpen();
      const features = BigInt(this.#link.memory.number64(KERNEL_PAGE_AT.features));
      if ((features & FEATURE_END) === 0n) {
        throw new KupError(
          "abi-mismatch",
          `${this.#link.subject}: The kernel module is too old for \`end\`; update it, or close ` +
            "the channel.",
        );
      }
      this.#ended = true;
      return new Promise((resolve, reject) => {
        const aborted = (error: unknown) => {
          this.#ended = false;
          reject(error);
        };
        this.#enqueue(new PendingEnd(resolve, aborted), signal);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** For spinning: whether there is room, or waiting has no use. */
  ready(): boolean {
    return this.#producer.room(this.#wantedSpace) !== RING_WAIT || !this.#link.isOpen();
  }

  trySend(data: Data, options: SendOptions | undefined): boolean {
    forms.checkTrySend(options);
    const type = checkType(options?.type);
    const bytes = toBytes(data);
    const length = this.#checkedLength(bytes);
    // Whether the channel is open is for `#put`. When it ends, no call waits any more.
    if (this.#ended) throw this.#overError();
    return this.#queue.size === 0 && this.#put(bytes, type, 0, length);
  }

  send(data: Data, options: AsyncSendOptions | undefined): Promise<void> {
    try {
      forms.check(forms.SEND, options);
      const signal = checkSignal(options?.signal);
      const type = checkType(options?.type);
      const bytes = this.checked(data);
      if (signal?.aborted) return Promise.reject(signal.reason);
      this.#checkMaySend();
      if (this.#queue.size === 0 && this.#putSpinning(bytes, type)) {
        return this.#link.breathe() ?? DONE;
      }
      return this.#enqueueSend([this.copied(bytes)], 0, type, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendBatch(messages: Iterable<Data>, options: AsyncSendOptions | undefined): Promise<void> {
    try {
      forms.check(forms.SEND_BATCH, options);
      const signal = checkSignal(options?.signal);
      const type = checkType(options?.type);
      const all = this.#collected(messages);
      if (signal?.aborted) return Promise.reject(signal.reason);
      this.#checkMaySend();
      const next = this.#queue.size === 0 ? this.putAll(all, 0, type) : 0;
      if (next === all.length) return this.#link.breathe() ?? DONE;
      for (let i = next; i < all.length; i++) all[i] = this.copied(all[i]!);
      return this.#enqueueSend(all, next, type, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendSync(data: Data, options: SyncSendOptions | undefined): void {
    forms.check(forms.SEND_SYNC, options);
    const type = checkType(options?.type);
    const timeout = checkTimeout(options?.timeout);
    const bytes = this.checked(data);
    const end = timeout < 0 ? Infinity : this.#link.native.kup_user_now() + timeout;
    for (;;) {
      this.#checkMaySend();
      this.#pump();
      if (this.#queue.size === 0) {
        if (timeout === 0 ? this.put(bytes, type) : this.#putSpinning(bytes, type)) return;
      }
      this.blockForRoom(byteCount(bytes), timeout, end);
    }
  }

  /**
   * Blocks this thread until there may be room.
   *
   * @param end The time at which `timeout` is over.
   * @throws {KupError} `"timed-out"`; `"busy"` if it would block forever.
   */
  blockForRoom(length: number, timeout: number, end: number): void {
    const left = end - this.#link.native.kup_user_now();
    if (left <= 0) {
      throw new KupError("timed-out", `${this.#link.subject}: No room within ${timeout} ms.`);
    }
    if (this.#producer.crowded) {
      throw new KupError(
        "busy",
        `${this.#link.subject}: A reservation keeps back 63 messages behind it, and can't keep ` +
          "back more; commit or discard it first.",
      );
    }
    if (this.#announce(recordSpace(length))) return;
    this.#link.block(POLLOUT, left === Infinity ? -1 : left);
    this.#spin.woke();
  }

  /** Resolves when there is room for a message whose length was checked. */
  waitForRoom(length: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue(new PendingRoom(length, resolve, reject), signal);
    });
  }

  reserve(length: number, options: WaitOptions | undefined): Promise<Reservation> {
    try {
      forms.check(forms.RESERVE, options);
      const signal = checkSignal(options?.signal);
      this.checkLength(length);
      if (signal?.aborted) return Promise.reject(signal.reason);
      const reservation = this.tryReserve(length);
      if (reservation !== undefined) return this.#later(reservation);
      return new Promise((resolve, reject) => {
        this.#enqueue(new PendingReserve(length, resolve, reject), signal);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param options Only for refusing it: this call takes none. */
  tryReserve(length: number, options?: object): Reservation | undefined {
    forms.check(forms.TRY_RESERVE, options);
    this.checkLength(length);
    this.#checkMaySend();
    return this.#queue.size === 0 ? this.claim(length) : undefined;
  }

  /**
   * Whether there is room for a message whose length was checked. Throws unless the channel is
   * open.
   */
  fits(length: number): boolean {
    this.#checkOpen();
    const result = this.#producer.room(recordSpace(length));
    return result === RING_OK || this.#notNow(result);
  }

  /**
   * Sends a message that was checked, if there is room. Throws unless the channel is open.
   *
   * @param flags 0, or RECORD_CONTROL: `type` is a kind.
   */
  put(bytes: Uint8Array, type: number, flags = 0): boolean {
    return this.#put(bytes, type, flags, byteCount(bytes));
  }

  #put(bytes: Uint8Array, type: number, flags: number, length: number): boolean {
    this.#checkOpen();
    const producer = this.#producer;
    const result = producer.put(bytes, type, length, flags);
    if (result !== RING_OK) return this.#notNow(result);
    if (producer.wakes) this.#link.kick();
    return true;
  }

  /**
   * Sends messages that were checked, as long as there is room, from `messages[from]` on. Returns
   * the index of the first one that was not sent. Throws unless the channel is open.
   */
  putAll(messages: readonly Uint8Array[], from: number, type: number): number {
    this.#checkOpen();
    const producer = this.#producer;
    let next = from;
    // The kernel begins to read while this side is still at the next part.
    for (let end = from; next === end && !producer.holdsBack && end < messages.length;) {
      end = Math.min(next + PART, messages.length);
      next = producer.putAll(messages, next, end, type, byteCount);
      if (producer.wakes) this.#link.kick();
    }
    while (next < messages.length && this.put(messages[next]!, type)) next++;
    return next;
  }

  /**
   * Handles a failure. Returns false if there is no room, or a reservation keeps back as many
   * records as possible. Throws if it is a lie, or the channel is not open any more.
   */
  #notNow(result: number): false {
    // The tail is all that a producer reads of its peer.
    if (result === RING_LIE_POSITION) throw this.#link.breakBy(ERROR_TAIL);
    if (!this.#link.isOpen()) throw this.#link.stateError();
    return false;
  }

  /** Claims a record of a checked length, if there is room. Throws unless the channel is open. */
  claim(length: number, owner?: Owner): Reservation | undefined {
    this.#checkOpen();
    const result = this.#producer.reserve(length);
    if (result !== RING_OK && !this.#notNow(result)) return undefined;
    return new OpenReservation(this.#link, this, this.#producer, length, owner);
  }

  /**
   * Called when a reservation is finished. Calls may wait because it kept back too many records.
   */
  finished(): void {
    if (this.#queue.size > 0) this.wake();
  }

  #checkOpen(): void {
    if (this.#link.over || !this.#link.looksOpen()) throw this.#link.notOpenError();
  }

  /** Looks once for room for the queue. */
  wake(): void {
    if (this.#queue.size === 0) return;
    try {
      do this.#pump(); while (this.#queue.size > 0 && this.#announce(0));
      if (this.#queue.size > 0) this.#link.want(POLLOUT);
      else this.#link.unwant(POLLOUT);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Called when the channel is closed or broken, or can't be waited for. */
  fail(error: unknown): void {
    const all = [...this.#queue];
    this.#queue.clear();
    if (!this.#link.closed) this.#link.unwant(POLLOUT);
    for (const pending of all) {
      pending.detach();
      pending.reject(error);
    }
  }

  /** The bytes of a message; throws if they are too many. */
  checked(data: Data): Uint8Array {
    return this.#checkedBytes(toBytes(data));
  }

  #checkedBytes<T extends Uint8Array>(bytes: T): T {
    this.#checkedLength(bytes);
    return bytes;
  }

  #checkedLength(bytes: Uint8Array): number {
    const length = byteCount(bytes);
    return length > 0 && length <= this.maxMessage ? length : this.#unusual(bytes, length);
  }

  #unusual(bytes: Uint8Array, length: number): number {
    if (length === 0) checkNotLost(bytes);
    if (length <= this.maxMessage) return length;
    throw tooLong(length, this.maxMessage, this.#link.memory.toKernel.size);
  }

  /** Checks the length of a reservation. */
  checkLength(length: number): void {
    if (Number.isInteger(length) && length > this.maxMessage) {
      throw tooLong(length, this.maxMessage, this.#link.memory.toKernel.size);
    }
    checkInteger("length", length, 0, this.maxMessage);
  }

  /** A copy whose length is checked once more, because shared memory may have grown meanwhile. */
  copied(bytes: Uint8Array): Uint8Array {
    return this.#checkedBytes(copyOf(bytes));
  }

  /**
   * All messages of a batch, checked. An iterator may use its buffer again for the next message, so
   * its messages are copied at once. No code can change an array's buffers before they are in the
   * ring.
   */
  #collected(messages: Iterable<Data>): Uint8Array[] {
    if (Array.isArray(messages)) {
      const all: Data[] = [...messages];
      for (let i = 0; i < all.length; i++) {
        const data = all[i]!;
        const bytes = this.checked(data);
        all[i] = typeof data === "string" ? copyOf(bytes) : bytes;
      }
      return all as Uint8Array[];
    }
    checkIterable("messages", messages);
    const all: Uint8Array[] = [];
    for (const data of messages) all.push(this.copied(this.checked(data)));
    return all;
  }

  #putSpinning(bytes: Uint8Array, type: number): boolean {
    if (this.put(bytes, type)) return true;
    this.#wantedSpace = recordSpace(byteCount(bytes));
    // The kernel's side may itself need room before it makes room.
    this.#link.settle();
    return this.#spin.until(this) && this.put(bytes, type);
  }

  /** Sends the calls that have room, from the front of the queue. */
  #pump(): void {
    for (const pending of this.#queue) {
      if (!pending.attempt(this)) return;
      this.#leave(pending);
      this.#spin.woke();
      pending.resolve();
    }
  }

  #leave(pending: Queued): void {
    pending.detach();
    this.#queue.delete(pending);
  }

  /**
   * Announces what this side sleeps for: the first call of the queue, or else `space`. Returns true
   * if that holds already. While a reservation keeps back too many records, no room is enough, and
   * only the channel's end wakes the queue.
   */
  #announce(space: number): boolean {
    if (this.#producer.crowded) {
      this.#producer.announceNothing();
      return !this.#link.isOpen();
    }
    const [first] = this.#queue;
    this.#wantedSpace = first?.space ?? space;
    this.#producer.announce(this.#wantedSpace);
    return this.ready();
  }

  #enqueueSend(
    messages: readonly Uint8Array[],
    next: number,
    type: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue(new PendingSend(messages, next, type, resolve, reject), signal);
    });
  }

  /** Returns a claimed reservation, after a breath if one is due. */
  async #later(reservation: Reservation): Promise<Reservation> {
    const breath = this.#link.breathe();
    if (breath === undefined) return reservation;
    await breath;
    if (this.#link.closed) throw this.#link.reason();
    return reservation;
  }

  #enqueue(pending: Queued, signal: AbortSignal | undefined): void {
    this.#queue.add(pending);
    pending.watch(signal, () => {
      this.#leave(pending);
      // The calls behind it may need less room.
      this.wake();
      if (this.#queue.size === 0) this.#link.unwant(POLLOUT);
    });
    if (this.#queue.size === 1) this.wake();
  }
}
