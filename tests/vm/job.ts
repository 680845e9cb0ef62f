// SPDX-License-Identifier: BSD-3-Clause
/** What a guest is booted for. */

/** One job for one boot. */
export interface Job {
  /** The shell command to run in /kup; unused in a shell. */
  readonly command: string;
  /** An interactive shell instead of the command. */
  readonly shell: boolean;
  /** The command is a test run, so a JUnit report has to come back. */
  readonly tests: boolean;
}

/** Whether a command loads modules itself, to give them parameters; then the guest loads none. */
export function loadsModules(command: string): boolean {
  return /\binsmod\b/.test(command);
}

/** An interactive shell. */
export function shellJob(): Job {
  return { command: "", shell: true, tests: false };
}

/** One shell command. */
export function commandJob(command: string): Job {
  return { command, shell: false, tests: false };
}

/** The conformance suite and the kernel's own tests, or those whose names contain the filter. */
export function testJob(filter: string): Job {
  const only = filter === "" ? "" : ` ${quote(`--filter=${filter}`)}`;
  const folders = "tests/conformance/ tests/kernel/";
  const command = `deno test -A --no-check --junit-path=/tmp/junit.xml${only} ${folders}`;
  return { command, shell: false, tests: true };
}

/** Quotes a word for the guest's shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
