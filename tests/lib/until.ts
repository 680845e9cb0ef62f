// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waiting in tests: for conditions, with limits that only a failure reaches. KUP_PATIENCE
 * multiplies all limits, for a machine that is slower than any known so far.
 */

const factor = Number(Deno.env.get("KUP_PATIENCE") || 1);

/** A limit of this many seconds, in milliseconds. */
export function patience(seconds = 60): number {
  return 1000 * seconds * factor;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until the condition holds; fails after `seconds`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  seconds?: number,
): Promise<void> {
  const limit = patience(seconds);
  const end = performance.now() + limit;
  while (!await condition()) {
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${limit / 1000} s; KUP_PATIENCE multiplies this limit`);
    }
    await sleep(2);
  }
}
