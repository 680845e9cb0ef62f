// SPDX-License-Identifier: BSD-3-Clause
/** Spins whose clock and yields are counted, and do not depend on the machine. */

import { assert, assertEquals, assertLess } from "../../deps.ts";
import { Spin } from "../../src/spin.ts";

/** Longer than any test takes, in milliseconds. */
const LONG = 60_000;

/** A spin, and what it calls. */
class Spinning {
  clocks = 0;
  yields = 0;
  /** How long a reading of the clock takes, in milliseconds. */
  clockTime = 0.0001;
  time = 1;
  /** Whether a yield takes a slice of another thread. */
  crowded = false;
  readonly spin: Spin;

  constructor(limit = LONG) {
    this.spin = new Spin({
      kup_user_now: () => {
        this.clocks++;
        return this.time += this.clockTime;
      },
      kup_user_yield: () => {
        this.yields++;
        return this.crowded ? 1 : 0;
      },
    }, limit);
  }

  /** One wait. `holds` is called at each look. Returns how many looks it took. */
  wait(holds: (look: number) => boolean): number {
    let looks = 0;
    this.clocks = this.yields = 0;
    assert(this.spin.until({ ready: () => holds(++looks) }), "the wait ends within the budget");
    return looks;
  }
}

Deno.test("Spin.until() makes its first looks without a clock and without a yield", () => {
  const spinning = new Spinning();
  for (let wait = 0; wait < 100; wait++) {
    assertEquals(spinning.wait((look) => look === 1 + wait % 15), 1 + wait % 15);
    assertEquals([spinning.clocks, spinning.yields], [0, 0]);
  }
});

Deno.test("Spin.until() reads the clock and yields now and then", () => {
  const spinning = new Spinning();
  assertEquals(spinning.wait((look) => look === 1000), 1000);
  assert(spinning.clocks > 0 && spinning.yields > 0, "it does both");
  assertLess(spinning.clocks, 100);
  assertLess(spinning.yields, 100);
});

Deno.test(
  "Spin.until() yields after each look if waits end with yields, until they don't any more",
  () => {
    const spinning = new Spinning();
    // The peer has the same processor: it answers when this side has yielded.
    const first = spinning.wait(() => spinning.yields > 0);
    for (let wait = 0; wait < 5; wait++) spinning.wait(() => spinning.yields > 0);
    assertEquals(spinning.wait(() => spinning.yields > 0), 2);
    assertLess(2, first);
    // It has another one now, and answers soon.
    let waits = 0;
    do spinning.wait((look) => look === 5); while (spinning.yields > 0 && ++waits < 1000);
    assertLess(waits, 100);
    assertEquals([spinning.wait((look) => look === 5), spinning.yields], [5, 0]);
  },
);

Deno.test("Spin.until() leaves out yields while they take slices, but for one now and then", () => {
  const spinning = new Spinning();
  const yieldsIn = (waits: number) => {
    spinning.yields = 0;
    for (let wait = 0; wait < waits; wait++) {
      let looks = 0;
      spinning.spin.until({ ready: () => ++looks > 100 });
    }
    return spinning.yields;
  };
  assert(yieldsIn(100) >= 200, "a machine with free processors");
  spinning.crowded = true;
  const [first, later] = [yieldsIn(1000), yieldsIn(10_000)];
  assert(first <= 20 && later >= 20 && later <= 80, `${first} and ${later} yields`);
  spinning.crowded = false;
  yieldsIn(300);
  assert(yieldsIn(100) >= 200, "the others are gone");
  // Few are left out again at first.
  spinning.crowded = true;
  assertEquals(yieldsIn(1000), first);
});

Deno.test("Spin.until() ends with its budget, and if the clock stands still", () => {
  assertEquals(new Spinning(0).spin.until({ ready: () => true }), false);
  assertEquals(new Spinning(1).spin.until({ ready: () => false }), false);
  const spinning = new Spinning(1);
  spinning.clockTime = 0;
  assertEquals(spinning.spin.until({ ready: () => false }), false);
});

Deno.test("Spin.woke() ends the spins of an idle channel, and begins them again", () => {
  const spinning = new Spinning(1);
  const looks = (takes: number): number => {
    let count = 0;
    spinning.spin.until({ ready: () => ++count < 0 });
    spinning.time += takes;
    spinning.spin.woke();
    return count;
  };
  for (let wait = 0; wait < 30; wait++) looks(1000);
  assertEquals(looks(1000), 0);
  // A spin would have covered these waits.
  looks(0.5);
  assert(looks(0.5) > 0, "it spins again");
});
