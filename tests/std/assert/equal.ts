// SPDX-License-Identifier: BSD-3-Clause
/** Equality of values, as `assertEquals` of `@std/assert` defines it. */

/** Values of these classes are equal if their strings are equal. */
const WRITTEN = [RegExp, URL, URLSearchParams];

const TypedArray = Object.getPrototypeOf(Uint8Array) as new () => Uint8Array;

type Pairs = Map<object, object>;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An object without a prototype is compared like one with the usual prototype. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** The elements of an array of numbers or a buffer; undefined for other values. */
function elementsOf(value: object): Uint8Array | undefined {
  if (value instanceof TypedArray) return value;
  const isBuffer = value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
  return isBuffer ? new Uint8Array(value) : undefined;
}

/** The enumerable keys; for an instance of a class all keys, also those of its prototypes. */
function keysOf(value: object): Set<string | symbol> {
  const keys = new Set<string | symbol>();
  const prototype = prototypeOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype) {
    return new Set(Reflect.ownKeys({ ...value }));
  }
  for (let at = value; isObject(at) && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) keys.add(key);
  }
  return keys;
}

/** Maps and sets: the order of entries does not matter. */
function hasEqualEntries(a: Iterable<unknown>, b: Iterable<unknown>, pairs: Pairs): boolean {
  const others = [...b];
  return [...a].every((entry) => others.some((other) => compare(entry, other, pairs)));
}

function hasEqualKeys(a: object, b: object, pairs: Pairs): boolean {
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  return [...keysOf(a).union(keysOf(b))].every((key) => {
    const [left, right] = [a, b].map((one) => (one as Record<string | symbol, unknown>)[key]);
    return compare(left, right, pairs) && (key in a) === (key in b);
  });
}

/** `pairs` are being compared already, further out: objects may contain themselves. */
function compare(a: unknown, b: unknown, pairs: Pairs): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || prototypeOf(a) !== prototypeOf(b)) return false;
  if (a instanceof WeakMap || a instanceof WeakSet) throw new TypeError("Can't be compared");
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (WRITTEN.some((one) => a instanceof one)) return String(a) === String(b);
  const [left, right] = [elementsOf(a), elementsOf(b)];
  if (left !== undefined && right !== undefined) {
    return left.length === right.length && left.every((one, at) => compare(one, right[at], pairs));
  }
  if (pairs.get(a) === b) return true;
  pairs.set(a, b);
  if (a instanceof Map || a instanceof Set) {
    const other = b as typeof a;
    return a.size === other.size && hasEqualEntries(a, other, pairs);
  }
  return hasEqualKeys(a, b, pairs);
}

/**
 * Returns whether two values have the same structure and content. `NaN` equals itself and `0`
 * equals `-0`; types, classes and the presence of a key matter.
 */
export function isEqual(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}
