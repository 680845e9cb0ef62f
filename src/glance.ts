// SPDX-License-Identifier: BSD-3-Clause
/** Whether the machine never reorders two loads, or a load with an earlier exchange. */
const ORDERS_LOADS = typeof Deno !== "undefined" && Deno.build.arch === "x86_64";

/**
 * Loads a word for a first look. V8 does not inline `Atomics.load`, which takes 7 ns where a plain
 * load takes half of one. In V8's machine code (Deno 2.9.6, x86_64, its optimizing compiler) the
 * plain load is a `mov` where it stands. `Atomics.store` is a call of a function with an `xchg`, so
 * a load behind it stays behind it, for the compiler and for the machine. But an engine may use
 * the result again in a loop without other accesses. So a look that finds nothing is repeated with
 * `Atomics` before a caller relies on it, or the caller only does later what it could do now.
 */
export function glance(words: Int32Array, index: number): number {
  return ORDERS_LOADS ? words[index]! : Atomics.load(words, index);
}
