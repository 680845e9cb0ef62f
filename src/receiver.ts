// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel to user: taking messages, and waiting for them.
 *
 * @module
 */

import {
  GAP_AT,
  RECORD_DISCARD,
  RECORD_GAP,
  RECORD_PASS,
  STATE_BROKEN,
  STATE_OPEN,
} from "./abi.ts";
import { checkInteger, checkSignal, checkTimeout, offAbort, onAbort } from "./arguments.ts";
import { KupError } from "./errors.ts";
import { POLLIN, POLLOUT } from "./library.ts";
import type { Link, Side } from "./link.ts";
import { RecordMessage } from "./message.ts";
import * as forms from "./options.ts";
import { Consumer, RING_LIE_LENGTH, RING_OK, RING_WAIT } from "./ring.ts";
import type { Sender } from "./sender.ts";
import { type Condition, Spin } from "./spin.ts";
import type { BatchOptions, Message, SyncWaitOptions, WaitOptions } from "./types.ts";

const DEFAULT_BATCH = 256;

/** A receive that has found nothing. */
class PendingReceive {
  /** Gets a message, or undefined at the end of the channel. */
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (error: unknown) => void;
  /** The loop or stream that waits: to it, this side's close is the end, too. */
  readonly owner: object | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor(
    resolve: (message: Message | undefined) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
    cancel: () => void,
    owner: object | undefined,
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.owner = owner;
    this.#signal = signal;
    if (signal === undefined) return;
    this.#onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    onAbort(signal, this.#onAbort);
  }

  /** It is about to be settled. */
  detach(): void {
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort!);
  }
}

/** A stream, which keeps all other consumers out while it is locked. */
export interface Lock {
  readonly locked: boolean;
}

/** The consuming direction of one channel. */
export class Receiver implements Side, Condition {
  readonly #link: Link;
  readonly #consumer: Consumer;
  readonly #spin: Spin;
  /** The other direction, which tells in turn mode whether anything can come. */
  readonly #sender: Pick<Sender, "stuck" | "waits">;
  #pending: PendingReceive | undefined;
  #lock: Lock | undefined;
  #ended = false;

  /** @param spin The longest time to look before sleeping, in milliseconds. */
  constructor(link: Link, spin: number, sender: Pick<Sender, "stuck" | "waits">) {
    this.#link = link;
    const { toUser, turns } = link.memory;
    this.#consumer = new Consumer(toUser, RECORD_DISCARD | (turns ? RECORD_PASS : RECORD_GAP));
    this.#spin = new Spin(link.native, spin);
    this.#sender = sender;
  }

  /** Turn mode: the turn was taken, so what only passed it has done its work. */
  skipPasses(): void {
    const consumer = this.#consumer;
    while (this.#pending === undefined && consumer.passNext()) {
      if (consumer.next() !== RING_OK) return;
      this.#releasePass();
    }
  }

  /** A pass has nothing to keep: its room is given back at once, unless a message before it is kept. */
  #releasePass(): void {
    const { flags, held } = this.#consumer;
    if ((flags & RECORD_PASS) !== 0 && held === 1) this.release();
  }

  /** The kernel's side has closed, and everything was read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** This side has closed the channel. */
  get closed(): boolean {
    return this.#link.closed;
  }

  /** For the spinning: something to read, or no use to wait. */
  ready(): boolean {
    return this.#consumer.ready() || !this.#link.isOpen();
  }

  /** @param options Only to be refused: it takes none. */
  tryReceive(options?: object): Message | undefined {
    forms.check(forms.TRY_RECEIVE, options);
    if (this.#pending !== undefined || this.#lock !== undefined) this.#checkFree(undefined);
    return this.#take();
  }

  tryReceiveBatch(options: BatchOptions | undefined): Message[] {
    forms.check(forms.TRY_RECEIVE_BATCH, options);
    const max = checkMax(options);
    const first = this.tryReceive();
    return first === undefined ? [] : this.#gather(first, max);
  }

  /** For iteration: a message that needs no waiting. */
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

  /** The rest is taken in the same step as the first: later, other calls may have come between. */
  receiveBatch(options: (BatchOptions & WaitOptions) | undefined): Promise<Message[]> {
    const all = (max: number) => (first: Message | undefined) =>
      first === undefined ? [] : this.#gather(first, max);
    try {
      forms.check(forms.RECEIVE_BATCH, options);
      const signal = checkSignal(options?.signal);
      const max = checkMax(options);
      return this.#receive(signal, all(max), undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * For loops and streams: as `receive`, but this side's own close is an end like any other.
   *
   * @param owner For {@linkcode Receiver.cancel}.
   * @param result Called in the step that takes the message: later, other calls may have released
   * it. It gets undefined at the end, and after a cancel.
   */
  receiveFor<T>(
    owner: object,
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
  ): Promise<T> {
    try {
      if (this.#link.closed) return Promise.resolve(result(undefined));
      return this.#receive(signal, result, owner);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  receiveSync(options: SyncWaitOptions | undefined): Message | undefined {
    forms.check(forms.RECEIVE_SYNC, options);
    const timeout = checkTimeout(options?.timeout);
    const end = timeout < 0 ? Infinity : this.#link.native.kup_user_now() + timeout;
    for (;;) {
      if (this.#pending !== undefined || this.#lock !== undefined) this.#checkFree(undefined);
      let message = timeout === 0 ? this.#take() : this.#takeSpinning();
      if (message !== undefined || this.#ended) return message;
      const left = end - this.#link.native.kup_user_now();
      if (left <= 0) {
        throw new KupError("timed-out", `${this.#link.subject}: No message within ${timeout} ms.`);
      }
      this.#consumer.announce();
      message = this.#take(true);
      if (message !== undefined || this.#ended) return message;
      const events = this.#sender.waits ? POLLIN | POLLOUT : POLLIN;
      this.#link.block(events, left === Infinity ? -1 : left);
      this.#spin.woke();
    }
  }

  /** Gives back what was received; messages that a caller still has are no longer valid. */
  release(): void {
    if (this.#link.over || this.#consumer.held === 0) return;
    this.#consumer.release();
    this.#settleWake();
  }

  /** The same, unless another call has received since this message. */
  releaseMessage(message: Message): void {
    if (RecordMessage.isHeld(message as RecordMessage)) this.release();
  }

  /** Ends the owner's wait, if it waits. */
  cancel(owner: object): void {
    const pending = this.#pending;
    if (pending === undefined || pending.owner !== owner) return;
    this.#settle();
    pending.resolve(undefined);
  }

  /** While `lock` is locked, only its own waits receive; undefined ends that. */
  setLock(lock: Lock | undefined): void {
    this.#lock = lock;
  }

  /** A stream's wait goes on when its reader gives the lock away. It must not receive then. */
  #isLeft(pending: PendingReceive): boolean {
    const lock = this.#lock;
    return lock !== undefined && pending.owner === lock && !lock.locked;
  }

  #checkFree(owner: object | undefined): void {
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

  /** One look on behalf of the receive that waits. */
  wake(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (this.#isLeft(pending)) return this.cancel(pending.owner!);
    try {
      let message = this.#take();
      if (message === undefined && !this.#ended) {
        this.#consumer.announce();
        message = this.#take();
      }
      if (message === undefined && !this.#ended) {
        this.#link.want(POLLIN);
        return;
      }
      this.#spin.woke();
      this.#settle();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The link is closed or broken, or can't be waited for. */
  fail(error: unknown): void {
    const pending = this.#pending;
    if (this.#link.closed) this.#consumer.epoch++;
    this.#settle();
    if (this.#link.closed && pending?.owner !== undefined) pending.resolve(undefined);
    else pending?.reject(error);
  }

  /** The next message, undefined if there is none; throws when the channel is over. */
  #take(blocking = false): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) consumer.release();
    const result = consumer.next();
    if (consumer.owesWake) this.#settleWake();
    return result === RING_OK ? this.#message() : this.#nothing(result, blocking);
  }

  #takeSpinning(): Message | undefined {
    const message = this.#take();
    if (message !== undefined || this.#ended || !this.#spin.until(this)) return message;
    return this.#take();
  }

  #nothing(result: number, blocking: boolean): Message | undefined {
    const link = this.#link;
    if (result !== RING_WAIT) throw link.lieError(result);
    const state = link.state();
    if (state === STATE_OPEN) return link.memory.turns ? this.#nothingYet(blocking) : undefined;
    // All records were published before the state, so this look is the last.
    const last = this.#consumer.next();
    if (last === RING_OK) return this.#message();
    if (last !== RING_WAIT) throw link.lieError(last);
    if (state === STATE_BROKEN) throw link.stateError();
    this.#ended = true;
    return undefined;
  }

  /** Turn mode, after a look that found nothing: if it is our turn, what gave it to us came before. */
  #nothingYet(blocking: boolean): Message | undefined {
    if (!this.#sender.stuck(blocking)) return undefined;
    const result = this.#consumer.next();
    if (result === RING_OK) return this.#message();
    throw result === RING_WAIT ? turnError(this.#link) : this.#link.lieError(result);
  }

  #message(): Message {
    if (!this.#sound()) throw this.#link.lieError(RING_LIE_LENGTH);
    this.#releasePass();
    return new RecordMessage(this.#link.memory, this.#consumer);
  }

  #sound(): boolean {
    const { flags, length } = this.#consumer;
    return (flags & RECORD_GAP) === 0 || length === GAP_AT.SIZE;
  }

  #gather(first: Message, max: number): Message[] {
    const messages = [first];
    const consumer = this.#consumer;
    // What makes no sense is for the next receive to find: these are good.
    while (messages.length < max && !this.#link.over && consumer.next() === RING_OK) {
      if (!this.#sound()) break;
      this.#releasePass();
      messages.push(new RecordMessage(this.#link.memory, consumer));
    }
    return messages;
  }

  #settleWake(): void {
    if (!this.#consumer.owesWake) return;
    this.#consumer.owesWake = false;
    this.#link.kick();
  }

  /**
   * A receive whose turn of the event loop is due waits like one that has found nothing: a message
   * that was taken before the turn could be released by another call meanwhile.
   */
  #receive<T>(
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
    owner: object | undefined,
  ): Promise<T> {
    if (this.#pending !== undefined || this.#lock !== undefined) this.#checkFree(owner);
    if (signal?.aborted) throw signal.reason;
    if (this.#link.over) throw this.#link.reason();
    const breath = this.#link.breath.take();
    if (breath === undefined) {
      const message = this.#takeSpinning();
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
      const pending = new PendingReceive(settle, reject, signal, () => this.#settle(), owner);
      this.#pending = pending;
      if (breath === undefined) this.wake();
      else breath.then(() => this.#resume(pending), (error) => this.fail(error));
    });
  }

  /** The event loop has had its turn. */
  #resume(pending: PendingReceive): void {
    if (pending !== this.#pending) return;
    if (this.#isLeft(pending)) return this.cancel(pending.owner!);
    try {
      const message = this.#takeSpinning();
      if (message === undefined && !this.#ended) return this.wake();
      this.#settle();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Nobody waits any more. */
  #settle(): void {
    this.#pending?.detach();
    this.#pending = undefined;
    if (!this.#link.closed) this.#link.unwant(POLLIN);
  }

  #busy(why: string): KupError {
    return new KupError("busy", `${this.#link.subject}: ${why}.`);
  }
}

function turnError(link: Link): KupError {
  return new KupError(
    "turn",
    `${link.subject}: It is this side's turn; send or pass before you receive.`,
  );
}

function same(message: Message | undefined): Message | undefined {
  return message;
}

function checkMax(options: BatchOptions | undefined): number {
  const max = options?.max;
  return max === undefined ? DEFAULT_BATCH : checkInteger("max", max, 1, 2 ** 32);
}
