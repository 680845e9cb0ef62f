// SPDX-License-Identifier: BSD-3-Clause
// What std's documentation promises of the names in deps.ts and cli/deps.ts. The tests hold for
// std itself and for its stand-ins in tests/std/, whichever these files bring here. So no test
// relies on the words of a failure.
import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  bold,
  dim,
  green,
  red,
  setColorEnabled,
  yellow,
} from "../../deps.ts";
import { formatBytes, parseArgs } from "../../cli/deps.ts";

/**
 * Returns the message of the failed assertion that a call ends in, without an assertion of its own.
 */
async function failure(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof Error && error.name === "AssertionError") return error.message;
    throw error;
  }
  throw new Error(`No assertion failed in ${call}`);
}

Deno.test("assert() and assertFalse() test truth, and fail with the caller's message", async () => {
  for (const value of [true, 1, "no", {}, []]) {
    assert(value);
    if (await failure(() => assertFalse(value, "mine")) !== "mine") throw new Error("other words");
  }
  for (const value of [false, 0, 0n, "", null, undefined, NaN]) {
    assertFalse(value);
    if (await failure(() => assert(value, "mine")) !== "mine") throw new Error("other words");
  }
});

class Point {
  constructor(readonly x: number, readonly y = 0) {}
}

const EQUAL: [unknown, unknown][] = [
  [NaN, NaN],
  [0, -0],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [new URL("http://a/b"), new URL("http://a/b")],
  [new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]])],
  [new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }])],
  [new Point(1), new Point(1)],
];

const UNEQUAL: [unknown, unknown][] = [
  ["1", 1],
  [1n, 1],
  [null, undefined],
  [{}, { a: undefined }],
  [{ a: undefined }, { b: undefined }],
  [[undefined], []],
  [[1, 2], [2, 1]],
  [new Uint8Array([1]), [1]],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Set([1]), new Set([1, 2])],
  [new Point(1), new Point(1, 1)],
  [new Point(1), { x: 1, y: 0 }],
  [() => 1, () => 1],
];

Deno.test("assertEquals() compares by structure, and accepts 0 for -0", () => {
  for (const [actual, expected] of EQUAL) assertEquals(actual, expected);
  for (const [actual, expected] of EQUAL) assertEquals({ in: [expected] }, { in: [actual] });
});

Deno.test("assertEquals() compares types, classes and the presence of keys", async () => {
  for (const [actual, expected] of UNEQUAL) {
    await failure(() => assertEquals(actual, expected));
    await failure(() => assertEquals([expected], [actual]));
  }
});

Deno.test("assertEquals() compares objects that contain themselves", async () => {
  const ring = (value: number) => {
    const self: Record<string, unknown> = { value };
    self.self = self;
    return self;
  };
  assertEquals(ring(1), ring(1));
  await failure(() => assertEquals(ring(1), ring(2)));
});

Deno.test("assertEquals() fails with both values and the caller's message", async () => {
  const message = await failure(() => assertEquals([1234], [5678], "my words"));
  for (const part of ["my words", "1234", "5678"]) assertStringIncludes(message, part);
});

Deno.test("assertGreater(), assertLess() and assertLessOrEqual() compare values", async () => {
  assertGreater(2, 1);
  assertLess(1, 2);
  assertLessOrEqual(1, 2);
  assertLessOrEqual(1, 1);
  assertGreater(2n, 1n);
  assertLess(new Date(1), new Date(2));
  const calls = [
    () => assertGreater(1, 1, "mine"),
    () => assertLess(1, 1, "mine"),
    () => assertLessOrEqual(2, 1, "mine"),
    () => assertGreater(NaN, 1, "mine"),
  ];
  for (const call of calls) assertStringIncludes(await failure(call), "mine");
});

Deno.test("assertMatch() and assertStringIncludes() look into a string", async () => {
  assertMatch("Raptor", /Rap/);
  assertStringIncludes("Hello", "ello");
  assertStringIncludes("Hello", "");
  assertStringIncludes(await failure(() => assertMatch("Denosaurus", /Raptor/, "mine")), "mine");
  assertStringIncludes(await failure(() => assertStringIncludes("Hello", "world", "mine")), "mine");
});

function throwing(value: unknown): () => never {
  return () => {
    throw value;
  };
}

const tooLong = throwing(new RangeError("too long by 3"));

Deno.test("assertThrows() returns what was thrown, of any class and value", () => {
  assert(assertThrows(tooLong) instanceof RangeError);
  assert(assertThrows(tooLong, "my words") instanceof RangeError);
  const error: RangeError = assertThrows(tooLong, RangeError, "by 3");
  assertEquals(error.message, "too long by 3");
  assertThrows(tooLong, Error);
  assertEquals(assertThrows(throwing("a word")), "a word");
});

Deno.test("assertThrows() fails for another class, other words, or no error", async () => {
  await failure(() => assertThrows(tooLong, TypeError));
  await failure(() => assertThrows(tooLong, RangeError, "by 4"));
  await failure(() => assertThrows(() => Promise.resolve()));
  await failure(() => assertThrows(throwing("too long by 3"), Error));
  assertStringIncludes(await failure(() => assertThrows(() => {}, "mine")), "mine");
  assertStringIncludes(await failure(() => assertThrows(tooLong, Error, "by 4", "mine")), "mine");
});

Deno.test("assertRejects() returns the reason of the rejection", async () => {
  const error = await assertRejects(() => Promise.reject(new TypeError("no")), TypeError, "no");
  assertEquals(error.message, "no");
  assertEquals(await assertRejects(() => Promise.reject("a word")), "a word");
  // deno-lint-ignore require-await -- what an async function throws is a rejection.
  await assertRejects(async () => tooLong(), RangeError);
});

Deno.test("assertRejects() fails for a throw, a value, another class or other words", async () => {
  const no = () => Promise.reject(new TypeError("no"));
  await failure(() => assertRejects(() => tooLong()));
  await failure(() => assertRejects(() => undefined as unknown as Promise<void>));
  await failure(() => assertRejects(no, RangeError));
  await failure(() => assertRejects(no, TypeError, "yes"));
  await failure(() => assertRejects(() => Promise.reject("no"), Error));
  const resolves = () => assertRejects(() => Promise.resolve(1), "mine");
  assertStringIncludes(await failure(resolves), "mine");
});

Deno.test("parseArgs() reads strings, booleans, repeated options and the rest", () => {
  const args = ["--kernel", "6.1", "--quiet", "--only=vm", "--add=a", "--add=b", "x", "--shell"];
  const parsed = parseArgs(args, {
    string: ["kernel", "only", "add", "none", "missing"],
    boolean: ["quiet", "shell", "help"],
    collect: ["add", "none"],
    default: { missing: "here" },
  });
  assertEquals<unknown>(parsed, {
    _: ["x"],
    kernel: "6.1",
    only: "vm",
    add: ["a", "b"],
    none: [],
    missing: "here",
    quiet: true,
    shell: true,
    help: false,
  });
});

/** The options of the tests below. */
const KINDS = { string: ["name"], boolean: ["quiet"] } as const;

const PARSED: [string[], Record<string, unknown>][] = [
  // A string without a value is empty, and never takes an option as its value.
  [["--name"], { name: "" }],
  [["--name", "--quiet"], { name: "", quiet: true }],
  [["--name=", "x"], { name: "", _: ["x"] }],
  [["--name=a=b"], { name: "a=b" }],
  [["--name", "a", "--name", "b"], { name: "b" }],
  // Strings stay strings; all else that looks like a number becomes one.
  [["--name", "0x10"], { name: "0x10" }],
  [["0x10", "1e3", "6.1.2", "-"], { _: [16, 1000, "6.1.2", "-"] }],
  // A boolean takes no value but true and false.
  [["--quiet", "x"], { quiet: true, _: ["x"] }],
  [["--quiet=false"], { quiet: false }],
  [["--quiet", "false"], { quiet: false }],
  // Options that were not declared.
  [["--other"], { other: true }],
  [["--other", "5"], { other: 5 }],
  [["--other=a", "--no-quiet"], { "other": "a", "no-quiet": true }],
  [["--one.two=3"], { one: { two: 3 } }],
  [["-h"], { h: true }],
  [["-abc", "x"], { a: true, b: true, c: "x" }],
  [["-n5", "-m=6"], { n: 5, m: 6 }],
  // What follows two dashes is left alone.
  [["a", "--", "--quiet", "5"], { _: ["a", "--quiet", "5"] }],
];

Deno.test("parseArgs() reads a value by the kind of its option, and keeps other options", () => {
  for (const [args, expected] of PARSED) {
    const wanted = { _: [], quiet: false, ...expected };
    assertEquals<unknown>(parseArgs(args, KINDS), wanted, args.join(" "));
  }
});

Deno.test("parseArgs() uses a default only for an option that is not given", () => {
  const options = { ...KINDS, default: { name: "usual", quiet: true } };
  assertEquals<unknown>(parseArgs([], options), { _: [], name: "usual", quiet: true });
  const given = parseArgs(["--name", "", "--quiet=false"], options);
  assertEquals<unknown>(given, { _: [""], name: "", quiet: false });
  const many = { string: ["add"], collect: ["add"], default: { add: ["usual"] } } as const;
  assertEquals<unknown>(parseArgs(["--add=a"], many), { _: [], add: ["a"] });
});

const STYLES = { bold, dim, red, green, yellow };

Deno.test({
  name: "bold(), red() and the others write their terminal codes around a text",
  ignore: Deno.noColor,
  fn: () => {
    setColorEnabled(true);
    const written = Object.values(STYLES).map((style) => style("text"));
    // deno-lint-ignore no-control-regex -- terminal codes begin with one.
    for (const one of written) assertMatch(one, /^\x1b\[\d+mtext\x1b\[\d+m$/);
    assertEquals(new Set(written).size, written.length);
    assertEquals(red(`a${green("b")}c`), "\x1b[31ma\x1b[32mb\x1b[31mc\x1b[39m");
  },
});

Deno.test("formatBytes() writes three digits and a unit", () => {
  const cases: [number, boolean, string][] = [
    [0, false, "0 B"],
    [999, false, "999 B"],
    [1337, false, "1.34 kB"],
    [-1337, false, "-1.34 kB"],
    [1e6, false, "1 MB"],
    [1024, true, "1 KiB"],
    [262144, true, "256 KiB"],
    [1.5 * 2 ** 20, true, "1.5 MiB"],
  ];
  for (const [num, binary, text] of cases) assertEquals(formatBytes(num, { binary }), text);
  assertThrows(() => formatBytes(NaN), TypeError);
});

Deno.test("setColorEnabled() turns all styles off", () => {
  setColorEnabled(false);
  try {
    for (const style of Object.values(STYLES)) assertEquals(style("text"), "text");
  } finally {
    setColorEnabled(true);
  }
});
