// SPDX-License-Identifier: BSD-3-Clause
/** Reading the JUnit reports that `deno test --junit-path` writes. */

/**
 * The result of one test.
 *
 * @example
 * ```ts
 * import { type Outcome, type TestCase } from "jsr:@kup/kup/harness";
 *
 * const count = (tests: TestCase[], wanted: Outcome) =>
 *   tests.filter(({ outcome }) => outcome === wanted).length;
 * console.log(count([{ file: "a_test.ts", name: "a", outcome: "passed", message: "" }], "passed"));
 * ```
 */
export type Outcome = "passed" | "failed" | "skipped";

/**
 * One test of a report.
 *
 * @example
 * ```ts
 * import { type TestCase } from "jsr:@kup/kup/harness";
 *
 * const test: TestCase = { file: "a_test.ts", name: "a", outcome: "failed", message: "Error: no" };
 * console.log(`${test.file}: ${test.name} has ${test.outcome}: ${test.message}`);
 * ```
 */
export interface TestCase {
  /** The file of the test, as the report gives it. */
  readonly file: string;
  /** The name of the test. */
  readonly name: string;
  /** What came of it. */
  readonly outcome: Outcome;
  /** The first line of the failure, or an empty text. */
  readonly message: string;
}

/** A text that is no report, or a report that was cut off. */
export class JunitError extends Error {
  override readonly name = "JunitError";
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

function unescape(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[name] ?? whole;
  });
}

function attribute(attributes: string, name: string): string {
  const match = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes);
  return unescape(match?.[1] ?? "");
}

function outcomeOf(body: string): Outcome {
  if (/<(?:failure|error)\b/.test(body)) return "failed";
  return /<skipped\b/.test(body) ? "skipped" : "passed";
}

function messageOf(body: string): string {
  const fault = /<(?:failure|error)\b([^>]*)>/.exec(body);
  return attribute(fault?.[1] ?? "", "message").split("\n", 1)[0] ?? "";
}

/**
 * Lists the tests of a report. It knows the one format that Deno writes, and compares its own count
 * with the report's, so that it never reads an unknown format as "no tests".
 *
 * @throws {JunitError} when the text is not a whole report, or the counts differ.
 */
export function parseJunit(xml: string): TestCase[] {
  const head = /<testsuites\b([^>]*?)\/?>/.exec(xml);
  if (head === null) throw new JunitError("Not a JUnit report: it has no <testsuites>");
  const empty = head[0].endsWith("/>");
  if (!empty && !/<\/testsuites>\s*$/.test(xml)) {
    throw new JunitError("The JUnit report is cut off: its </testsuites> is missing");
  }

  const tests: TestCase[] = [];
  // Text never contains a bare "<", so each "</" begins an end tag.
  for (const suite of xml.matchAll(/<testsuite\b([^>]*[^/>])>(.*?)<\/testsuite>/gs)) {
    const file = attribute(suite[1] ?? "", "name");
    const cases = (suite[2] ?? "").matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs);
    for (const one of cases) {
      const body = one[2] ?? "";
      tests.push({
        file,
        name: attribute(one[1] ?? "", "name"),
        outcome: outcomeOf(body),
        message: messageOf(body),
      });
    }
  }

  const declared = Number(attribute(head[1] ?? "", "tests"));
  if (declared !== tests.length) {
    throw new JunitError(`The JUnit report says ${declared} tests and lists ${tests.length}`);
  }
  return tests;
}
