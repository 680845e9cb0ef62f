// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel to user: taking messages, and waiting for them.
 *
 * @module
 */

import { CONTROL_GAP, GAP_AT, STATE_BROKEN, STATE_OPEN } from "./abi.ts";
import { checkInteger, checkSignal, checkTimeout } from "./arguments.ts";
import { KupError } from "./errors.ts";
import { POLLIN } from "./library.ts";
import type { Link, Side } from "./link.ts";
import { RecordMessage } from "./message.ts";
import * as forms from "./options.ts";
import { Pending } from "./pending.ts";
import { Consumer, RING_LIE_LENGTH, RING_OK, RING_WAIT } from "./ring.ts";
import { type Condition, Spin } from "./spin.ts";
import type { BatchOptions, Message, SyncWaitOptions, WaitOptions } from "./types.ts";

const DEFAULT_BATCH = 256;

/** A receive that has found nothing. */
class PendingReceive extends Pending {
  /** Gets a message, or undefined at the end of the channel. */
  readonly resolve: (message: Message | undefined) => void;
  /** The loop or stream that waits: to it, this side's close is the end, too. */
  readonly owner: object | undefined;

  constructor(
    resolve: (message: Message | undefined) => void,
    reject: (error: unknown) => void,
    owner: object | undefined,
  ) {
    super(reject);
    this.resolve = resolve;
    this.owner = owner;
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
  #pending: PendingReceive | undefined;
  #lock: Lock | undefined;
  #ended = false;

  /**
   * @param spin The longest time to look before sleeping, in milliseconds.
   * @param controls The kinds of control records that may come: a mask of `1 << kind`.
   */
  constructor(link: Link, spin: number, controls: number) {
    this.#link = link;
    this.#consumer = new Consumer(link.memory.toUser, controls);
    this.#spin = new Spin(link.native, spin);
  }

  /** The kernel's side has closed, and everything was read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** This side has closed the channel. */
  get closed(): boolean {
    return this.#link.closed;
  }

  /** A receive waits, whichever form or owner it has. */
  get waits(): boolean {
    return this.#pending !== undefined;
  }

  /** Something may be read now. */
  get readable(): boolean {
    return this.#consumer.ready();
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
   * For loops, streams and layers: as `receive`.
   *
   * @param owner For {@linkcode Receiver.cancel}. To an owner, this side's own close is an end like
   * any other.
   * @param result Called in the step that takes the message: later, other calls may have released
   * it. It gets undefined at the end, and after a cancel.
   */
  receiveFor<T>(
    owner: object | undefined,
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
  ): Promise<T> {
    try {
      if (this.#link.closed && owner !== undefined) return Promise.resolve(result(undefined));
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
      message = this.#take();
      if (message !== undefined || this.#ended) return message;
      this.#link.block(POLLIN, left === Infinity ? -1 : left);
      this.#spin.woke();
    }
  }

  /** At the end of a loop: gives back its last message, unless another call has received since. */
  releaseMessage(message: Message): void {
    if (this.#link.over || !RecordMessage.isHeld(message as RecordMessage)) return;
    const consumer = this.#consumer;
    const result = consumer.release();
    this.#checked(result === RING_OK ? consumer.publish() : result);
  }

  /** Before a wait on the channel: gives back all room but that of messages which are still valid. */
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
      this.#endWait();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The link is closed or broken, or can't be waited for. */
  fail(error: unknown): void {
    const pending = this.#pending;
    if (this.#link.closed) this.#consumer.epoch++;
    this.#endWait();
    if (this.#link.closed && pending?.owner !== undefined) pending.resolve(undefined);
    else pending?.reject(error);
  }

  /** The next message, undefined if there is none; throws when the channel is over. */
  #take(): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    const result = consumer.next();
    if (consumer.owesWake) this.#settleWake();
    return result === RING_OK ? this.#message() : this.#nothing(result);
  }

  #takeSpinning(): Message | undefined {
    const message = this.#take();
    if (message !== undefined || this.#ended || !this.#spin.until(this)) return message;
    return this.#take();
  }

  #nothing(result: number): Message | undefined {
    const link = this.#link;
    if (result !== RING_WAIT) throw link.lieError(result);
    const state = link.state();
    if (state === STATE_OPEN) return undefined;
    // All records were published before the state, so what is readable now is the rest. A look that
    // has skipped many records may have found no message yet.
    const consumer = this.#consumer;
    let last = consumer.next();
    while (last === RING_WAIT && consumer.ready()) last = consumer.next();
    if (last === RING_OK) return this.#message();
    if (last !== RING_WAIT) throw link.lieError(last);
    if (state === STATE_BROKEN) throw link.stateError();
    this.#ended = true;
    return undefined;
  }

  #message(): Message {
    if (!this.#sound()) throw this.#link.lieError(RING_LIE_LENGTH);
    return new RecordMessage(this.#link.memory, this.#consumer);
  }

  #sound(): boolean {
    const { control, length } = this.#consumer;
    return control !== CONTROL_GAP || length >= GAP_AT.SIZE;
  }

  #gather(first: Message, max: number): Message[] {
    const messages = [first];
    const consumer = this.#consumer;
    // What makes no sense is for the next receive to find: these are good.
    while (messages.length < max && !this.#link.over && consumer.next() === RING_OK) {
      if (this.#sound()) messages.push(new RecordMessage(this.#link.memory, consumer));
      else this.#link.lieError(RING_LIE_LENGTH);
    }
    this.#settleWake();
    return messages;
  }

  /** After the consumer gave room back: wakes the kernel's side if it waits for that. */
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
    const breath = this.#link.breathe();
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
      const pending = new PendingReceive(settle, reject, owner);
      pending.watch(signal, () => this.#endWait());
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
      this.#endWait();
      pending.resolve(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Nobody waits any more. */
  #endWait(): void {
    this.#pending?.detach();
    this.#pending = undefined;
    if (!this.#link.closed) this.#link.unwant(POLLIN);
  }

  #busy(why: string): KupError {
    return new KupError("busy", `${this.#link.subject}: ${why}.`);
  }
}

function same(message: Message | undefined): Message | undefined {
  return message;
}

/** The `max` option. */
export function checkMax(options: BatchOptions | undefined): number {
  const max = options?.max;
  return max === undefined ? DEFAULT_BATCH : checkInteger("max", max, 1, 2 ** 32);
}
