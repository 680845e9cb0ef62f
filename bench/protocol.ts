// SPDX-License-Identifier: BSD-3-Clause
/** The messages of the client module: the same numbers as in `client/bench.h`. */

/** The types of messages. */
export const COMMAND = 1;
export const DATA = 2;
export const DONE = 3;

/** The work that the kernel's side can do. */
export const WORK = {
  echo: 1,
  produce: 2,
  produceInPlace: 3,
  consume: 4,
  wake: 5,
  wakeMany: 6,
  answerInPlace: 7,
  paced: 8,
} as const;

/** A command, without its defaults. */
export interface Command {
  readonly work: keyof typeof WORK;
  /** Messages. */
  readonly count: number;
  /** Bytes of a message, at least 8. */
  readonly length?: number;
  /** Messages in a call. */
  readonly batch?: number;
  /** How many threads send. */
  readonly threads?: number;
  /** In microseconds. */
  readonly pause?: number;
}

const COMMAND_BYTES = 32;

/** The bytes of a `struct bench_command`. */
export function encodeCommand(command: Command): Uint8Array<ArrayBuffer> {
  const { work, count, length = 64, batch = 1, threads = 1, pause = 0 } = command;
  const words = new Uint32Array(COMMAND_BYTES / 4);
  words.set([WORK[work], length, batch, threads, pause, 0]);
  new BigUint64Array(words.buffer, 24, 1)[0] = BigInt(count);
  return new Uint8Array(words.buffer);
}

/** The `struct bench_done` that ends a work. */
export interface Done {
  readonly count: number;
  readonly sum: number;
  readonly ns: number;
}

/** Reads a `struct bench_done`. */
export function decodeDone(view: DataView): Done {
  const word = (at: number) => Number(view.getBigUint64(at, true));
  return { count: word(0), sum: word(8), ns: word(16) };
}

/** 0 + 1 + ... + (count - 1): the sum of the words of a stream. */
export function sumBelow(count: number): number {
  return count * (count - 1) / 2;
}
