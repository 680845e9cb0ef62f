// SPDX-License-Identifier: BSD-3-Clause
/**
 * Looking for a while before sleeping, as `kmod/core/wait.c` does on the other side. A wait that was over
 * within the limit, by looking or after a sleep, would have been covered by a larger budget; a longer one
 * makes the budget smaller. So an idle channel doesn't spin, and a busy one doesn't sleep.
 *
 * @module
 */

/** Something that may become so by another processor's doing. */
export interface Condition {
  ready(): boolean;
}

/** Looks between two looks at the clock, which costs more than they do. */
const LOOKS = 16;

/** A budget begins to grow here, in milliseconds; below it there is no use in spinning. */
const LEAST = 0.002;

/** The budget of one kind of wait. */
export class Spin {
  readonly #limit: number;
  #now: number;
  #start = 0;

  /** @param limit The longest time to look, in milliseconds; 0 is never. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#now = limit;
  }

  /** Looks until the condition is so, or the budget is used up; tells which. */
  until(condition: Condition): boolean {
    if (this.#limit === 0) return false;
    this.#start = performance.now();
    if (this.#now === 0) return false;
    const end = this.#start + this.#now;
    do {
      for (let i = 0; i < LOOKS; i++) {
        if (condition.ready()) return true;
        Atomics.pause();
      }
    } while (performance.now() < end);
    return false;
  }

  /** The wait that `until` could not cover is over. */
  woke(): void {
    if (this.#limit === 0) return;
    const took = performance.now() - this.#start;
    if (took > this.#limit) this.#now = this.#now < LEAST ? 0 : this.#now / 2;
    else this.#now = Math.min(this.#limit, Math.max(2 * this.#now, LEAST));
  }
}
