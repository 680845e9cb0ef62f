// SPDX-License-Identifier: BSD-3-Clause
/**
 * Looking for a while before sleeping, as `kmod/core/wait.c` does on the other side. A wait that was over
 * within the limit, by looking or after a sleep, would have been covered by a larger budget; a longer one
 * makes the budget smaller. So an idle channel doesn't spin, and a busy one doesn't sleep.
 *
 * @module
 */

import type { Native } from "./library.ts";

/** Something that another processor may bring about. */
export interface Condition {
  ready(): boolean;
}

/** Looks between two readings of the clock, which take longer than a look. */
const LOOKS = 16;

/** A budget begins to grow here, in milliseconds; below it there is no use in spinning. */
const LEAST = 0.002;

/** More rounds of looks than any processor makes in a millisecond: the end of a spin whose clock stands still. */
const ROUNDS_PER_MS = 20_000;

/** The budget of one kind of wait. */
export class Spin {
  readonly #native: Native;
  readonly #limit: number;
  #now: number;
  #start = 0;

  /**
   * @param native Its clock is used, because a test framework may have stopped JavaScript's.
   * @param limit The longest time to look, in milliseconds; 0 disables spinning.
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
    } while (native.kup_user_now() < end && --rounds > 0);
    return false;
  }

  /** The wait that `until` could not cover is over. */
  woke(): void {
    if (this.#limit === 0) return;
    const took = this.#native.kup_user_now() - this.#start;
    if (took > this.#limit) this.#now = this.#now < LEAST ? 0 : this.#now / 2;
    else this.#now = Math.min(this.#limit, Math.max(2 * this.#now, LEAST));
  }
}
