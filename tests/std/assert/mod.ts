// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/assert` that `deps.ts` names, for machines that can't reach
 * JSR. It wraps `node:assert`; only the names, the argument order and the return values are std's.
 */

import nodeAssert, { AssertionError as NodeAssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

/** A class whose instances an assertion may ask for. */
// deno-lint-ignore no-explicit-any -- any constructor at all, as in std.
type Constructor<T> = abstract new (...args: any[]) => T;

/** Thrown by every assertion that doesn't hold. */
export class AssertionError extends NodeAssertionError {
  constructor(message: string) {
    super({ message });
    this.name = "AssertionError";
  }
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: 100 });
}

/** Fails with what was found and, behind a colon, the caller's own message. */
function refuse(what: string, message?: string): never {
  throw new AssertionError(message === undefined ? `${what}.` : `${what}: ${message}`);
}

/** Fails always. */
export function fail(message?: string): never {
  refuse("Failed assertion", message);
}

/** Fails because a place was reached that can't be. */
export function unreachable(reason?: string): never {
  refuse("Unreachable", reason);
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr: unknown, msg?: string): void {
  if (expr) refuse(`Expected a falsy value, got ${show(expr)}`, msg);
}

export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) refuse(`Expected a value, got ${actual}`, msg);
}

/** Structural equality. Node's own report is kept, since it shows the difference line by line. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    if (!(error instanceof NodeAssertionError)) throw error;
    refuse(`Values are not equal: ${error.message}`, msg);
  }
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (isDeepStrictEqual(actual, expected)) refuse(`Expected not to equal ${show(expected)}`, msg);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    refuse(`Expected ${show(actual)} to be strictly ${show(expected)}`, msg);
  }
}

export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) refuse(`Expected not to be strictly ${show(expected)}`, msg);
}

export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  const allowed = tolerance ?? Math.abs(expected) * 1e-7;
  if (!Object.is(actual, expected) && !(Math.abs(actual - expected) <= allowed)) {
    refuse(`Expected ${actual} to be within ${allowed} of ${expected}`, msg);
  }
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) refuse(`Expected ${show(actual)} > ${show(expected)}`, msg);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) refuse(`Expected ${show(actual)} >= ${show(expected)}`, msg);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) refuse(`Expected ${show(actual)} < ${show(expected)}`, msg);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) refuse(`Expected ${show(actual)} <= ${show(expected)}`, msg);
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) refuse(`Expected ${show(actual)} to match ${expected}`, msg);
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    refuse(`Expected ${show(actual)} to include ${show(expected)}`, msg);
  }
}

export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const found = Array.from(actual);
  const missing = Array.from(expected).filter((want) =>
    !found.some((have) => isDeepStrictEqual(have, want))
  );
  if (missing.length > 0) refuse(`Expected ${show(found)} to include ${show(missing)}`, msg);
}

export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: Constructor<T>,
  msg?: string,
): asserts actual is T {
  if (actual instanceof expectedType) return;
  const found = actual instanceof Object ? actual.constructor.name : show(actual);
  refuse(`Expected an instance of ${expectedType.name}, got ${found}`, msg);
}

/** Checks what a call threw, for `assertThrows` and `assertRejects` alike. */
function checkThrown(
  thrown: unknown,
  expectedType: Constructor<Error> | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): void {
  if (expectedType === undefined) return;
  if (!(thrown instanceof Error)) refuse(`A non-Error object was thrown: ${show(thrown)}`, msg);
  assertInstanceOf(thrown, expectedType, msg ?? thrown.message);
  if (msgIncludes !== undefined) assertStringIncludes(thrown.message, msgIncludes, msg);
}

/** What follows the function: `(msg)` or `(errorClass, msgIncludes, msg)`, as in std. */
type Rest = (Constructor<Error> | string | undefined)[];

function readRest(
  [first, second, third]: Rest,
): [Constructor<Error> | undefined, string | undefined, string | undefined] {
  if (typeof first !== "function") return [undefined, undefined, first];
  return [first, second as string | undefined, third as string | undefined];
}

export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...rest: Rest): unknown {
  const [expectedType, msgIncludes, msg] = readRest(rest);
  try {
    fn();
  } catch (thrown) {
    checkThrown(thrown, expectedType, msgIncludes, msg);
    return thrown;
  }
  refuse("Expected function to throw", msg);
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
  const [expectedType, msgIncludes, msg] = readRest(rest);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (thrown) {
    refuse(`Function throws when expected to reject (${show(thrown)})`, msg);
  }
  try {
    await promise;
  } catch (thrown) {
    checkThrown(thrown, expectedType, msgIncludes, msg);
    return thrown;
  }
  refuse("Expected function to reject", msg);
}
