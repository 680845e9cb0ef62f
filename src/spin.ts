// SPDX-License-Identifier: BSD-3-Clause
/**
 * Spinning: looking again and again for a while before sleeping, as `kmod/core/wait.c` does on the
 * kernel's side. The budget of a spin adapts to the waits. If a wait took less than the limit, by
 * spinning or with a sleep, a larger budget would have covered it, so the budget grows. If it took
 * longer, the budget shrinks. So an idle channel doesn't spin, and a busy one doesn't sleep.
 *
 * @module
 */

import type { Native } from "./library.ts";

/** The native calls of a spin. */
export type SpinCalls = Pick<Native, "kup_user_now" | "kup_user_yield">;

/** A condition that another processor may make true. */
export interface Condition {
  ready(): boolean;
}

/** Looks between two readings of the clock. A reading takes longer than a look, or much longer. */
const LOOKS = 16;

/**
 * Looks between two yields. If both sides share a processor, the peer can't answer before it gets
 * that. But a yield is a system call, and on a busy machine another process may get the processor
 * for a whole slice. So usually a yield comes after the time of a round trip. After some waits in a
 * row that ended right after a yield, the next ones yield after each look.
 */
const LOOKS_PER_YIELD = 32;
const SURE_SHARED = 3;

/**
 * On a crowded machine a yield takes a slice of another thread, which is milliseconds; a thread
 * that sleeps and is woken gets the processor sooner. So after two such yields, the next waits
 * sleep where they would yield. Then one yields nevertheless, because the others may be gone. The
 * more often they are not, the longer it takes to the next try. The numbers are those of
 * `kmod/core/spin.h`.
 */
const SLOW_YIELD = 8;
const CROWDED = 12;
const LEAST_LEFT_OUT = 4;
const MOST_LEFT_OUT = 256;

/** One wait in this number looks without yields first, because the sides may have parted. */
const WAITS_PER_PROBE = 32;

/** The budget from which it grows, in milliseconds; with less, spinning has no use. */
const LEAST = 0.002;

/** More looks than a processor makes in a millisecond. They end a spin whose clock stands still. */
const LOOKS_PER_MS = 320_000;

/** The budget of one kind of wait. */
export class Spin {
  readonly #native: SpinCalls;
  readonly #limit: number;
  #now: number;
  #start = 0;
  /** How many waits in a row have ended right after a yield. */
  #shared = 0;
  #waits = 0;
  /** SLOW_YIELD for each slow yield, less 1 for each other one. */
  #crowd = 0;
  /** How many yields to leave out. */
  #left = 0;
  /** How many were left out last time. */
  #span = 0;

  /**
   * @param native The native calls. Their clock is used, because a test framework may have stopped
   * JavaScript's.
   * @param limit The longest spin, in milliseconds; 0 disables spinning.
   */
  constructor(native: SpinCalls, limit: number) {
    this.#native = native;
    this.#limit = limit;
    this.#now = limit;
  }

  /** Looks until the condition holds (`true`), or the budget is used up (`false`). */
  until(condition: Condition): boolean {
    if (this.#limit === 0) return false;
    this.#start = 0;
    if (this.#now > 0 && this.#look(condition)) return true;
    this.#clock();
    return false;
  }

  /** Returns the time. A wait begins when this is first called: its first looks need no clock. */
  #clock(): number {
    const now = this.#native.kup_user_now();
    if (this.#start === 0) this.#start = now;
    return now;
  }

  #look(condition: Condition): boolean {
    const isProbe = ++this.#waits % WAITS_PER_PROBE === 0;
    const perYield = this.#shared >= SURE_SHARED && !isProbe ? 1 : LOOKS_PER_YIELD;
    const most = Math.ceil(this.#now * LOOKS_PER_MS);
    let yielded = false;
    for (let looks = 1; looks <= most; looks++) {
      if (condition.ready()) {
        if (yielded) this.#shared++;
        else if (looks > 1) this.#shared = 0;
        return true;
      }
      yielded = looks % perYield === 0;
      if (!yielded) Atomics.pause();
      else if (!this.#yield()) return false;
      if (looks % LOOKS === 0 && this.#clock() >= this.#start + this.#now) break;
    }
    return false;
  }

  /** Yields, or returns `false` if sleeping is better. */
  #yield(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return false;
    }
    if (this.#native.kup_user_yield() === 0) {
      this.#crowd = Math.max(0, this.#crowd - 1);
      this.#span >>= 1;
    } else if (this.#crowd + SLOW_YIELD < CROWDED) {
      this.#crowd += SLOW_YIELD;
    } else {
      this.#span = Math.min(Math.max(2 * this.#span, LEAST_LEFT_OUT), MOST_LEFT_OUT);
      this.#left = this.#span;
    }
    return true;
  }

  /** Called when a wait that `until` did not cover is over. */
  woke(): void {
    if (this.#start === 0) return;
    const took = this.#native.kup_user_now() - this.#start;
    if (took > this.#limit) this.#now = this.#now < LEAST ? 0 : this.#now / 2;
    else this.#now = Math.min(this.#limit, Math.max(2 * this.#now, LEAST));
  }
}
