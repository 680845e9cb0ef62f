// SPDX-License-Identifier: BSD-3-Clause
import type { Native } from "./library.ts";

const now = performance.now.bind(performance);
const SAMPLES = 8;

/**
 * The time of `kup_user_now`, which is that of stamps, at which `performance.now()` is 0. Both are
 * the system's monotonic clock.
 */
export function stampOrigin(native: Native): number {
  let origin = 0;
  let best = Infinity;
  for (let i = 0; i < SAMPLES; i++) {
    const before = native.kup_user_now();
    const here = now();
    const took = native.kup_user_now() - before;
    if (took >= best) continue;
    best = took;
    origin = before + took / 2 - here;
  }
  return origin;
}
