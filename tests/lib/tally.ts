// SPDX-License-Identifier: BSD-3-Clause
/** Counts what passed, failed and was skipped, over all parts of a run. */

import type { Outcome, TestCase } from "../../harness/junit.ts";

/** The results of a run, one for each check or test. */
export class Tally {
  readonly #names: Record<Outcome, string[]> = { passed: [], failed: [], skipped: [] };

  /** Counts one result. */
  record(outcome: Outcome, name: string): void {
    this.#names[outcome].push(name);
  }

  /** Counts the tests of a report. `where` distinguishes two runs of the same tests. */
  recordTests(where: string, tests: readonly TestCase[]): void {
    for (const test of tests) {
      const reason = test.message === "" ? "" : `: ${test.message}`;
      this.record(test.outcome, `${where}: ${test.name}${reason}`);
    }
  }

  /** Counts the results of another tally, as its JSON has them. */
  add(names: Readonly<Record<Outcome, readonly string[]>>): void {
    for (const outcome of ["passed", "failed", "skipped"] as const) {
      for (const name of names[outcome]) this.record(outcome, name);
    }
  }

  toJSON(): Readonly<Record<Outcome, readonly string[]>> {
    return this.#names;
  }

  /** The names of all results of one kind, in the order they came. */
  names(outcome: Outcome): readonly string[] {
    return this.#names[outcome];
  }

  /** A run is good when nothing failed and something passed: an empty run proves nothing. */
  get ok(): boolean {
    return this.#names.failed.length === 0 && this.#names.passed.length > 0;
  }

  /** The line that ends a run, in a format that other programs read. */
  get verdict(): string {
    const { passed, failed, skipped } = this.#names;
    return `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`;
  }
}
