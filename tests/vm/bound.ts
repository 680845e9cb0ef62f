// SPDX-License-Identifier: BSD-3-Clause
/** Starting a program that does not outlive this process. */

/** How a bound program is started. */
export interface BoundOptions extends Omit<Deno.CommandOptions, "args"> {
  /**
   * What the kernel sends to the program when this process is gone. TERM lets it put its terminal
   * in order.
   */
  readonly deathSignal: "KILL" | "TERM";
}

/**
 * Starts a program that ends when this process does, however that happens: a signal that no one can
 * catch included. Only the main thread may call this, since the kernel watches the thread that
 * started the program.
 *
 * The shell looks whether this process is still there, because it may have died before the kernel
 * was asked to watch it.
 */
export function spawnBound(
  command: readonly string[],
  { deathSignal, ...options }: BoundOptions,
): Deno.ChildProcess {
  const check = 'test "$PPID" = "$0" && exec "$@"';
  const args = ["--pdeathsig", deathSignal, "sh", "-c", check, String(Deno.pid), ...command];
  return new Deno.Command("setpriv", { ...options, args }).spawn();
}
