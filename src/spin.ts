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

/** A condition that another processor may make true. */
export interface Condition {
  ready(): boolean;
}

/** Looks between two readings of the clock; a reading takes longer than a look. */
const LOOKS = 16;

/** The budget from which it grows, in milliseconds; with less, spinning has no use. */
const LEAST = 0.002;

/**
 * More series of looks than any processor can make in a millisecond. They end a spin whose clock
 * stands still.
 */
const ROUNDS_PER_MS = 20_000;

/** Series of looks between two yields, which cost a system call. */
const ROUNDS_PER_YIELD = 4;

/** The budget of one kind of wait. */
export class Spin {
  readonly #native: Native;
  readonly #limit: number;
  #now: number;
  #start = 0;

  /**
   * @param native The native calls. Their clock is used, because a test framework may have stopped
   * JavaScript's.
   * @param limit The longest spin, in milliseconds; 0 disables spinning.
   */
  constructor(native: Native, limit: number) {
    this.#native = native;
    this.#limit = limit;
    this.#now = limit;
  }

  /** Looks until the condition holds (`true`), or the budget is used up (`false`). */
  until(condition: Condition): boolean {
    if (this.#limit === 0) return false;
    const native = this.#native;
    this.#start = native.kup_user_now();
    if (this.#now === 0) return false;
    const end = this.#start + this.#now;
    let rounds = Math.ceil(this.#now * ROUNDS_PER_MS);
    do {
      for (let i = 0; i < LOOKS; i++) {
        if (condition.ready()) return true;
        Atomics.pause();
      }
      // If both sides share a processor, the other one can't answer before it gets it.
      if (rounds % ROUNDS_PER_YIELD === 0) native.kup_user_yield();
    } while (native.kup_user_now() < end && --rounds > 0);
    return false;
  }

  /** Called when a wait that `until` did not cover is over. */
  woke(): void {
    if (this.#limit === 0) return;
    const took = this.#native.kup_user_now() - this.#start;
    if (took > this.#limit) this.#now = this.#now < LEAST ? 0 : this.#now / 2;
    else this.#now = Math.min(this.#limit, Math.max(2 * this.#now, LEAST));
  }
}
