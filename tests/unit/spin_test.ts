// SPDX-License-Identifier: BSD-3-Clause
/** Spins with the real clock and the real yield, whose calls are counted. */

import { assert, assertEquals, assertLess } from "../../deps.ts";
import { loadNative, type Native, releaseNative } from "../../src/library.ts";
import { Spin } from "../../src/spin.ts";

/** Counts the calls of a spin. */
class Counted {
  clocks = 0;
  yields = 0;
  readonly native: Native;

  constructor(native: Native) {
    this.native = {
      ...native,
      kup_user_now: () => {
        this.clocks++;
        return native.kup_user_now();
      },
      kup_user_yield: () => {
        this.yields++;
        return native.kup_user_yield();
      },
    };
  }

  /** One wait: `holds` is asked at each look. Returns how many looks it took. */
  wait(spin: Spin, holds: (look: number) => boolean): number {
    let looks = 0;
    this.clocks = this.yields = 0;
    assert(spin.until({ ready: () => holds(++looks) }), "the wait ends within the budget");
    return looks;
  }
}

function test(name: string, run: (counted: Counted, native: Native) => void): void {
  Deno.test(name, () => {
    const native = loadNative();
    try {
      run(new Counted(native), native);
    } finally {
      releaseNative(native);
    }
  });
}

/** Longer than any test takes. */
const LONG = 60_000;

test("Spin.until() makes its first looks without a clock and without a yield", (counted) => {
  const spin = new Spin(counted.native, LONG);
  for (let wait = 0; wait < 100; wait++) {
    assertEquals(counted.wait(spin, (look) => look === 1 + wait % 15), 1 + wait % 15);
    assertEquals([counted.clocks, counted.yields], [0, 0]);
  }
});

test("Spin.until() reads the clock and yields now and then", (counted) => {
  const spin = new Spin(counted.native, LONG);
  assertEquals(counted.wait(spin, (look) => look === 1000), 1000);
  assert(counted.clocks > 0 && counted.yields > 0, "it does both");
  assertLess(counted.clocks, 100);
  assertLess(counted.yields, 100);
});

test(
  "Spin.until() yields after each look if waits end with yields, until they don't any more",
  (counted) => {
    const spin = new Spin(counted.native, LONG);
    // The peer has the same processor: it answers when this side has yielded.
    const first = counted.wait(spin, () => counted.yields > 0);
    for (let wait = 0; wait < 5; wait++) counted.wait(spin, () => counted.yields > 0);
    assertEquals(counted.wait(spin, () => counted.yields > 0), 2);
    assertLess(2, first);
    // It has another one now, and answers soon.
    let waits = 0;
    do counted.wait(spin, (look) => look === 5); while (counted.yields > 0 && ++waits < 1000);
    assertLess(waits, 100);
    assertEquals([counted.wait(spin, (look) => look === 5), counted.yields], [5, 0]);
  },
);

test("Spin.until() ends with its budget, and a clock that stands still", (_, native) => {
  assertEquals(new Spin(native, 0).until({ ready: () => true }), false);
  assertEquals(new Spin(native, 1).until({ ready: () => false }), false);
  const stopped = new Spin({ ...native, kup_user_now: () => 1 }, 0.01);
  assertEquals(stopped.until({ ready: () => false }), false);
});

test("Spin.woke() ends the spins of an idle channel, and begins them again", (counted) => {
  let time = 0;
  const spin = new Spin({ ...counted.native, kup_user_now: () => time }, 1);
  const looks = (takes: number): number => {
    let count = 0;
    spin.until({ ready: () => ++count < 0 });
    time += takes;
    spin.woke();
    return count;
  };
  for (let wait = 0; wait < 30; wait++) looks(1000);
  assertEquals(looks(1000), 0);
  // A wait that a budget would have covered.
  looks(0.5);
  assert(looks(0.5) > 0, "it spins again");
});
