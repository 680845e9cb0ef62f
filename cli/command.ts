// SPDX-License-Identifier: BSD-3-Clause
/**
 * What each command is: a usage and a function.
 *
 * @module
 */

export { Interrupted } from "../harness/interrupt.ts";

import type { CommandLine, Usage } from "./command_line.ts";

/** What a command gets besides its command line. */
export interface Context {
  /** Aborted by Ctrl-C and SIGTERM. The reason is an {@linkcode Interrupted}. */
  readonly signal: AbortSignal;
}

/** One command of `kup`. */
export interface Command {
  readonly usage: Usage;
  /**
   * How many words it needs at least.
   *
   * @default {0}
   */
  readonly least?: number;
  /** @returns The exit status; 0 if it returns nothing. */
  run(line: CommandLine, context: Context): Promise<number | void>;
}

/** A failure that one sentence explains. The exit status is 1. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** What the system says about a file, without numbers and the names of calls. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/ \(os error.*/s, "");
}

/** Waits so many milliseconds, or until the signal. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}
