// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns: one side at a time may send. This is a layer on a stream channel. The kernel's side is
 * `kmod/layers/turn.h`, which has the rules.
 *
 * This side has the turn from the moment it takes a record out of the ring until it sends or
 * passes. The kernel has the first turn. Every call, not only a receive, takes the record if it is
 * there. A message that no receive has returned yet is *unread*. So a call waits for the turn as it
 * waits for a record. One call at a time does so: a receive, or {@linkcode TurnChannel.#drive} for
 * all calls that want to send.
 *
 * @module
 */

import { CONTROL_PASS, ERROR_TURN, RECORD_CONTROL } from "./abi.ts";
import {
  byteCount,
  checkDiscard,
  checkIterable,
  checkSignal,
  checkTimeout,
  checkType,
} from "./arguments.ts";
import { type AttachedChannel, PARTS, type Parts } from "./channel.ts";
import { KupError } from "./errors.ts";
import { Messages, type Source } from "./iterator.ts";
import { Layer } from "./layer.ts";
import type { Side } from "./link.ts";
import * as forms from "./options.ts";
import { Pending } from "./pending.ts";
import { checkMax } from "./receiver.ts";
import type { Owner } from "./sender.ts";
import type {
  AsyncBatchOptions,
  AsyncSendOptions,
  AsyncTurnOptions,
  BatchOptions,
  Channel,
  Data,
  Message,
  MessageIterator,
  MessagesOptions,
  Reservation,
  SendOptions,
  SyncBatchOptions,
  SyncSendOptions,
  SyncTurnOptions,
  SyncWaitOptions,
  TurnOptions,
  WaitOptions,
} from "./types.ts";

/** The kinds of control records that the channel below has to accept: KUP_CONTROLS_TO_USER. */
export const TURN_CONTROLS = 1 << CONTROL_PASS;

/** The payload of a pass. */
const NOTHING = new Uint8Array(0);

const DONE: Promise<void> = Promise.resolve();

/**
 * Channels whose calls wait for a reservation of their own. They are in use, but no waiter refers
 * to them.
 */
const held = new Set<TurnChannel>();

/** A record that a call sends. */
interface Outgoing {
  readonly bytes: Uint8Array;
  /** A control record's kind, if `flags` has RECORD_CONTROL. */
  readonly type: number;
  readonly flags: number;
  readonly discard: boolean;
}

/** What a call needs that waits for the turn. */
interface Want {
  /** The bytes of its message. */
  readonly length: number;
  readonly discard: boolean;
  readonly signal: AbortSignal | undefined;
  /** Uses the turn; returns false if there was no room. */
  readonly use: () => boolean;
}

/** A call that waits for the turn. */
class Waiting extends Pending {
  readonly want: Want;
  readonly resolve: () => void;

  constructor(want: Want, resolve: () => void, reject: (error: unknown) => void) {
    super(reject);
    this.want = want;
    this.resolve = resolve;
  }
}

/** A channel of a device in turn mode. */
export class TurnChannel extends Layer implements Channel {
  readonly mode = "turn";

  readonly #base: AttachedChannel;
  readonly #link: Parts["link"];
  readonly #sender: Parts["sender"];
  readonly #receiver: Parts["receiver"];
  /** This side has taken a record out of the ring since its last send. */
  #mine = false;
  /** The message or pass that brought the turn, until it is received. */
  #unread: Message | undefined;
  /** A reservation is open, which has the turn. */
  #reserved = false;
  /** The calls that wait to send, in their order. */
  readonly #queue = new Set<Waiting>();
  #driving = false;

  constructor(base: AttachedChannel) {
    super(base);
    this.#base = base;
    ({ link: this.#link, sender: this.#sender, receiver: this.#receiver } = base[PARTS]);
    this.#link.addSide(this.#side);
  }

  get turn(): "kernel" | "user" | undefined {
    if (this.#link.over) return undefined;
    if (this.#receiver.waits) return this.#receiver.readable ? "user" : "kernel";
    try {
      return this.#hasTurn() ? "user" : "kernel";
    } catch {
      // The next call throws this again.
      return this.#link.over ? undefined : "kernel";
    }
  }

  send(data: Data, options?: AsyncSendOptions): Promise<void> {
    try {
      forms.check(forms.TURN_SEND, options);
      const signal = checkSignal(options?.signal);
      return this.#put(this.#message(data, options), signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  trySend(data: Data, options?: SendOptions): boolean {
    forms.check(forms.TURN_TRY_SEND, options);
    return this.#tryPut(this.#message(data, options));
  }

  sendSync(data: Data, options?: SyncSendOptions): void {
    forms.check(forms.TURN_SEND_SYNC, options);
    const timeout = checkTimeout(options?.timeout);
    this.#putSync(this.#message(data, options), timeout);
  }

  sendBatch(messages: Iterable<Data>, options?: AsyncSendOptions): Promise<void> {
    try {
      forms.check(forms.TURN_SEND_BATCH, options);
      const signal = checkSignal(options?.signal);
      const [message] = this.#atMostOne(messages).map((data) => this.#message(data, options));
      if (message !== undefined) return this.#put(message, signal);
      signal?.throwIfAborted();
      if (this.#link.over) throw this.#link.reason();
      return DONE;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  pass(options?: AsyncTurnOptions): Promise<void> {
    try {
      forms.check(forms.PASS, options);
      return this.#put(passOf(options), checkSignal(options?.signal));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryPass(options?: TurnOptions): boolean {
    forms.check(forms.TRY_PASS, options);
    return this.#tryPut(passOf(options));
  }

  passSync(options?: SyncTurnOptions): void {
    forms.check(forms.PASS_SYNC, options);
    this.#putSync(passOf(options), checkTimeout(options?.timeout));
  }

  reserve(length: number, options?: AsyncTurnOptions): Promise<Reservation> {
    try {
      forms.check(forms.TURN_RESERVE, options);
      const signal = checkSignal(options?.signal);
      const discard = checkDiscard(options);
      this.#sender.checkLength(length);
      signal?.throwIfAborted();
      this.#checkNoReceive();
      return this.#reserve(length, discard, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryReserve(length: number, options?: TurnOptions): Reservation | undefined {
    forms.check(forms.TURN_TRY_RESERVE, options);
    const discard = checkDiscard(options);
    this.#sender.checkLength(length);
    if (this.#link.over) throw this.#link.reason();
    return this.#mayUse(length, discard) ? this.#claim(length) : undefined;
  }

  receive(options?: WaitOptions): Promise<Message | undefined> {
    try {
      forms.check(forms.RECEIVE, options);
      return this.#receive(undefined, checkSignal(options?.signal), same);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryReceive(options?: object): Message | undefined {
    forms.check(forms.TRY_RECEIVE, options);
    this.#checkNoSends();
    return this.#mine ? this.#atOwnTurn() : this.#arrived(this.#base.tryReceive());
  }

  receiveSync(options?: SyncWaitOptions): Message | undefined {
    forms.check(forms.RECEIVE_SYNC, options);
    checkTimeout(options?.timeout);
    this.#checkNoSends();
    return this.#mine ? this.#atOwnTurn() : this.#arrived(this.#base.receiveSync(options));
  }

  receiveBatch(options?: AsyncBatchOptions): Promise<Message[]> {
    try {
      forms.check(forms.TURN_RECEIVE_BATCH, options);
      checkMax(options);
      return this.#receive(undefined, checkSignal(options?.signal), alone);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  receiveBatchSync(options?: SyncBatchOptions): Message[] {
    forms.check(forms.TURN_RECEIVE_BATCH_SYNC, options);
    checkMax(options);
    const timeout = options?.timeout;
    return alone(this.receiveSync(timeout === undefined ? undefined : { timeout }));
  }

  tryReceiveBatch(options?: BatchOptions): Message[] {
    forms.check(forms.TRY_RECEIVE_BATCH, options);
    checkMax(options);
    return alone(this.tryReceive());
  }

  messages(options?: MessagesOptions): MessageIterator {
    return new Messages(this.#source(), this.#link.subject, options);
  }

  [Symbol.asyncIterator](): MessageIterator {
    return this.messages();
  }

  // ---- The turn ----

  /** Takes the kernel's record if it is there. Must not be called while a receive waits for it. */
  #hasTurn(): boolean {
    if (this.#mine) return true;
    this.#unread = this.#arrived(this.#base.tryReceive());
    if (this.#base.done) throw this.#link.stateError();
    return this.#mine;
  }

  /** Handles what the channel below has received, in the same step. */
  readonly #arrived = (message: Message | undefined): Message | undefined => {
    if (message === undefined) return undefined;
    if (message.pass && message.length > 0) throw this.#link.breakBy(ERROR_TURN);
    this.#mine = true;
    return message;
  };

  /** Whether a send that was checked can be made now. */
  #mayUse(length: number, discard: boolean): boolean {
    if (this.#queue.size > 0 || this.#reserved || this.#receiver.waits) return false;
    if (!this.#hasTurn()) return false;
    if (!discard) this.#checkRead();
    return this.#sender.fits(length);
  }

  /** Releases the record that brought the turn. A record behind it was sent out of turn. */
  readonly #letGo = (): void => {
    if (this.#base.tryReceive() !== undefined) throw this.#link.breakBy(ERROR_TURN);
    this.#unread = undefined;
  };

  #mayPut({ bytes, discard }: Outgoing): boolean {
    return this.#mayUse(byteCount(bytes), discard);
  }

  /** Sends while this side has the turn; returns false if there was no room. */
  #give({ bytes, type, flags }: Outgoing): boolean {
    this.#letGo();
    this.#mine = !this.#sender.put(bytes, type, flags);
    return !this.#mine;
  }

  #claim(length: number): Reservation | undefined {
    const reservation = this.#sender.claim(length, this.#owner);
    this.#reserved = reservation !== undefined;
    return reservation;
  }

  readonly #owner: Owner = {
    committing: () => {
      this.#letGo();
      this.#mine = false;
    },
    finished: () => {
      this.#reserved = false;
      this.#resume();
    },
  };

  // ---- Sending ----

  #message(data: Data, options: SendOptions | undefined): Outgoing {
    const type = checkType(options?.type);
    const discard = checkDiscard(options);
    // This comes last, since a string's bytes are valid only until the next call.
    return { bytes: this.#sender.checked(data), type, flags: 0, discard };
  }

  #put(record: Outgoing, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#checkNoReceive();
    if (this.#mayPut(record) && this.#give(record)) return this.#link.breath.take() ?? DONE;
    const copy = { ...record, bytes: this.#sender.copied(record.bytes) };
    const came = this.#beginWait();
    if (came !== undefined && this.#mine && this.#mayPut(copy) && this.#give(copy)) return DONE;
    const use = () => this.#give(copy);
    return this.#enqueue({ length: copy.bytes.length, discard: copy.discard, signal, use }, came);
  }

  #tryPut(record: Outgoing): boolean {
    if (this.#link.over) throw this.#link.reason();
    return this.#mayPut(record) && this.#give(record);
  }

  #putSync(record: Outgoing, timeout: number): void {
    this.#checkNoReceive();
    this.#checkAlone();
    if (this.#mayPut(record) && this.#give(record)) return;
    const length = byteCount(record.bytes);
    const end = timeout < 0 ? Infinity : this.#link.native.kup_user_now() + timeout;
    do {
      if (!this.#mine) this.#waitForTurn(timeout, end);
      if (!record.discard) this.#checkRead();
      while (!this.#sender.fits(length)) this.#sender.blockForRoom(length, timeout, end);
    } while (!this.#give(record));
  }

  /** Blocks this thread until this side has the turn. */
  #waitForTurn(timeout: number, end: number): void {
    const { native, subject } = this.#link;
    const left = end === Infinity ? {} : { timeout: Math.max(0, end - native.kup_user_now()) };
    try {
      this.#unread = this.#arrived(this.#base.receiveSync(left));
    } catch (error) {
      if (!(error instanceof KupError && error.code === "timed-out")) throw error;
      throw new KupError("timed-out", `${subject}: No turn within ${timeout} ms.`);
    }
    if (!this.#mine) throw this.#link.stateError();
  }

  async #reserve(
    length: number,
    discard: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Reservation> {
    let reservation: Reservation | undefined;
    const use = () => (reservation = this.#claim(length)) !== undefined;
    if (this.#mayUse(length, discard) && use()) await this.#link.breath.take();
    else await this.#enqueue({ length, discard, signal, use });
    if (this.#base.closed) throw this.#link.reason();
    return reservation!;
  }

  // ---- Waiting to send ----

  #enqueue(want: Want, came?: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(want, resolve, reject);
      this.#queue.add(waiting);
      waiting.watch(want.signal, () => {
        this.#settle(waiting);
        if (this.#queue.size === 0) this.#receiver.cancel(this);
      });
      this.#resume(came);
    });
  }

  #resume(came?: Promise<void>): void {
    this.#hold();
    if (!this.#driving) this.#drive(came);
  }

  /**
   * Begins to wait for the turn. It spins first, so the turn may be there already when it returns.
   */
  #beginWait(): Promise<void> | undefined {
    return this.#driving || this.#reserved || this.#mine ? undefined : this.#wait();
  }

  #wait(): Promise<void> {
    return this.#receiver.receiveFor(this, undefined, this.#cameForSends);
  }

  #hold(): void {
    if (this.#reserved && this.#queue.size > 0) held.add(this);
    else held.delete(this);
  }

  /** Serves all calls of the queue. Ends when the queue is empty, or a reservation has the turn. */
  async #drive(came?: Promise<void>): Promise<void> {
    this.#driving = true;
    try {
      if (came !== undefined) await came;
      while (this.#queue.size > 0 && !this.#reserved) {
        if (!this.#mine) await this.#wait();
        const [first] = this.#queue;
        if (first !== undefined && this.#mine && !this.#serve(first)) {
          await this.#waitForRoom(first.want);
        }
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#driving = false;
    this.#hold();
  }

  /** The message is undefined at the end of the channel, and after a wait that was cancelled. */
  readonly #cameForSends = (message: Message | undefined): void => {
    this.#unread = this.#arrived(message);
    if (this.#base.done) throw this.#link.stateError();
  };

  /** Serves the first call; returns false if there is no room. */
  #serve(first: Waiting): boolean {
    const { want } = first;
    try {
      if (!want.discard) this.#checkRead();
      if (!this.#sender.fits(want.length) || !want.use()) return false;
      this.#settle(first);
      first.resolve();
    } catch (error) {
      this.#settle(first);
      first.reject(error);
    }
    return true;
  }

  /**
   * The ring of the side that has the turn is empty, except for what it has reserved and discarded.
   */
  async #waitForRoom({ length, signal }: Want): Promise<void> {
    try {
      await this.#sender.waitForRoom(length, signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  #settle(waiting: Waiting): void {
    waiting.detach();
    this.#queue.delete(waiting);
    this.#hold();
  }

  #fail(error: unknown): void {
    for (const waiting of [...this.#queue]) {
      this.#settle(waiting);
      waiting.reject(error);
    }
  }

  /** The channel below wakes its own parts. */
  readonly #side: Side = {
    wake: () => {},
    fail: (error) => {
      if (this.#link.over) this.#fail(error);
    },
  };

  // ---- Receiving ----

  /** @param owner As in Receiver.receiveFor. */
  #receive<T>(
    owner: object | undefined,
    signal: AbortSignal | undefined,
    result: (message: Message | undefined) => T,
  ): Promise<T> {
    this.#checkNoSends();
    if (!this.#mine) {
      return this.#receiver.receiveFor(owner, signal, (message) => result(this.#arrived(message)));
    }
    signal?.throwIfAborted();
    const breath = this.#unread && this.#link.breath.take();
    if (breath !== undefined) return breath.then(() => this.#receive(owner, signal, result));
    return Promise.resolve(result(this.#atOwnTurn()));
  }

  /** Returns what can be received while this side has the turn: only what brought the turn. */
  #atOwnTurn(): Message | undefined {
    if (this.#link.over) throw this.#link.reason();
    const message = this.#unread;
    if (message !== undefined && !this.#reserved) {
      this.#unread = undefined;
      return message;
    }
    if (!this.#link.isOpen()) {
      this.#letGo();
      if (this.#base.done) return undefined;
    }
    const advice = this.#reserved ? "commit or discard its reservation" : "send or pass";
    throw new KupError(
      "turn",
      `${this.#link.subject}: It is this side's turn; ${advice} before you receive.`,
    );
  }

  #source(): Source {
    const receiver = this.#receiver;
    return {
      receiveFor: (owner, signal, result) => {
        try {
          if (receiver.closed) return Promise.resolve(result(undefined));
          return this.#receive(owner, signal, result);
        } catch (error) {
          return Promise.reject(error);
        }
      },
      // With turns there is hardly ever a message at once.
      quickReceive: () => undefined,
      cancel: (owner) => receiver.cancel(owner),
      releaseMessage: (message) => receiver.releaseMessage(message),
      get closed() {
        return receiver.closed;
      },
    };
  }

  // ---- Refusals ----

  #checkNoReceive(): void {
    if (this.#link.over) throw this.#link.reason();
    if (this.#queue.size > 0 || !this.#receiver.waits) return;
    throw this.#busy("A receive waits for the turn; await it before you send");
  }

  #checkNoSends(): void {
    if (this.#queue.size > 0) throw this.#busy("A send waits for the turn; await it first");
  }

  #checkAlone(): void {
    this.#checkNoSends();
    if (this.#reserved) throw this.#busy("A reservation has the turn; commit or discard it first");
  }

  #checkRead(): void {
    if (this.#unread === undefined || this.#unread.pass) return;
    throw new KupError(
      "unread",
      `${this.#link.subject}: The turn came with a message that was not received; receive it, or ` +
        "drop it by `discard: true`.",
    );
  }

  #busy(why: string): KupError {
    return new KupError("busy", `${this.#link.subject}: ${why}.`);
  }

  #atMostOne(messages: Iterable<Data>): Data[] {
    checkIterable("messages", messages);
    const all: Data[] = [];
    for (const data of messages) {
      if (all.push(data) === 1) continue;
      throw new TypeError(
        `${this.#link.subject}: This is a turn channel, where each message takes a turn; send ` +
          "them one by one.",
      );
    }
    return all;
  }
}

function passOf(options: TurnOptions | undefined): Outgoing {
  const discard = checkDiscard(options);
  return { bytes: NOTHING, type: CONTROL_PASS, flags: RECORD_CONTROL, discard };
}

function same(message: Message | undefined): Message | undefined {
  return message;
}

function alone(message: Message | undefined): Message[] {
  return message === undefined ? [] : [message];
}
