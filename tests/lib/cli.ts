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
