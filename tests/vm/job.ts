// SPDX-License-Identifier: BSD-3-Clause
/** What a guest is booted for. */

/** One job for one boot. */
export type Job =
  /** An interactive shell. */
  | { readonly kind: "shell" }
  | { readonly kind: "command"; readonly command: string }
  /**
   * The conformance suite and the kernel's own tests, or the files that are named; and of these all
   * tests, or those whose names contain the filter. An empty filter is none.
   */
  | Tests;

/** Tests to be run. */
export interface Tests {
  readonly kind: "tests";
  readonly filter: string;
  readonly files?: readonly string[];
  /** Parameters of the kernel beside those that every guest has. */
  readonly parameters?: readonly string[];
  /** When it is too late to begin another file, in milliseconds as `Date.now()` returns them. */
  readonly until?: number | undefined;
}

/** Whether a command loads modules itself, to give them parameters; then the guest loads none. */
export function loadsModules(job: Job): boolean {
  return job.kind === "command" && /\binsmod\b/.test(job.command);
}
