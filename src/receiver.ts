// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel to user: taking messages, and waiting for them.
 *
 * @module
 */

import { CONTROL_END, CONTROL_GAP, ERROR_END, GAP_AT, STATE_BROKEN, STATE_OPEN } from "./abi.ts";
import { checkInteger, checkSignal, checkTimeout, kindOf } from "./arguments.ts";
import { RecordCursor } from "./cursor.ts";
import { KupError } from "./errors.ts";
import { POLLIN } from "./library.ts";
import type { Link, Side } from "./link.ts";
import { DetailedMessage, RecordMessage } from "./message.ts";
import * as forms from "./options.ts";
import { Pending } from "./pending.ts";
import { Consumer, RING_LIE_LENGTH, RING_OK, RING_WAIT, type Visitor } from "./ring.ts";
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

/** How many messages a drain hands out at most, by default, and for how many milliseconds. */
const DEFAULT_DRAIN = 65536;
const LONGEST_DRAIN = 5;

/**
 * How many messages a drain hands out before it first looks at the clock, and between two looks
 * later on. A slow callback is noticed early, and a fast one does not pay for each message.
 */
const FIRST_PART = 4;
const LARGEST_PART = 32;

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

/** The callback of one drain, with its cursor. */
class DrainVisitor implements Visitor {
  readonly #link: Link;
  readonly #cursor: RecordCursor;
  readonly #callback: (message: Cursor) => unknown;

  constructor(link: Link, cursor: RecordCursor, callback: (message: Cursor) => unknown) {
    this.#link = link;
    this.#cursor = cursor;
    this.#callback = callback;
  }

  visit(at: number, type: number, length: number): boolean {
    this.#cursor.move(at, type, length);
    return this.#call();
  }

  visitControl(consumer: Consumer): boolean {
    this.#cursor.moveToControl(consumer);
    return this.#call();
  }

  #call(): boolean {
    const callback = this.#callback;
    const returned = callback(this.#cursor);
    if (returned !== undefined) refusePromise(returned);
    return !this.#link.over;
  }
}

/** The consuming direction of one channel. */
export class Receiver implements Side, Condition {
  readonly #link: Link;
  readonly #consumer: Consumer;
  readonly #spin: Spin;
  readonly #stamped: boolean;
  #pending: PendingReceive | undefined;
  #lock: Lock | undefined;
  #cursor: RecordCursor | undefined;
  /** Set while a drain is in its callbacks. */
  #draining = false;
  #ended = false;
  #peerEnded = false;

  /**
   * @param spin How long to spin at most, in milliseconds.
   * @param controls The kinds of control records that may come: a mask of `1 << kind`.
   */
  constructor(link: Link, spin: number, controls: number) {
    this.#link = link;
    const { toUser, stamped } = link.memory;
    this.#consumer = new Consumer(toUser, controls, 0, stamped);
    this.#stamped = stamped;
    this.#spin = new Spin(link.native, spin);
  }

  /** Whether the kernel's side has closed, or ended its direction, and everything was read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the kernel's side has ended its direction, and everything was read. */
  get peerEnded(): boolean {
    return this.#peerEnded;
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
    return this.#consumer.ready();
  }

  /** For spinning: whether there is something to read, or waiting has no use. */
  ready(): boolean {
    return this.#consumer.ready() || !this.#link.isOpen();
  }

  /** @param options Only for refusing it: this call takes none. */
  tryReceive(options?: object): Message | undefined {
    forms.check(forms.TRY_RECEIVE, options);
    this.#checkFree(undefined);
    return this.#take();
  }

  tryReceiveBatch(options: BatchOptions | undefined): Message[] {
    forms.check(forms.TRY_RECEIVE_BATCH, options);
    const max = checkMax(options);
    const first = this.tryReceive();
    return first === undefined ? [] : this.#gather(first, max);
  }

  drain(callback: (message: Cursor) => void, options: BatchOptions | undefined): number {
    forms.check(forms.DRAIN, options);
    const max = checkMax(options, DEFAULT_DRAIN);
    if (typeof callback !== "function") {
      throw new TypeError(`\`callback\` must be a function, not ${kindOf(callback)}.`);
    }
    this.#checkFree(undefined);
    if (this.#link.over) throw this.#link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    this.#draining = true;
    try {
      const cursor = this.#cursor ??= new RecordCursor(this.#link.memory);
      return this.#handOut(new DrainVisitor(this.#link, cursor, callback), max);
    } finally {
      this.#draining = false;
      this.#cursor?.leave();
      if (!this.#link.over) this.#giveBack();
    }
  }

  /** Hands out messages, until there are none, or enough of them, or until it takes too long. */
  #handOut(visitor: DrainVisitor, max: number): number {
    const { native } = this.#link;
    const consumer = this.#consumer;
    // Without a message the clock need not be read.
    let end = consumer.ready() ? native.kup_user_now() + LONGEST_DRAIN : 0;
    let count = 0;
    let part = FIRST_PART;
    let left = part;
    while (count < max) {
      const walked = this.#peerEnded ? 0 : consumer.walk(visitor, Math.min(left, max - count));
      count += walked;
      left -= walked;
      if (this.#link.over) break;
      if (walked > 0) {
        const result = consumer.publishInTime();
        if (result !== RING_OK || consumer.owesWake) this.#checked(result);
      } else {
        const result = consumer.next();
        if (result !== RING_OK) {
          if (this.#mayGoOn(result, count, end)) continue;
          break;
        }
        if (this.#isEnd()) break;
        count++;
        left--;
        this.#visitOther(visitor);
        if (this.#link.over) break;
      }
      if (left > 0) continue;
      const now = native.kup_user_now();
      if (end === 0) end = now + LONGEST_DRAIN;
      if (now >= end) break;
      left = part = Math.min(2 * part, LARGEST_PART);
    }
    return count;
  }

  /** Hands out what `next` has found: a gap, or the message behind discarded records. */
  #visitOther(visitor: DrainVisitor): void {
    const consumer = this.#consumer;
    if (consumer.control !== 0) visitor.visitControl(consumer);
    else visitor.visit(consumer.at, consumer.type, consumer.length);
    if (!this.#link.over) consumer.pass();
  }

  /** Called when a drain finds no message: whether it looks again. */
  #mayGoOn(result: number, count: number, end: number): boolean {
    const link = this.#link;
    if (result !== RING_WAIT) {
      // The next call reports a lie: the messages before it are good.
      if (count > 0) return false;
      throw link.lieError(result);
    }
    // It has skipped many records, and there are more.
    if (this.#consumer.ready()) return link.native.kup_user_now() < end;
    const state = link.state();
    if (state === STATE_OPEN || this.#ended || count > 0) return false;
    // As in #nothing: what is readable after the state was loaded is the last.
    if (this.#consumer.ready()) return true;
    if (state === STATE_BROKEN) throw link.stateError();
    this.#ended = true;
    return false;
  }

  /** At the end of a drain, also of one that threw: gives all room back. */
  #giveBack(): void {
    const consumer = this.#consumer;
    consumer.pass();
    const result = consumer.publish();
    this.#settleWake();
    if (result !== RING_OK) this.#link.lieError(result);
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
      first === undefined ? [] : this.#gather(first, max);
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
    return first === undefined ? [] : this.#gather(first, max);
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
      let message = timeout === 0 ? this.#take() : this.#takeSpinning(mark);
      if (message !== undefined || this.#ended) return message;
      const left = end - native.kup_user_now();
      if (left > 0 && (mark === undefined || mark.isOver)) this.#consumer.announce();
      // At the timeout, a message is enough.
      if (left <= 0 || mark === undefined || mark.isOver) message = this.#take();
      if (message !== undefined || this.#ended) return message;
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
    if (this.#link.over || !RecordMessage.isHeld(message as RecordMessage)) return;
    const consumer = this.#consumer;
    const result = consumer.release();
    this.#checked(result === RING_OK ? consumer.publish() : result);
  }

  /**
   * Called before a wait on the channel: gives all room back, except that of messages that are
   * still valid.
   */
  settle(): void {
    if (!this.#link.over) this.#checked(this.#consumer.settle());
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
    if (this.#pending !== undefined || this.#lock !== undefined || this.#draining) {
      this.#checkUsers(owner);
    }
  }

  #checkUsers(owner: object | undefined): void {
    if (this.#draining) {
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
      let message = isMarked ? this.#takeMarked(pending.mark!.bytes) : this.#take();
      if (message === undefined && !this.#ended && !isMarked) {
        this.#consumer.announce();
        message = this.#take();
      }
      if (message === undefined && !this.#ended) {
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
      this.#consumer.epoch++;
      this.#cursor?.leave();
    }
    this.#endWait();
    if (this.#link.closed && pending?.owner !== undefined) pending.resolve(undefined);
    else pending?.reject(error);
  }

  /** Takes the next message; undefined if there is none. Throws when the channel is over. */
  #take(): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    const result = consumer.next();
    if (consumer.owesWake) this.#settleWake();
    return result === RING_OK ? this.#message() : this.#nothing(result);
  }

  /** Announces a sleep for so many bytes, and takes a message if the sleep would end at once. */
  #takeMarked(bytes: number): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    this.#checked(consumer.settle());
    consumer.announceBytes(bytes);
    // Only the kernel's side knows where its first unfinished record lies, and if it lacks room.
    return link.reports(POLLIN) ? this.#take() : undefined;
  }

  /** A wait for a mark does not spin: it is long. */
  #takeSpinning(mark?: Watermark): Message | undefined {
    if (mark !== undefined) return mark.isOver ? this.#take() : this.#takeMarked(mark.bytes);
    const message = this.#take();
    if (message !== undefined || this.#ended || !this.#spin.until(this)) return message;
    return this.#take();
  }

  #nothing(result: number): Message | undefined {
    const link = this.#link;
    if (result !== RING_WAIT) throw link.lieError(result);
    const state = link.state();
    if (state === STATE_OPEN) return undefined;
    // The kernel published all records before the state, so the records that are readable now are
    // the last ones. A look that has skipped many records may not have reached a message yet.
    const consumer = this.#consumer;
    let last = consumer.next();
    while (last === RING_WAIT && consumer.ready()) last = consumer.next();
    if (last === RING_OK) return this.#message();
    if (last !== RING_WAIT) throw link.lieError(last);
    if (state === STATE_BROKEN) throw link.stateError();
    this.#ended = true;
    return undefined;
  }

  /** The message that the consumer has reached; undefined if that is the end. */
  #message(): Message | undefined {
    const { memory } = this.#link;
    const consumer = this.#consumer;
    if (this.#isPlain()) return new RecordMessage(memory, consumer);
    return this.#isEnd() ? undefined : new DetailedMessage(memory, consumer);
  }

  /** Whether the record is a message without a stamp, which costs less. */
  #isPlain(): boolean {
    return this.#consumer.control === 0 && !this.#stamped && !this.#peerEnded;
  }

  /** Whether a record is the kernel's END, which the next release gives back. Throws at a lie. */
  #isEnd(): boolean {
    const { control, length } = this.#consumer;
    const isEnd = control === CONTROL_END;
    if (this.#peerEnded || (isEnd && length > 0)) throw this.#link.breakBy(ERROR_END);
    if (control === CONTROL_GAP && length < GAP_AT.SIZE) throw this.#link.lieError(RING_LIE_LENGTH);
    if (isEnd) this.#ended = this.#peerEnded = true;
    return isEnd;
  }

  #gather(first: Message, max: number): Message[] {
    const messages = [first];
    const consumer = this.#consumer;
    try {
      while (messages.length < max && consumer.next() === RING_OK) {
        const message = this.#message();
        if (message === undefined) break;
        messages.push(message);
      }
    } catch {
      // The next receive reports a lie: the messages before it are good.
    }
    this.#settleWake();
    return messages;
  }

  /** Called after the consumer gave room back: wakes the kernel's side if it waits for room. */
  #checked(result: number): void {
    this.#settleWake();
    if (result !== RING_OK) throw this.#link.lieError(result);
  }

  #settleWake(): void {
    if (!this.#consumer.owesWake) return;
    this.#consumer.owesWake = false;
    this.#link.kick();
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
      if (message !== undefined || this.#ended) return Promise.resolve(result(message));
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
    return owner !== undefined && mark !== undefined ? this.#take() : this.#takeSpinning(mark);
  }

  /** Called after the breath. */
  #resume(pending: PendingReceive): void {
    if (pending !== this.#pending) return;
    if (this.#isLeft(pending)) return this.cancel(pending.owner!);
    try {
      const message = this.#takeFirst(pending.owner, pending.mark);
      if (message === undefined && !this.#ended) return this.wake();
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

/** An async callback would use the cursor when it is at another message. */
function refusePromise(returned: unknown): void {
  if (typeof (returned as PromiseLike<unknown> | null)?.then !== "function") return;
  throw new TypeError(
    "The callback of drain has returned a promise, and its message is valid until it returns " +
      "only; copy what is needed later, or use `for await`.",
  );
}
