// SPDX-License-Identifier: BSD-3-Clause
/** What all benchmarks share: the measuring and the printing. */

const ROUND_MS = 150;
const ROUNDS = 5;

/** Prints what follows, and the machine that it runs on. */
export function heading(text: string): void {
  const { os, arch } = Deno.build;
  const { deno, v8 } = Deno.version;
  console.log(
    `\n${text} (${os} ${arch}, ${navigator.hardwareConcurrency} CPUs, Deno ${deno}, V8 ${v8})`,
  );
}

async function timeRound(step: () => unknown, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const result = step();
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

/** Prints the median time of a step, over several rounds after a first one that warms up. */
export async function measure(name: string, step: () => unknown): Promise<void> {
  let count = 1;
  while (await timeRound(step, count) < ROUND_MS / 4) count *= 4;
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) times.push(await timeRound(step, count) / count);
  times.sort((a, b) => a - b);
  const ns = times[ROUNDS >> 1]! * 1e6;
  console.log(
    `${name.padEnd(44)} ${ns.toFixed(1).padStart(12)} ns ${
      Math.round(1e9 / ns).toLocaleString("en").padStart(14)
    } per second`,
  );
}
