// SPDX-License-Identifier: BSD-3-Clause
/**
 * Rounds for the event loop. A promise that is already settled does not return to the event loop.
 * So a channel that never runs empty (or full) would keep timers, signals and all other input of
 * the isolate waiting. A breath is a pause in which the event loop runs one or more rounds.
 *
 * The clock decides when a breath is due, not a count of messages: a program may work for
 * nanoseconds or for seconds on one message. Reading the coarse clock takes about 6 ns.
 *
 * @module
 */

import { type Native, releaseNative, retainNative } from "./library.ts";
import { Round } from "./reactor.ts";

/**
 * The milliseconds without a round after which a call takes a breath. The coarse clock may add 10.
 */
const LONGEST_STREAK = 4;

/**
 * A server's answer takes several rounds. If a slow consumer's next call comes later than the
 * streak should last, its breath has several rounds: it lasts for this share of the delay, and at
 * most for LONGEST_BREATH milliseconds.
 */
const SHARE = 0.05;
const LONGEST_BREATH = 10;

/**
 * The breaths of an isolate; all its channels share one object.
 *
 * The event loop may also run rounds without this library, and a call that comes after a pause must
 * not wait for one more. So a streak begins with a mark, an event that the event loop handles in
 * its next round. As long as the mark is set, the event loop has run no round.
 */
export class Breath {
  readonly #native: Native;
  /** When the mark was set, or the last round was seen. */
  #since: number;
  #mark: Round | undefined;
  /** The round that the current breath waits for. */
  #round: Round | undefined;
  /** When the streak began. */
  #streak = 0;
  /** When the current breath is long enough. */
  #end = 0;
  #present: Promise<void> | undefined;
  #users = 0;

  constructor(native: Native) {
    this.#native = native;
    this.#since = native.kup_user_now_coarse();
  }

  /** Called when a channel begins to use it. */
  retain(): void {
    this.#users++;
  }

  /** Called when a channel is closed. Without a channel, nothing may keep the event loop alive. */
  release(): void {
    if (--this.#users > 0) return;
    this.#mark?.cancel();
    this.#round?.cancel();
  }

  /** Whether the event loop has run no round for too long. */
  get due(): boolean {
    if (this.#native.kup_user_now_coarse() - this.#since < LONGEST_STREAK) return false;
    if (this.#mark !== undefined || this.#present !== undefined) return true;
    this.#begin();
    return false;
  }

  /** Records that the event loop has just run a round. */
  ranRound(): void {
    this.#since = this.#native.kup_user_now_coarse();
    this.#streak = this.#since;
  }

  /** Takes a breath if one is due. The caller awaits it before it returns its result. */
  take(): Promise<void> | undefined {
    if (!this.due) return undefined;
    // A call that joins a breath has kept the event loop waiting too, so the breath lasts longer.
    const now = this.#native.kup_user_now();
    const late = now - this.#streak - LONGEST_STREAK;
    this.#end = now + Math.min(LONGEST_BREATH, late * SHARE);
    return this.#present ??= this.#breathe();
  }

  #begin(): void {
    this.ranRound();
    let mark: Round;
    try {
      mark = new Round(this.#native);
    } catch {
      // There is no free descriptor. Calls go on without a breath, and the next one tries again.
      return;
    }
    const end = () => {
      if (this.#mark !== mark) return;
      this.#mark = undefined;
      this.ranRound();
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
        this.#round = new Round(native);
        await this.#round.done;
      } while (this.#users > 0 && native.kup_user_now() < this.#end);
      if (this.#users > 0) this.#begin();
    } catch {
      // As in #begin.
    } finally {
      this.#round = undefined;
      this.ranRound();
      this.#present = undefined;
      releaseNative(native);
    }
  }
}

const breaths = new WeakMap<Native, Breath>();

/** The object of this isolate. */
export function breathOf(native: Native): Breath {
  let breath = breaths.get(native);
  if (breath === undefined) breaths.set(native, breath = new Breath(native));
  return breath;
}
