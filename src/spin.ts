// SPDX-License-Identifier: BSD-3-Clause
/**
 * Looking for a while before sleeping, as `kmod/core/wait.c` does on the other side: the budget doubles when
 * it paid and halves when it did not, so two sides that share one core soon stop spinning
 * against each other.
 *
 * @module
 */

/** Something that may become so by another processor's doing. */
export interface Condition {
  ready(): boolean;
}

/** After this many waits with a budget of 0 spinning is tried again. */
const RETRY_AFTER = 16;

/** Looks between two looks at the clock, which costs more than they do. */
const LOOKS = 16;

/** The budget of one kind of wait. */
export class Spin {
  readonly #limit: number;
  #now: number;
  #misses = 0;

  /** @param limit The longest time to look, in milliseconds; 0 is never. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#now = limit;
  }

  /** Looks until the condition is so, or the budget is used up; tells which. */
  until(condition: Condition): boolean {
    const budget = this.#budget();
    if (budget === 0) return false;
    const end = performance.now() + budget;
    do {
      for (let i = 0; i < LOOKS; i++) {
        if (condition.ready()) {
          this.#now = Math.min(2 * budget, this.#limit);
          return true;
        }
        Atomics.pause();
      }
    } while (performance.now() < end);
    // Below a microsecond there is no use in it.
    this.#now = budget < 0.002 ? 0 : budget / 2;
    return false;
  }

  #budget(): number {
    if (this.#now === 0 && this.#limit > 0 && ++this.#misses >= RETRY_AFTER) {
      this.#misses = 0;
      this.#now = this.#limit / 4;
    }
    return this.#now;
  }
}
