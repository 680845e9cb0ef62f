// SPDX-License-Identifier: BSD-3-Clause
/** Runs `kup` as a process. */

import { capture, type Finished, type RunOptions } from "./process.ts";
import { ROOT } from "./paths.ts";

const CONFIG = `${ROOT}/${Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json"}`;

/** How `kup` is run. */
export interface KupOptions extends RunOptions {
  /** Deno's permissions; by default `--allow-ffi` alone. */
  readonly permissions?: readonly string[];
}

/** The words of a command that runs `kup`. */
export function kupCommand(
  args: readonly string[],
  permissions: readonly string[] = ["--allow-ffi"],
): string[] {
  const options = ["--no-prompt", "--quiet", "--no-check", "--config", CONFIG];
  return [Deno.execPath(), "run", ...options, ...permissions, `${ROOT}/cli.ts`, ...args];
}

/** Runs `kup` to its end. */
export function kup(
  args: readonly string[],
  { permissions, ...options }: KupOptions = {},
): Promise<Finished> {
  return capture(kupCommand(args, permissions), options);
}

/** Starts `kup` with pipes. */
export function startKup(
  args: readonly string[],
  permissions?: readonly string[],
): Deno.ChildProcess {
  const [program, ...rest] = kupCommand(args, permissions);
  return new Deno.Command(program!, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits until a process catches SIGINT and SIGTERM: their bits in the mask of caught signals. */
async function untilListening(pid: number): Promise<void> {
  for (;;) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)![1]}`);
    if ((caught & 0x4002n) === 0x4002n) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Presses Ctrl-C, when `kup` listens: before that the signal itself would end it. */
export async function interrupt(
  child: Deno.ChildProcess,
  signal: "SIGINT" | "SIGTERM" = "SIGINT",
): Promise<void> {
  await untilListening(child.pid);
  child.kill(signal);
}
