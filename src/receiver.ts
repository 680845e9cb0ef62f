// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel to user: waiting for messages, and who may receive them.
 *
 * @module
 */

import { checkInteger, checkSignal, checkTimeout, kindOf } from "./arguments.ts";
import { KupError } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import { POLLIN } from "./library.ts";
import type { Link, Side } from "./link.ts";
import { RecordMessage } from "./message.ts";
import * as forms from "./options.ts";
import { Pending } from "./pending.ts";
import { type Condition, Spin } from "./spin.ts";
import type {
  AsyncBatchOptions,
  BatchOptions,
  Cursor,
  Message,
  SyncBatchOptions,
  SyncWaitOptions,
  WaitOptions,
  WatermarkOptions,
} from "./types.ts";
import { type Watermark, Watermarks } from "./watermark.ts";

const DEFAULT_BATCH = 256;

/** The default with a watermark: more messages than a ring has room for. */
const ALL = 2 ** 32;

/** How many messages a drain hands out at most, by default. */
const DEFAULT_DRAIN = 65536;

/** A receive that has found no message. */
class PendingReceive extends Pending {
  /** Gets a message, or undefined at the end of the channel. */
  readonly resolve: (message: Message | undefined) => void;
  /** The loop or stream that waits, for which this side's close is an end like any other. */
  readonly owner: object | undefined;
  /** What it sleeps for, if not for any message. */
  readonly mark: Watermark | undefined;
  /** Whether the waiter has been asked for a wake-up at the mark's end. */
  hasAlarm = false;

  constructor(
    resolve: (message: Message | undefined) => void,
    reject: (error: unknown) => void,
    owner: object | undefined,
    mark: Watermark | undefined,
  ) {
    super(reject);
    this.resolve = resolve;
    this.owner = owner;
    this.mark = mark;
  }
}

/** A stream, which keeps all other consumers out while it is locked. */
export interface Lock {
  readonly locked: boolean;
}

/** The consuming direction of one channel. */
export class Receiver implements Side, Condition {
  readonly #link: Link;
  readonly #inbox: Inbox;
  readonly #spin: Spin;
  #pending: PendingReceive | undefined;
  #lock: Lock | undefined;

  /**
   * @param spin How long to spin at most, in milliseconds.
   * @param controls The kinds of control records that may come: a mask of `1 << kind`.
   */
  constructor(link: Link, spin: number, controls: number) {
    this.#link = link;
    this.#inbox = new Inbox(link, controls);
    this.#spin = new Spin(link.native, spin);
  }

  /** Whether the kernel's side has closed, or ended its direction, and everything was read. */
  get ended(): boolean {
    return this.#inbox.ended;
  }

  /** Whether the kernel's side has ended its direction, and everything was read. */
  get peerEnded(): boolean {
    return this.#inbox.peerEnded;
  }

  /** Whether this side has closed the channel. */
  get closed(): boolean {
    return this.#link.closed;
  }

  /** Whether a receive waits, of any form or owner. */
  get waits(): boolean {
    return this.#pending !== undefined;
  }

  /** Whether something may be read now. */
  get readable(): boolean {
    return this.#inbox.ready();
  }

  /** For spinning: whether there is something to read, or waiting has no use. */
  ready(): boolean {
    return this.#inbox.ready() || !this.#link.isOpen();
  }

  /** @param options Only for refusing it: this call takes none. */
  tryReceive(options?: object): Message | undefined {
    forms.check(forms.TRY_RECEIVE, options);
    this.#checkFree(undefined);
    return this.#inbox.take();
  }

  tryReceiveBatch(options: BatchOptions | undefined): Message[] {
    forms.check(forms.TRY_RECEIVE_BATCH, options);
    const max = checkMax(options);
    const first = this.tryReceive();
    return first === undefined ? [] : this.#inbox.gather(first, max);
  }

  drain(callback: (message: Cursor) => void, options: BatchOptions | undefined): number {
    forms.check(forms.DRAIN, options);
    const max = checkMax(options, DEFAULT_DRAIN);
    if (typeof callback !== "function") {
      throw new TypeError(`\`callback\` must be a function, not ${kindOf(callback)}.`);
    }
    this.#checkFree(undefined);
    return this.#inbox.drain(callback, max);
  }

  /** For iteration: receives a message if that needs no waiting. */
  quickReceive(): Message | undefined {
    return this.#link.breath.due ? undefined : this.tryReceive();
  }

  receive(options: WaitOptions | undefined): Promise<Message | undefined> {
    try {
      forms.check(forms.RECEIVE, options);
      const signal = checkSignal(options?.signal);
      return this.#receive(signal, same, undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes the other messages in the same step as the first: later, other calls may have come in
   * between.
   */
  receiveBatch(options: AsyncBatchOptions | undefined): Promise<Message[]> {
    const all = (max: number) => (first: Message | undefined) =>
      first === undefined ? [] : this.#inbox.gather(first, max);
    try {
      forms.check(forms.RECEIVE_BATCH, options);
      const signal = checkSignal(options?.signal);
      const marks = this.watermarks(options);
      const max = checkMax(options, marks === undefined ? DEFAULT_BATCH : ALL);
      return this.#receive(signal, all(max), undefined, marks?.begin());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  receiveBatchSync(options: SyncBatchOptions | undefined): Message[] {
    forms.check(forms.RECEIVE_BATCH_SYNC, options);
    const marks = this.watermarks(options);
    const max = checkMax(options, marks === undefined ? DEFAULT_BATCH : ALL);
    const first = this.#block(checkTimeout(options?.timeout), marks?.begin());
    return first === undefined ? [] : this.#inbox.gather(first, max);
  }

  /** Checks `minBytes` and `within`. */
  watermarks(options: WatermarkOptions | undefined): Watermarks | undefined {
    return Watermarks.from(this.#link.native, this.#link.memory.toUser.size, options);
  }

  /**
   * As `receive`, for loops, streams and layers.
   *
   * @param owner For {@linkcode Receiver.cancel}. For an owner, this side's own close is an end
   * like any other.
   * @param result Called in the step that takes the message, since later other calls may have
   * released it. It gets undefined at the end, and after a cancel.
   * @param mark What to sleep for. An owner takes what is there first, and sleeps when there is
   * nothing.
   */
  receiveFor<T>(
    owner: object | undefined,
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
    mark?: Watermark,
  ): Promise<T> {
    try {
      if (this.#link.closed && owner !== undefined) return Promise.resolve(result(undefined));
      return this.#receive(signal, result, owner, mark);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  receiveSync(options: SyncWaitOptions | undefined): Message | undefined {
    forms.check(forms.RECEIVE_SYNC, options);
    return this.#block(checkTimeout(options?.timeout), undefined);
  }

  /** @param timeout In milliseconds; -1 for no limit. */
  #block(timeout: number, mark: Watermark | undefined): Message | undefined {
    const { native } = this.#link;
    const end = timeout < 0 ? Infinity : native.kup_user_now() + timeout;
    for (;;) {
      this.#checkFree(undefined);
      let message = timeout === 0 ? this.#inbox.take() : this.#takeSpinning(mark);
      if (message !== undefined || this.#inbox.ended) return message;
      const left = end - native.kup_user_now();
      if (left > 0 && (mark === undefined || mark.isOver)) this.#inbox.announce();
      // At the timeout, a message is enough.
      if (left <= 0 || mark === undefined || mark.isOver) message = this.#inbox.take();
      if (message !== undefined || this.#inbox.ended) return message;
      if (left <= 0) {
        throw new KupError("timed-out", `${this.#link.subject}: No message within ${timeout} ms.`);
      }
      const sleep = Math.min(left, timeToMark(native.kup_user_now(), mark));
      this.#link.block(POLLIN, sleep === Infinity ? -1 : sleep);
      this.#spin.woke();
    }
  }

  /**
   * Called at the end of a loop: gives its last message back, unless another call has received
   * since.
   */
  releaseMessage(message: Message): void {
    if (!this.#link.over && RecordMessage.isHeld(message as RecordMessage)) this.#inbox.release();
  }

  /**
   * Called before a wait on the channel: gives all room back, except that of messages that are
   * still valid.
   */
  settle(): void {
    this.#inbox.settle();
  }

  /** Ends the owner's wait, if it waits. */
  cancel(owner: object): void {
    const pending = this.#pending;
    if (pending === undefined || pending.owner !== owner) return;
    this.#endWait();
    pending.resolve(undefined);
  }

  /** While `lock` is locked, only its own waits receive. Undefined removes the lock. */
  setLock(lock: Lock | undefined): void {
    this.#lock = lock;
  }

  /**
   * Whether a stream's wait continues although its reader has released the lock. Then it must not
   * receive.
   */
  #isLeft(pending: PendingReceive): boolean {
    const lock = this.#lock;
    return lock !== undefined && pending.owner === lock && !lock.locked;
  }

  /** Throws unless this owner may receive now. */
  #checkFree(owner: object | undefined): void {
    if (this.#pending !== undefined || this.#lock !== undefined || this.#inbox.draining) {
      this.#checkUsers(owner);
    }
  }

  #checkUsers(owner: object | undefined): void {
    if (this.#inbox.draining) {
      throw this.#busy("The channel is being drained; receive after the callback has returned");
    }
    const lock = this.#lock;
    if (lock !== undefined && lock !== owner) {
      if (lock.locked) {
        throw this.#busy(
          "The stream `readable` is locked; read from that, or release its lock first",
        );
      }
      this.cancel(lock);
    }
    if (this.#pending !== undefined) {
      throw this.#busy("Another receive is waiting; await it first");
    }
  }

  /** Looks once for a message, for the receive that waits. */
  wake(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (this.#isLeft(pending)) return this.cancel(pending.owner!);
    try {
      const isMarked = pending.mark?.isOver === false;
      let message = isMarked ? this.#inbox.takeMarked(pending.mark!.bytes) : this.#inbox.take();
      if (message === undefined && !this.#inbox.ended && !isMarked) {
        this.#inbox.announce();
        message = this.#inbox.take();
      }
      if (message === undefined && !this.#inbox.ended) {
        this.#link.want(POLLIN);
        if (isMarked && !pending.hasAlarm) {
          pending.hasAlarm = true;
          this.#link.alarm(pending.mark!.end);
        }
        return;
      }
      this.#spin.woke();
      this.#endWait();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Called when the channel is closed or broken, or can't be waited for. */
  fail(error: unknown): void {
    const pending = this.#pending;
    if (this.#link.closed) {
      this.#inbox.invalidate();
    }
    this.#endWait();
    if (this.#link.closed && pending?.owner !== undefined) pending.resolve(undefined);
    else pending?.reject(error);
  }

  /** A wait for a mark does not spin: it is long. */
  #takeSpinning(mark?: Watermark): Message | undefined {
    if (mark !== undefined) {
      return mark.isOver ? this.#inbox.take() : this.#inbox.takeMarked(mark.bytes);
    }
    const message = this.#inbox.take();
    if (message !== undefined || this.#inbox.ended || !this.#spin.until(this)) return message;
    return this.#inbox.take();
  }

  /**
   * If a breath is due, a receive waits like one that has found nothing: another call could release
   * a message that was taken before the breath.
   */
  #receive<T>(
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
    owner: object | undefined,
    mark?: Watermark,
  ): Promise<T> {
    this.#checkFree(owner);
    if (signal?.aborted) throw signal.reason;
    if (this.#link.over) throw this.#link.reason();
    const breath = this.#link.breathe();
    if (breath === undefined) {
      const message = this.#takeFirst(owner, mark);
      if (message !== undefined || this.#inbox.ended) return Promise.resolve(result(message));
    }
    return new Promise((resolve, reject) => {
      const settle = (message: Message | undefined) => {
        try {
          resolve(result(message));
        } catch (error) {
          reject(error);
        }
      };
      const pending = new PendingReceive(settle, reject, owner, mark);
      pending.watch(signal, () => this.#endWait());
      this.#pending = pending;
      if (breath === undefined) this.wake();
      else breath.then(() => this.#resume(pending), (error) => this.fail(error));
    });
  }

  /** For streams: what is there needs no sleep, so it needs no mark. */
  #takeFirst(owner: object | undefined, mark: Watermark | undefined): Message | undefined {
    return owner !== undefined && mark !== undefined
      ? this.#inbox.take()
      : this.#takeSpinning(mark);
  }

  /** Called after the breath. */
  #resume(pending: PendingReceive): void {
    if (pending !== this.#pending) return;
    if (this.#isLeft(pending)) return this.cancel(pending.owner!);
    try {
      const message = this.#takeFirst(pending.owner, pending.mark);
      if (message === undefined && !this.#inbox.ended) return this.wake();
      this.#endWait();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Called when no receive waits any more. */
  #endWait(): void {
    const pending = this.#pending;
    pending?.detach();
    this.#pending = undefined;
    if (this.#link.closed) return;
    this.#link.unwant(POLLIN);
    if (pending?.hasAlarm) this.#link.alarm(Infinity);
  }

  #busy(why: string): KupError {
    return new KupError("busy", `${this.#link.subject}: ${why}.`);
  }
}

function same(message: Message | undefined): Message | undefined {
  return message;
}

/** The milliseconds from `now` to the end of a mark that is not over; otherwise Infinity. */
function timeToMark(now: number, mark: Watermark | undefined): number {
  return mark !== undefined && mark.end > now ? mark.end - now : Infinity;
}

/** Checks the `max` option. */
export function checkMax(options: BatchOptions | undefined, most = DEFAULT_BATCH): number {
  const max = options?.max;
  return max === undefined ? most : checkInteger("max", max, 1, 2 ** 32);
}
