// SPDX-License-Identifier: BSD-3-Clause
/**
 * Kernel to user: taking messages without waiting.
 *
 * @module
 */

import { CONTROL_END, CONTROL_GAP, ERROR_END, GAP_AT, STATE_BROKEN, STATE_OPEN } from "./abi.ts";
import { RecordCursor } from "./cursor.ts";
import { POLLIN } from "./library.ts";
import type { Link } from "./link.ts";
import { DetailedMessage, RecordMessage } from "./message.ts";
import { Consumer, RING_LIE_LENGTH, RING_OK, RING_WAIT, type Visitor } from "./ring.ts";
import type { Cursor, Message } from "./types.ts";

/** For how many milliseconds a drain hands out messages. */
const LONGEST_DRAIN = 5;

/**
 * How many messages a drain hands out before it first looks at the clock, and between two looks
 * later on. A slow callback is noticed early, and a fast one does not pay for each message.
 */
const FIRST_PART = 4;
const LARGEST_PART = 32;

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

/** The messages that the kernel has sent. Each call returns at once. */
export class Inbox {
  /** Whether the kernel's side has closed, or ended its direction, and everything was read. */
  ended = false;
  /** Whether the kernel's side has ended its direction, and everything was read. */
  peerEnded = false;
  /** Set while a drain is in its callbacks. */
  draining = false;

  readonly #link: Link;
  readonly #consumer: Consumer;
  readonly #stamped: boolean;
  #cursor: RecordCursor | undefined;

  /** @param controls The kinds of control records that may come: a mask of `1 << kind`. */
  constructor(link: Link, controls: number) {
    this.#link = link;
    const { toUser, stamped } = link.memory;
    this.#consumer = new Consumer(toUser, controls, 0, stamped);
    this.#stamped = stamped;
  }

  /** Whether something may be read now. */
  ready(): boolean {
    return this.#consumer.ready();
  }

  /** Announces a sleep until there is a message. Look again after it. */
  announce(): void {
    this.#consumer.announce();
  }

  /** Takes the next message; undefined if there is none. Throws when the channel is over. */
  take(): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) {
      const released = consumer.release();
      // The wake comes first: the kernel's side may answer it with a gap, which is next then.
      if (released !== RING_OK || consumer.owesWake) this.#checked(released);
    }
    const result = consumer.next();
    if (consumer.owesWake) this.#settleWake();
    return result === RING_OK ? this.#message() : this.#nothing(result);
  }

  /** Announces a sleep for `bytes`, and takes a message if the sleep would end at once. */
  takeMarked(bytes: number): Message | undefined {
    const link = this.#link;
    if (link.over) throw link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    this.#checked(consumer.settle());
    consumer.announceBytes(bytes);
    // Only the kernel's side knows where its first unfinished record lies, and if it lacks room.
    return link.reports(POLLIN) ? this.take() : undefined;
  }

  /** The messages behind one that was just taken, with it. */
  gather(first: Message, max: number): Message[] {
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

  /** Hands out messages, until there are none, or enough of them, or until it takes too long. */
  drain(callback: (message: Cursor) => unknown, max: number): number {
    if (this.#link.over) throw this.#link.reason();
    const consumer = this.#consumer;
    if (consumer.held !== 0) this.#checked(consumer.release());
    this.draining = true;
    try {
      const cursor = this.#cursor ??= new RecordCursor(this.#link.memory);
      return this.#handOut(new DrainVisitor(this.#link, cursor, callback), max);
    } finally {
      this.draining = false;
      this.#cursor?.leave();
      if (!this.#link.over) this.#giveBack();
    }
  }

  #handOut(visitor: DrainVisitor, max: number): number {
    const { native } = this.#link;
    const consumer = this.#consumer;
    // Without a message the clock need not be read.
    let end = consumer.ready() ? native.kup_user_now() + LONGEST_DRAIN : 0;
    let count = 0;
    let part = FIRST_PART;
    let left = part;
    while (count < max) {
      const walked = this.peerEnded ? 0 : consumer.walk(visitor, Math.min(left, max - count));
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
    if (state === STATE_OPEN || this.ended || count > 0) return false;
    // As in #nothing: what is readable after the state was loaded is the last.
    if (this.#consumer.ready()) return true;
    if (state === STATE_BROKEN) throw link.stateError();
    this.ended = true;
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

  /** Gives all messages back and publishes that. */
  release(): void {
    const consumer = this.#consumer;
    const result = consumer.release();
    this.#checked(result === RING_OK ? consumer.publish() : result);
  }

  /** Gives all room back, except that of messages that are still valid. */
  settle(): void {
    if (!this.#link.over) this.#checked(this.#consumer.settle());
  }

  /** Called when this side has closed: no message is valid any more. */
  invalidate(): void {
    this.#consumer.epoch++;
    this.#cursor?.leave();
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
    this.ended = true;
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
    return this.#consumer.control === 0 && !this.#stamped && !this.peerEnded;
  }

  /** Whether a record is the kernel's END, which the next release gives back. Throws at a lie. */
  #isEnd(): boolean {
    const { control, length } = this.#consumer;
    const isEnd = control === CONTROL_END;
    if (this.peerEnded || (isEnd && length > 0)) throw this.#link.breakBy(ERROR_END);
    if (control === CONTROL_GAP && length < GAP_AT.SIZE) throw this.#link.lieError(RING_LIE_LENGTH);
    if (isEnd) this.ended = this.peerEnded = true;
    return isEnd;
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
}

/** An async callback would use the cursor when it is at another message. */
function refusePromise(returned: unknown): void {
  if (typeof (returned as PromiseLike<unknown> | null)?.then !== "function") return;
  throw new TypeError(
    "The callback of drain has returned a promise, and its message is valid until it returns " +
      "only; copy what is needed later, or use `for await`.",
  );
}
