// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a channel's two directions share: the open file, the memory, the channel's state, and the
 * registration with the waiter.
 *
 * @module
 */

import {
  ERROR_CALL,
  ERROR_END,
  ERROR_FLAGS,
  ERROR_HEAD,
  ERROR_LENGTH,
  ERROR_TAIL,
  ERROR_TURN,
  KERNEL_PAGE_AT,
  STATE_BROKEN,
  STATE_OPEN,
} from "./abi.ts";
import { type Breath, breathOf } from "./breath.ts";
import { closedError, KupError, systemError } from "./errors.ts";
import { glance } from "./glance.ts";
import { type Native, POLLIN, POLLOUT } from "./library.ts";
import type { ChannelMemory } from "./memory.ts";
import { register, type Waiter } from "./reactor.ts";
import type { Resources } from "./resources.ts";
import { RING_LIE_FLAGS, RING_LIE_LENGTH } from "./ring.ts";

const STATE_WORD = KERNEL_PAGE_AT.state >> 2;

const REASONS: Readonly<Record<number, string>> = {
  [ERROR_HEAD]: "a head position that makes no sense",
  [ERROR_TAIL]: "a tail position that makes no sense",
  [ERROR_LENGTH]: "a record that is longer than the ring's content",
  [ERROR_FLAGS]: "a record with flags that it may not have",
  [ERROR_TURN]: "a message that was sent out of turn",
  [ERROR_END]: "a message behind the end that was sent",
  [ERROR_CALL]: "a call that is not formed, or not numbered, as calls are",
};

const LIES: Readonly<Record<number, number>> = {
  [RING_LIE_LENGTH]: ERROR_LENGTH,
  [RING_LIE_FLAGS]: ERROR_FLAGS,
};

/** One direction of a channel. */
export interface Side extends Waiter {
  /** Called before a wait on the channel. */
  settle?(): void;
}

/** There is one for each channel. Its users may access `memory` only while `over` is false. */
export class Link {
  readonly native: Native;
  readonly fd: number;
  readonly memory: ChannelMemory;
  /** The device's path and the channel's number, for messages. */
  readonly subject: string;
  /** The breaths of this isolate. */
  readonly breath: Breath;
  /**
   * The channel is closed by this side, or broken: every call throws what {@linkcode Link.reason}
   * returns.
   */
  over = false;
  closed = false;

  readonly #words: Int32Array;
  readonly #resources: Resources;
  #failure: KupError | undefined;
  readonly #sides: Side[] = [];
  /** The events that calls wait for. */
  #wanted = 0;
  /** Set during `wake`, which arms at its end, so that two directions make one system call. */
  #waking = false;

  constructor(resources: Resources, memory: ChannelMemory, subject: string) {
    this.native = resources.native;
    this.fd = resources.fd;
    this.memory = memory;
    this.subject = subject;
    this.breath = breathOf(this.native);
    this.breath.retain();
    resources.breath = this.breath;
    this.#words = memory.words;
    this.#resources = resources;
    resources.subject = `The channel ${subject}`;
    resources.belongTo(memory, this);
  }

  /** Adds a direction, or another part that waits. They are woken in this order. */
  addSide(side: Side): void {
    this.#sides.push(side);
  }

  /**
   * One of STATE_*, as the kernel's side has published it. Only while not `over`. Pairs with the
   * engine's release of the state: all records that were sent before are visible.
   */
  state(): number {
    return Atomics.load(this.#words, STATE_WORD);
  }

  isOpen(): boolean {
    return Atomics.load(this.#words, STATE_WORD) === STATE_OPEN;
  }

  /** The same by a `glance`: call `isOpen` before relying on `true`. */
  looksOpen(): boolean {
    return glance(this.#words, STATE_WORD) === STATE_OPEN;
  }

  /** The error of every call once the channel is `over`. */
  reason(): KupError {
    return this.#failure ?? closedError(`The channel ${this.subject}`);
  }

  /** The error for a state that isn't open, for a call that sends, or finds nothing to read. */
  stateError(): KupError {
    if (this.state() !== STATE_BROKEN) {
      return new KupError("closed", `${this.subject}: The kernel's side has closed the channel.`);
    }
    const error = this.memory.number32(KERNEL_PAGE_AT.error);
    const reason = REASONS[error] ?? `error ${error}`;
    return this.#break(`The kernel's side has found ${reason}`);
  }

  /** The error of a call that needs an open channel, when it is not. */
  notOpenError(): KupError {
    return this.over ? this.reason() : this.stateError();
  }

  /** The error for a LIE that one of this side's rings has found. */
  lieError(result: number): KupError {
    return this.breakBy(LIES[result] ?? ERROR_HEAD);
  }

  /**
   * Ends the channel, because this side has found the lie that this ERROR_* value names. Returns
   * the error.
   */
  breakBy(error: number): KupError {
    return this.#break(`Its memory holds ${REASONS[error]}`);
  }

  #break(what: string): KupError {
    this.#failure ??= new KupError(
      "broken",
      `${this.subject}: ${what}; the channel is over. Did this process write to old views?`,
    );
    if (!this.over) {
      this.over = true;
      this.fail(this.#failure);
    }
    return this.#failure;
  }

  /**
   * Wakes the kernel's side. If that is gone, the call has no effect; the channel's state shows it.
   */
  kick(): void {
    this.native.kup_user_kick(this.fd);
  }

  /**
   * Called before a wait on this channel, in either direction: gives the kernel all room back.
   * Throws if it finds a lie.
   */
  settle(): void {
    for (const side of this.#sides) side.settle?.();
  }

  /** Takes a breath if one is due; the caller awaits it. */
  breathe(): Promise<void> | undefined {
    const breath = this.breath.take();
    if (breath !== undefined) this.settle();
    return breath;
  }

  /** Calls `wake` on both sides when poll(2) reports this event, or one that was wanted before. */
  want(event: typeof POLLIN | typeof POLLOUT): void {
    this.settle();
    this.#wanted |= event;
    if (!this.#waking) this.#arm();
  }

  /** Cancels the request for this event. */
  unwant(event: typeof POLLIN | typeof POLLOUT): void {
    this.#wanted &= ~event;
    if (this.#wanted === 0) this.#resources.registration?.rest();
  }

  /**
   * Wakes both sides also at this time of `kup_user_now`, once; Infinity cancels the request. Call
   * `want` before.
   */
  alarm(at: number): void {
    this.#resources.registration?.alarm(at);
  }

  /** Whether poll(2) reports this event now, or the end of the channel. */
  reports(event: typeof POLLIN | typeof POLLOUT): boolean {
    return this.#poll(event, 0) !== 0;
  }

  #poll(events: number, timeout: number): number {
    const result = this.native.kup_user_wait(this.fd, events, timeout);
    if (result < 0) throw systemError("wait", result, this.subject);
    return result;
  }

  #arm(): void {
    this.#resources.registration ??= register(this.native, this.fd, this);
    this.#resources.registration.arm(this.#wanted);
  }

  /** Called by the reactor, and so from the event loop, which has just run a round. */
  wake(): void {
    this.breath.ranRound();
    if (this.closed) return;
    this.#waking = true;
    this.#wanted = 0;
    for (const side of this.#sides) side.wake();
    this.#waking = false;
    if (this.closed) return;
    try {
      if (this.#wanted === 0) this.#resources.registration?.rest();
      else this.#arm();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Called by the reactor when its pipe is gone. The next wait gets a new one. */
  fail(error: unknown): void {
    this.#wanted = 0;
    this.#leaveWaiter();
    for (const side of this.#sides) side.fail(error);
  }

  /**
   * Blocks this thread until one of `events` is reported, or for `timeout` milliseconds (-1: no
   * limit).
   */
  block(events: number, timeout: number): void {
    this.settle();
    this.#poll(events, timeout);
  }

  /** Gives the channel back: first the registration, then the pages, then the file. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.over = true;
    this.#failure = undefined;
    const reason = this.reason();
    this.#leaveWaiter();
    for (const side of this.#sides) side.fail(reason);
    this.memory.close();
    this.#resources.free();
  }

  #leaveWaiter(): void {
    this.#resources.registration?.remove();
    this.#resources.registration = undefined;
  }
}
