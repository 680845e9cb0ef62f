// SPDX-License-Identifier: BSD-3-Clause
/** Starts a program that does not outlive this process. */

import { missingProgram } from "./process.ts";

/** How a bound program is started. */
export interface BoundOptions extends Omit<Deno.CommandOptions, "args"> {
  /**
   * The signal that the kernel sends to the program when this process is gone. TERM lets the
   * program restore its terminal.
   */
  readonly deathSignal: "KILL" | "TERM";
}

/**
 * Starts a program that ends when this process does, in any way, also by a signal that can't be
 * caught. Only the main thread may call this, since the kernel watches the thread that started the
 * program.
 *
 * The shell checks that this process still exists, because it may have died before the kernel was
 * asked to watch it.
 */
export function spawnBound(
  command: readonly string[],
  { deathSignal, ...options }: BoundOptions,
): Deno.ChildProcess {
  const check = 'test "$PPID" = "$0" && exec "$@"';
  const args = ["--pdeathsig", deathSignal, "sh", "-c", check, String(Deno.pid), ...command];
  try {
    return new Deno.Command("setpriv", { ...options, args }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missingProgram("setpriv", error);
    throw error;
  }
}
