// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns for the event loop. Promises that are settled at once never go back to it, so a channel that never runs
 * dry (or full) would keep timers, signals and all other input of the isolate waiting.
 *
 * The clock decides, not a count of messages: the work that a program does for one message takes anything from
 * nanoseconds to seconds. Reading the coarse clock costs about 6 ns.
 *
 * @module
 */

import { type Native, releaseNative, retainNative } from "./library.ts";
import { Turn } from "./reactor.ts";

/** Milliseconds without a turn, after which a call asks for one. The coarse clock may add 10. */
const LONGEST_STREAK = 4;

/**
 * An answer of a server takes several turns. A slow consumer, whose call comes later than the streak should last,
 * gives several at once: for this share of the time that it is late, up to so many milliseconds.
 */
const SHARE = 0.05;
const LONGEST_BREATH = 10;

/**
 * All channels of an isolate share one.
 *
 * The event loop may have its turns without this library, and a call that comes after a pause must not wait for
 * one more. So a streak begins with a mark, an event that waits for the event loop; while the mark stands, the
 * event loop has had no turn.
 */
export class Breath {
  readonly #native: Native;
  /** When the mark was set, or the last turn was seen. */
  #since: number;
  #mark: Turn | undefined;
  /** The turn that the present breath waits for. */
  #turn: Turn | undefined;
  /** When the streak began. */
  #streak = 0;
  /** When the present breath is long enough. */
  #end = 0;
  #present: Promise<void> | undefined;
  #users = 0;

  constructor(native: Native) {
    this.#native = native;
    this.#since = native.kup_user_now_coarse();
  }

  /** A channel begins to use it. */
  retain(): void {
    this.#users++;
  }

  /** A channel is closed; without any, nothing may be left in the event loop. */
  release(): void {
    if (--this.#users > 0) return;
    this.#mark?.cancel();
    this.#turn?.cancel();
  }

  /** The event loop has had no turn for a while. */
  get due(): boolean {
    if (this.#native.kup_user_now_coarse() - this.#since < LONGEST_STREAK) return false;
    if (this.#mark !== undefined || this.#present !== undefined) return true;
    this.#begin();
    return false;
  }

  /** The event loop has just had a turn. */
  turned(): void {
    this.#since = this.#native.kup_user_now_coarse();
    this.#streak = this.#since;
  }

  /** Gives the event loop its turns, if they are due; a call awaits them before it is answered. */
  take(): Promise<void> | undefined {
    if (!this.due) return undefined;
    // A call that joins a breath has kept the event loop waiting, too: it gets turns after that.
    const now = this.#native.kup_user_now();
    const late = now - this.#streak - LONGEST_STREAK;
    this.#end = now + Math.min(LONGEST_BREATH, late * SHARE);
    return this.#present ??= this.#breathe();
  }

  #begin(): void {
    this.turned();
    let mark: Turn;
    try {
      mark = new Turn(this.#native);
    } catch {
      // Without a free descriptor: calls are answered, and the next one tries again.
      return;
    }
    const end = () => {
      if (this.#mark !== mark) return;
      this.#mark = undefined;
      this.turned();
    };
    this.#mark = mark;
    mark.done.then(end, end);
  }

  async #breathe(): Promise<void> {
    const native = this.#native;
    // A file can't be waited for twice.
    const mark = this.#mark;
    this.#mark = undefined;
    mark?.cancel();
    this.#since = -Infinity;
    retainNative(native);
    try {
      do {
        this.#turn = new Turn(native);
        await this.#turn.done;
      } while (this.#users > 0 && native.kup_user_now() < this.#end);
      if (this.#users > 0) this.#begin();
    } catch {
      // As in #begin.
    } finally {
      this.#turn = undefined;
      this.turned();
      this.#present = undefined;
      releaseNative(native);
    }
  }
}

const breaths = new WeakMap<Native, Breath>();

/** The one of this isolate. */
export function breathOf(native: Native): Breath {
  let breath = breaths.get(native);
  if (breath === undefined) breaths.set(native, breath = new Breath(native));
  return breath;
}
