// SPDX-License-Identifier: BSD-3-Clause
/** Spins, with a clock and a scheduler of the test's own. */

import { assert, assertEquals } from "../../deps.ts";
import type { Native } from "../../src/library.ts";
import { Spin } from "../../src/spin.ts";

/** The native calls that a spin makes. Each reading of the clock takes `tick` milliseconds. */
class Machine {
  now = 0;
  yields = 0;
  constructor(readonly tick: number) {}
  kup_user_now = () => this.now += this.tick;
  kup_user_yield = () => {
    this.yields++;
    return 0;
  };
}

function spinOn(machine: Machine, limit: number): Spin {
  return new Spin(machine as unknown as Native, limit);
}

Deno.test("Spin.until() gives the processor to a peer that waits for it", () => {
  const machine = new Machine(0.001);
  const shared = { ready: () => machine.yields > 0 };
  assert(spinOn(machine, 1).until(shared));
  assertEquals(machine.yields, 1);
});

Deno.test("Spin.until() does not yield before its first looks", () => {
  const machine = new Machine(0.001);
  let looks = 0;
  assert(spinOn(machine, 1).until({ ready: () => ++looks > 8 }));
  assertEquals(machine.yields, 0);
});

Deno.test("Spin.until() ends at its limit, and by a count where the clock stands still", () => {
  const running = new Machine(0.001);
  assertEquals(spinOn(running, 0.1).until({ ready: () => false }), false);
  assert(running.now > 0.1 && running.now < 0.2, `${running.now} ms`);
  const still = new Machine(0);
  assertEquals(spinOn(still, 0.1).until({ ready: () => false }), false);
});
