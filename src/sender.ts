// SPDX-License-Identifier: BSD-3-Clause
/**
 * User to kernel: sending, and waiting for room.
 *
 * @module
 */

import { RECORD_DISCARD, RECORD_PASS, RECORD_RESERVE } from "./abi.ts";
import {
  byteCount,
  checkInteger,
  checkIterable,
  checkSignal,
  checkTimeout,
  checkType,
  copyOf,
  offAbort,
  onAbort,
  toBytes,
  tooLong,
} from "./arguments.ts";
import { KupError } from "./errors.ts";
import { POLLOUT } from "./library.ts";
import type { Link, Side } from "./link.ts";
import * as forms from "./options.ts";
import { Producer, recordSpace, RING_OK, RING_WAIT } from "./ring.ts";
import { type Condition, Spin } from "./spin.ts";
import type {
  AsyncSendOptions,
  CommitOptions,
  Data,
  Reservation,
  SendOptions,
  SyncSendOptions,
  SyncWaitOptions,
  WaitOptions,
} from "./types.ts";

/** The payload of a record that only passes the turn. */
const NOTHING = new Uint8Array(0);

/** For all who don't have to wait. */
const DONE: Promise<void> = Promise.resolve();

/** Something that stands in the queue because there was no room for it. */
abstract class Pending {
  readonly reject: (error: unknown) => void;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(reject: (error: unknown) => void) {
    this.reject = reject;
  }

  /** What it waits for, in bytes of the ring. */
  abstract get space(): number;
  /** Takes as much room as it can; true when it needs no more. */
  abstract attempt(sender: Sender): boolean;
  /** Tells its owner that it is done. */
  abstract resolve(): void;

  /** Calls `cancel` when the signal is aborted, and then rejects. */
  watch(signal: AbortSignal | undefined, cancel: () => void): void {
    if (signal === undefined) return;
    this.#signal = signal;
    this.#onAbort = () => {
      cancel();
      this.reject(signal.reason);
    };
    onAbort(signal, this.#onAbort);
  }

  /** It is about to be settled. */
  detach(): void {
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort!);
  }
}

/** One or several messages, sent in this order. */
class PendingSend extends Pending {
  readonly resolve: () => void;
  readonly #messages: readonly Uint8Array[];
  readonly #type: number;
  readonly #flags: number;
  #next: number;

  constructor(
    messages: readonly Uint8Array[],
    next: number,
    type: number,
    flags: number,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    super(reject);
    this.resolve = resolve;
    this.#messages = messages;
    this.#next = next;
    this.#type = type;
    this.#flags = flags;
  }

  get space(): number {
    return recordSpace(this.#messages[this.#next]?.length ?? 0);
  }

  attempt(sender: Sender): boolean {
    for (; this.#next < this.#messages.length; this.#next++) {
      if (!sender.put(this.#messages[this.#next]!, this.#type, this.#flags)) return false;
    }
    return true;
  }
}

class PendingReserve extends Pending {
  readonly #resolve: (reservation: Reservation) => void;
  readonly #length: number;
  #reservation: Reservation | undefined;

  constructor(
    length: number,
    resolve: (reservation: Reservation) => void,
    reject: (error: unknown) => void,
  ) {
    super(reject);
    this.#resolve = resolve;
    this.#length = length;
  }

  get space(): number {
    return recordSpace(this.#length);
  }

  attempt(sender: Sender): boolean {
    this.#reservation = sender.claim(this.#length);
    return this.#reservation !== undefined;
  }

  resolve(): void {
    this.#resolve(this.#reservation!);
  }
}

/** Whom a reservation tells that it is done. */
interface Owner {
  committed(): void;
  discarded(): void;
}

/** A BUSY record of ours. */
class OpenReservation implements Reservation {
  readonly length: number;
  readonly #link: Link;
  readonly #producer: Producer;
  readonly #position: number;
  readonly #owner: Owner;
  #view: Uint8Array<ArrayBuffer> | undefined;
  #done = false;

  constructor(link: Link, producer: Producer, length: number, owner: Owner) {
    this.#owner = owner;
    this.length = length;
    this.#link = link;
    this.#producer = producer;
    this.#position = producer.position;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#check();
    // It is empty all of a sudden when somebody has transferred its buffer.
    if (this.#view?.length !== this.length) {
      const at = this.#producer.payloadAt(this.#position);
      this.#view = this.#link.memory.view(at, this.length);
    }
    return this.#view;
  }

  commit(options?: CommitOptions): void {
    forms.check(forms.COMMIT, options);
    const type = checkType(options?.type);
    const length = options?.length ?? this.length;
    checkInteger("length", length, 0, this.length);
    this.#check();
    if (!this.#link.isOpen()) throw this.#link.stateError();
    this.#finish(length, type, 0);
    this.#owner.committed();
  }

  discard(): void {
    if (this.#done || this.#link.over) return;
    this.#finish(this.length, 0, RECORD_DISCARD);
    this.#owner.discarded();
  }

  [Symbol.dispose](): void {
    this.discard();
  }

  #check(): void {
    if (this.#done) {
      throw new KupError(
        "released",
        "This reservation was committed or discarded; make a new one.",
      );
    }
    if (this.#link.over) throw this.#link.reason();
  }

  #finish(length: number, type: number, flags: number): void {
    this.#done = true;
    this.#producer.commit(this.#position, this.length, length, type, flags);
    if (this.#producer.wakes) this.#link.kick();
  }
}

/** The producing direction of one channel. */
export class Sender implements Side, Condition {
  /** The longest message, in bytes. */
  readonly maxMessage: number;

  readonly #link: Link;
  readonly #producer: Producer;
  readonly #spin: Spin;
  readonly #turns: boolean;
  readonly #skipPasses: () => void;
  readonly #turnKept: () => void;
  /** In the order of the calls. What stands here keeps everything later out of the ring. */
  readonly #queue = new Set<Pending>();
  /** What `ready` asks for, in bytes of the ring. */
  #wantedSpace = 0;

  /**
   * @param spin The longest time to look before sleeping, in milliseconds.
   * @param skipPasses Called when a turn is taken, before it is passed.
   * @param turnKept Called when somebody who would have passed the turn does not.
   */
  constructor(link: Link, spin: number, skipPasses: () => void, turnKept: () => void) {
    this.#turns = link.memory.turns;
    this.#skipPasses = skipPasses;
    this.#turnKept = turnKept;
    this.maxMessage = link.memory.toKernel.size - RECORD_RESERVE;
    this.#link = link;
    this.#producer = new Producer(link.memory.toKernel);
    this.#spin = new Spin(link.native, spin);
  }

  /** For the spinning: there is room, or no use to wait. */
  ready(): boolean {
    return this.#producer.room(this.#wantedSpace) !== RING_WAIT || !this.#link.isOpen();
  }

  /** Turn mode: whose turn it is. */
  get turn(): "kernel" | "user" | undefined {
    if (!this.#turns || this.#link.over) return undefined;
    return this.#producer.turn() === RING_OK ? "user" : "kernel";
  }

  /**
   * Turn mode, for a receiver that has found nothing: nothing can come, because it is this side's turn and
   * nobody will use it.
   *
   * @param blocking Whether this thread is about to block: then nobody commits what is reserved.
   */
  stuck(blocking: boolean): boolean {
    const producer = this.#producer;
    if (producer.turn() !== RING_OK) return false;
    if (producer.taken) return blocking;
    // Whoever stands in the queue is not woken while this thread blocks.
    if (this.#queue.size > 0) this.wake();
    // The first of them may have reserved.
    if (producer.taken) return blocking;
    return this.#queue.size === 0 && producer.turn() === RING_OK;
  }

  /** Turn mode: somebody waits here who has to be woken, too. */
  get waits(): boolean {
    return this.#turns && this.#queue.size > 0;
  }

  pass(options: WaitOptions | undefined): Promise<void> {
    try {
      this.#checkTurns();
      forms.check(forms.PASS, options);
      const signal = checkSignal(options?.signal);
      if (signal?.aborted) return Promise.reject(signal.reason);
      return this.#sendChecked(NOTHING, 0, RECORD_PASS, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param options Only to be refused: it takes none. */
  tryPass(options?: object): boolean {
    this.#checkTurns();
    forms.check(forms.TRY_PASS, options);
    if (this.#link.over) throw this.#link.reason();
    return this.#queue.size === 0 && this.put(NOTHING, 0, RECORD_PASS);
  }

  passSync(options: SyncWaitOptions | undefined): void {
    this.#checkTurns();
    forms.check(forms.PASS_SYNC, options);
    this.#sendCheckedSync(NOTHING, 0, RECORD_PASS, checkTimeout(options?.timeout));
  }

  #checkTurns(): void {
    if (this.#link.closed) throw this.#link.reason();
    if (this.#turns) return;
    throw new TypeError(
      `${this.#link.subject}: This is a stream channel; it has no turns to pass.`,
    );
  }

  trySend(data: Data, options: SendOptions | undefined): boolean {
    forms.check(forms.TRY_SEND, options);
    const type = checkType(options?.type);
    const bytes = this.#checked(data);
    if (this.#link.over) throw this.#link.reason();
    return this.#queue.size === 0 && this.put(bytes, type);
  }

  send(data: Data, options: AsyncSendOptions | undefined): Promise<void> {
    try {
      forms.check(forms.SEND, options);
      const signal = checkSignal(options?.signal);
      const type = checkType(options?.type);
      const bytes = this.#checked(data);
      if (signal?.aborted) return Promise.reject(signal.reason);
      return this.#sendChecked(bytes, type, 0, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #sendChecked(
    bytes: Uint8Array,
    type: number,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#link.over) throw this.#link.reason();
    if (this.#queue.size === 0 && this.#putSpinning(bytes, type, flags)) {
      return this.#link.breath.take() ?? DONE;
    }
    return this.#enqueueSend([this.#copied(bytes)], 0, type, flags, signal);
  }

  sendBatch(messages: Iterable<Data>, options: AsyncSendOptions | undefined): Promise<void> {
    try {
      forms.check(forms.SEND_BATCH, options);
      const signal = checkSignal(options?.signal);
      const type = checkType(options?.type);
      const all = this.#collected(messages);
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (this.#link.over) throw this.#link.reason();
      let next = 0;
      if (this.#queue.size === 0) {
        while (next < all.length && this.put(all[next]!, type)) next++;
      }
      if (next === all.length) return this.#link.breath.take() ?? DONE;
      for (let i = next; i < all.length; i++) all[i] = this.#copied(all[i]!);
      return this.#enqueueSend(all, next, type, 0, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendSync(data: Data, options: SyncSendOptions | undefined): void {
    forms.check(forms.SEND_SYNC, options);
    const type = checkType(options?.type);
    const timeout = checkTimeout(options?.timeout);
    this.#sendCheckedSync(this.#checked(data), type, 0, timeout);
  }

  #sendCheckedSync(bytes: Uint8Array, type: number, flags: number, timeout: number): void {
    const end = timeout < 0 ? Infinity : this.#link.native.kup_user_now() + timeout;
    for (;;) {
      if (this.#link.over) throw this.#link.reason();
      if (this.#producer.taken) throw this.#reserved();
      this.#pump();
      if (this.#queue.size === 0) {
        if (timeout === 0 ? this.put(bytes, type, flags) : this.#putSpinning(bytes, type, flags)) {
          return;
        }
      }
      const left = end - this.#link.native.kup_user_now();
      if (left <= 0) {
        const what = this.#turns ? "No turn" : "No room";
        throw new KupError("timed-out", `${this.#link.subject}: ${what} within ${timeout} ms.`);
      }
      if (this.#announce(recordSpace(byteCount(bytes)))) continue;
      this.#link.block(POLLOUT, left === Infinity ? -1 : left);
      this.#spin.woke();
    }
  }

  reserve(length: number, options: WaitOptions | undefined): Promise<Reservation> {
    try {
      forms.check(forms.RESERVE, options);
      const signal = checkSignal(options?.signal);
      this.#checkLength(length);
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

  /** @param options Only to be refused: it takes none. */
  tryReserve(length: number, options?: object): Reservation | undefined {
    forms.check(forms.TRY_RESERVE, options);
    this.#checkLength(length);
    if (this.#link.over) throw this.#link.reason();
    return this.#queue.size === 0 ? this.claim(length) : undefined;
  }

  /** Places a message that was checked, if there is room and the channel is open. */
  put(bytes: Uint8Array, type: number, flags = 0): boolean {
    const link = this.#link;
    if (link.over) throw link.reason();
    if (!link.isOpen()) throw link.stateError();
    const producer = this.#producer;
    const length = byteCount(bytes);
    let result = RING_OK;
    if (this.#turns) {
      // One look: a turn that came after it would be passed on with its passes left in the ring.
      result = producer.room(recordSpace(length));
      // Now: afterwards there may be the kernel's answer, which is for the next receive.
      if (result === RING_OK) this.#skipPasses();
    }
    if (result === RING_OK) result = producer.put(bytes, type, length, flags);
    if (result === RING_OK) {
      if (producer.wakes) link.kick();
      return true;
    }
    if (result !== RING_WAIT) throw link.lieError(result);
    return false;
  }

  /** Claims a record of a length that was checked, if there is room and the channel is open. */
  claim(length: number): Reservation | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    if (!link.isOpen()) throw link.stateError();
    const result = this.#producer.reserve(length);
    if (result === RING_WAIT) return undefined;
    if (result !== RING_OK) throw link.lieError(result);
    if (this.#turns) this.#skipPasses();
    return new OpenReservation(link, this.#producer, length, this);
  }

  /** What a reservation has held up goes on; poll would not tell. */
  committed(): void {
    if (this.#turns && this.#queue.size > 0) this.wake();
  }

  /** The same; and in turn mode the turn is still there. */
  discarded(): void {
    if (this.#queue.size > 0) this.wake();
    if (this.#turns) this.#turnKept();
  }

  #reserved(): KupError {
    return new KupError(
      "busy",
      `${this.#link.subject}: A reservation has the turn; commit or discard it first.`,
    );
  }

  /** One look on behalf of the queue. */
  wake(): void {
    try {
      do this.#pump(); while (this.#queue.size > 0 && this.#announce(0));
      // While a reservation has the turn, poll would say at once that it is there.
      if (this.#queue.size > 0) {
        if (this.#producer.taken) this.#link.hold();
        else this.#link.want(POLLOUT);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** The link is closed or broken, or can't be waited for. */
  fail(error: unknown): void {
    const all = [...this.#queue];
    this.#queue.clear();
    if (!this.#link.closed) this.#link.unwant(POLLOUT);
    for (const pending of all) {
      pending.detach();
      pending.reject(error);
    }
  }

  #checked(data: Data): Uint8Array {
    return this.#notTooLong(toBytes(data));
  }

  #notTooLong<T extends Uint8Array>(bytes: T): T {
    const length = byteCount(bytes);
    if (length <= this.maxMessage) return bytes;
    throw tooLong(length, this.maxMessage, this.#link.memory.toKernel.size);
  }

  #checkLength(length: number): void {
    if (Number.isInteger(length) && length > this.maxMessage) {
      throw tooLong(length, this.maxMessage, this.#link.memory.toKernel.size);
    }
    checkInteger("length", length, 0, this.maxMessage);
  }

  /** Checked once more, because shared memory may have grown meanwhile. */
  #copied(bytes: Uint8Array): Uint8Array {
    return this.#notTooLong(copyOf(bytes));
  }

  /**
   * All of a batch, checked. An iterator may use its buffer again for the next message, so what it gives is
   * copied at once; an array's buffers nobody can change before they are in the ring.
   */
  #collected(messages: Iterable<Data>): Uint8Array[] {
    if (Array.isArray(messages)) {
      const all: Data[] = [...messages];
      return all.map((data) => {
        const bytes = this.#checked(data);
        return typeof data === "string" ? copyOf(bytes) : bytes;
      });
    }
    checkIterable("messages", messages);
    const all: Uint8Array[] = [];
    for (const data of messages) all.push(this.#copied(this.#checked(data)));
    return all;
  }

  #putSpinning(bytes: Uint8Array, type: number, flags: number): boolean {
    if (this.put(bytes, type, flags)) return true;
    this.#wantedSpace = recordSpace(byteCount(bytes));
    return this.#spin.until(this) && this.put(bytes, type, flags);
  }

  /** Places what fits, from the front of the queue. */
  #pump(): void {
    for (const pending of this.#queue) {
      if (!pending.attempt(this)) return;
      this.#queue.delete(pending);
      this.#spin.woke();
      pending.detach();
      pending.resolve();
    }
  }

  /** Says what we sleep for: the first in the queue, or else `space`. True if it is there already. */
  #announce(space: number): boolean {
    const [first] = this.#queue;
    this.#wantedSpace = first?.space ?? space;
    this.#producer.announce(this.#wantedSpace);
    return this.ready();
  }

  #enqueueSend(
    messages: readonly Uint8Array[],
    next: number,
    type: number,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue(new PendingSend(messages, next, type, flags, resolve, reject), signal);
    });
  }

  /** Claimed, but with a turn for the event loop first, if that had none for a while. */
  async #later(reservation: Reservation): Promise<Reservation> {
    const breath = this.#link.breath.take();
    if (breath === undefined) return reservation;
    await breath;
    if (this.#link.closed) throw this.#link.reason();
    return reservation;
  }

  #enqueue(pending: Pending, signal: AbortSignal | undefined): void {
    this.#queue.add(pending);
    pending.watch(signal, () => {
      pending.detach();
      this.#queue.delete(pending);
      // Those behind it may need less room than it did.
      this.wake();
      if (this.#queue.size === 0) this.#link.unwant(POLLOUT);
      if (this.#turns) this.#turnKept();
    });
    if (this.#queue.size === 1) this.wake();
  }
}
