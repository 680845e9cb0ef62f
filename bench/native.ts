// SPDX-License-Identifier: BSD-3-Clause
/** The rounds in C and C++ (`rounds.so`), and what they bring for TypeScript's own rounds. */

import { ROOT } from "../tests/lib/paths.ts";

/** Where `bench/Makefile` puts what it builds. */
export const BUILD = `${ROOT}/bench/build`;

const SYMBOLS = {
  bench_pin: { parameters: ["i32"], result: "i32" },
  bench_now: { parameters: [], result: "f64" },
  bench_sleep: { parameters: ["u32"], result: "void" },
  bench_open: { parameters: ["buffer", "u32"], result: "i32" },
  bench_spin: { parameters: ["i32", "f64"], result: "void" },
  bench_close: { parameters: ["i32"], result: "void" },
  bench_has: { parameters: ["buffer"], result: "i32" },
  bench_run: {
    parameters: ["buffer", "i32", "i32", "u32", "u32", "u32", "u32", "buffer"],
    result: "f64",
  },
  bench_feed: { parameters: ["i32", "u32", "u32", "i32"], result: "i32" },
  bench_feed_end: { parameters: [], result: "void" },
  bench_echo_start: { parameters: ["i32", "u32", "u32", "i32", "buffer"], result: "i32" },
  bench_echo_end: { parameters: [], result: "void" },
  // Of the C library.
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  pipe: { parameters: ["buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** What a round in C does. Sizes are in bytes. */
export interface Order {
  /** A message's length. */
  readonly length: number;
  /** How many messages, or trips. */
  readonly count: number;
  /**
   * How many messages a call takes.
   *
   * @default {1}
   */
  readonly batch?: number;
  /**
   * How many of the kernel's threads send.
   *
   * @default {1}
   */
  readonly threads?: number;
  /** Where to put the time of each item, in ns. */
  readonly each?: Float64Array<ArrayBuffer>;
}

/** Where both sides of a round run: processors, by number. -1 is any. */
export interface Place {
  readonly mine: number;
  readonly theirs: number;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** A negative errno of a round. */
export class RoundError extends Error {
  override readonly name = "RoundError";
}

/** `rounds.so`, opened. */
export class Rounds implements Disposable {
  readonly #library = Deno.dlopen(`${BUILD}/rounds.so`, SYMBOLS);

  get symbols(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
    return this.#library.symbols;
  }

  /** Returns whether this build has a round of that name. */
  has(name: string): boolean {
    return this.symbols.bench_has(cString(name)) !== 0;
  }

  /** Moves this thread, and the threads that it starts from now on, to a processor. */
  pin(processor: number): void {
    must("sched_setaffinity", this.symbols.bench_pin(processor));
  }

  /**
   * Attaches a channel for rounds over KUP, whose kernel thread runs on the other side's processor.
   * Returns its handle.
   */
  open(path: string, place: Place): number {
    this.pin(place.theirs);
    const handle = this.symbols.bench_open(cString(path), 0xffffffff);
    this.pin(place.mine);
    must(`attaching a channel of ${path}`, handle);
    return handle;
  }

  /**
   * Returns a function that runs one round, and returns its ns per item.
   *
   * @param handle What {@linkcode Rounds.open} returned, or -1 for a round without a channel.
   */
  round(name: string, handle: number, place: Place, order: Order): () => number {
    const text = cString(name);
    const { length, count, batch = 1, threads = 1, each = null } = order;
    const { bench_run } = this.symbols;
    return () =>
      must(name, bench_run(text, handle, place.theirs, length, batch, threads, count, each));
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

function must(what: string, result: number): number {
  if (result < 0) throw new RoundError(`${what} failed with errno ${-result}.`);
  return result;
}
