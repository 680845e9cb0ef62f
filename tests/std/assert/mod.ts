// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/assert` that `deps.ts` names, for machines that can't reach JSR.
 * Names, arguments, results and behaviour are std's; the words of a failure are its own.
 */

import nodeAssert from "node:assert";
import { inspect, stripVTControlCharacters } from "node:util";
import { isEqual } from "./equal.ts";

/** A class whose instances an assertion may expect. */
// deno-lint-ignore no-explicit-any -- any constructor at all, as in std.
type Constructor<T> = abstract new (...args: any[]) => T;

/** Thrown by every assertion that fails. */
class AssertionError extends Error {
  override readonly name = "AssertionError";
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: 100 });
}

/** Fails with the finding and, behind a colon, the caller's own message. */
function refuse(what: string, message?: string, details = ""): never {
  throw new AssertionError(`${what}${message ? `: ${message}` : "."}${details}`);
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(
  expr: unknown,
  msg = "",
): asserts expr is false | 0 | 0n | "" | null | undefined {
  if (expr) throw new AssertionError(msg);
}

/** Shows two values that are not equal; Node's report has the difference line by line. */
function difference(actual: unknown, expected: unknown): string {
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    if (error instanceof nodeAssert.AssertionError) return error.message;
    throw error;
  }
  return `${show(actual)}\n${show(expected)}`;
}

/** Structural equality, as `isEqual` has it. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (isEqual(actual, expected)) return;
  refuse("Values are not equal", msg, `\n${difference(actual, expected)}`);
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throw new AssertionError(msg ?? `Expect ${show(actual)} > ${show(expected)}`);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (actual < expected) return;
  throw new AssertionError(msg ?? `Expect ${show(actual)} < ${show(expected)}`);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual <= expected) return;
  throw new AssertionError(msg ?? `Expect ${show(actual)} <= ${show(expected)}`);
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) refuse(`Expected ${show(actual)} to match ${expected}`, msg);
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  refuse(`Expected ${show(actual)} to contain ${show(expected)}`, msg);
}

/** What follows the function: `(msg)` or `(errorClass, msgIncludes, msg)`, as in std. */
type Rest = readonly (Constructor<Error> | string | undefined)[];

function messageOf([first, , third]: Rest): string | undefined {
  return [first, third].find((one) => typeof one === "string");
}

/** Checks what a call threw, for `assertThrows` and `assertRejects` alike. */
function checkThrown(thrown: unknown, rest: Rest): void {
  const [expected, words] = rest;
  const msg = messageOf(rest);
  if (typeof expected !== "function") return;
  if (!(thrown instanceof Error)) refuse(`A non-Error object was thrown (${show(thrown)})`, msg);
  const { name, message } = thrown;
  const isExpected: boolean = thrown instanceof expected;
  if (!isExpected) {
    refuse(`Expected an instance of ${expected.name}, got ${name} (${message})`, msg);
  }
  const [text, part] = [message, String(words ?? "")].map((one) => stripVTControlCharacters(one));
  if (!text!.includes(part!)) refuse(`Expected ${show(text)} to include ${show(part)}`, msg);
}

export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...rest: Rest): unknown {
  try {
    fn();
  } catch (thrown) {
    checkThrown(thrown, rest);
    return thrown;
  }
  refuse("Expected function to throw", messageOf(rest));
}

export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ...rest: Rest
): Promise<unknown> {
  let promise: PromiseLike<unknown> | undefined;
  let thrown: unknown;
  try {
    promise = fn();
  } catch (error) {
    thrown = error;
  }
  if (typeof promise?.then !== "function") {
    refuse(`Function throws when expected to reject (${show(thrown)})`, messageOf(rest));
  }
  try {
    await promise;
  } catch (error) {
    checkThrown(error, rest);
    return error;
  }
  refuse("Expected function to reject", messageOf(rest));
}
