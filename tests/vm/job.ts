// SPDX-License-Identifier: BSD-3-Clause
/** What a guest is booted for. */

import { ROOT } from "../lib/paths.ts";

/** One job for one boot. */
export type Job =
  /** An interactive shell. */
  | { readonly kind: "shell" }
  | { readonly kind: "command"; readonly command: string }
  /** All tests of some files, or those whose names contain the filter. An empty filter is none. */
  | Tests;

/** Tests to be run. */
export interface Tests {
  readonly kind: "tests";
  readonly filter: string;
  /** Their paths in the checkout. */
  readonly files: readonly string[];
  /** Parameters of the kernel beside those that every guest has. */
  readonly parameters?: readonly string[];
  /** See `GuestContent`. */
  readonly inTurns?: boolean;
  /** When it is too late to begin another file, in milliseconds as `Date.now()` returns them. */
  readonly until?: number | undefined;
}

/** The files of the conformance suite, and those of the kernel's own tests. */
export async function allTestFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const folder of ["tests/conformance", "tests/kernel"]) {
    const names = (await Array.fromAsync(Deno.readDir(`${ROOT}/${folder}`))).map((one) => one.name);
    const tests = names.filter((name) => name.endsWith("_test.ts")).sort();
    files.push(...tests.map((name) => `${folder}/${name}`));
  }
  return files;
}

/** Whether a command loads modules itself, to give them parameters; then the guest loads none. */
export function loadsModules(job: Job): boolean {
  return job.kind === "command" && /\binsmod\b/.test(job.command);
}
