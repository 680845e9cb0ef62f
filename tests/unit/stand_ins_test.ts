// SPDX-License-Identifier: BSD-3-Clause
// These hold for std itself and for its stand-ins in tests/std/, whichever deps.ts gets here.
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  bold,
  formatBytes,
  parseArgs,
  setColorEnabled,
} from "../../deps.ts";

Deno.test("assertEquals compares by structure and names both values", () => {
  assertEquals({ a: [1, new Uint8Array([2])] }, { a: [1, new Uint8Array([2])] });
  assertEquals(NaN, NaN);
  const error = assertThrows(() => assertEquals([1], [2], "my words"), AssertionError, "my words");
  assertMatch(error.message, /1[^]*2/);
});

Deno.test("assertEquals tells types and missing keys apart", () => {
  assertNotEquals<unknown>(new Uint8Array([1]), [1]);
  assertNotEquals<unknown>({ a: undefined }, {});
  assertNotEquals<unknown>("1", 1);
  assertThrows(() => assertEquals<unknown>("1", 1), AssertionError);
  assertThrows(() => assertEquals<unknown>(new Uint8Array([1]), [1]), AssertionError);
});

Deno.test("assertThrows returns the error, and wants the class and the words asked for", () => {
  const thrower = () => {
    throw new RangeError("too long by 3");
  };
  assertInstanceOf(assertThrows(thrower, RangeError, "by 3"), RangeError);
  assertThrows(() => assertThrows(thrower, TypeError), AssertionError);
  assertThrows(() => assertThrows(thrower, RangeError, "by 4"), AssertionError);
  assertThrows(() => assertThrows(() => {}), AssertionError);
});

Deno.test("assertRejects wants a rejection, not a throw", async () => {
  const error = await assertRejects(() => Promise.reject(new TypeError("no")), TypeError, "no");
  assertEquals(error.message, "no");
  // Without assertRejects, which is what is in doubt here.
  const complaint = await assertRejects(() => Promise.resolve(1)).then(() => undefined, (e) => e);
  assertInstanceOf(complaint, AssertionError);
  const throws = () => {
    throw new TypeError("at once");
  };
  await assertRejects(() => assertRejects(throws), AssertionError);
});

Deno.test("the smaller assertions hold and fail where they should", () => {
  assertAlmostEquals(1, 1.00000001);
  assertArrayIncludes([1, 2, 3], [3, 1]);
  assertStringIncludes("haystack", "st");
  assertThrows(() => assertAlmostEquals(1, 1.1), AssertionError);
  assertThrows(() => assertArrayIncludes([1], [2]), AssertionError);
  assertThrows(() => assertStringIncludes("a", "b"), AssertionError);
  assertThrows(() => assert(0, "zero"), AssertionError, "zero");
});

Deno.test("parseArgs reads strings, booleans, repeated options and the rest", () => {
  const args = parseArgs(["--kernel", "6.1", "--quiet", "--only=vm", "--add=a", "--add=b", "x"], {
    string: ["kernel", "only", "add", "missing"],
    boolean: ["quiet", "shell"],
    collect: ["add"],
    default: { missing: "here" },
  });
  assertEquals(args.kernel, "6.1");
  assertEquals(args.only, "vm");
  assertEquals(args.quiet, true);
  assertEquals(args.shell, false);
  assertEquals(args.add, ["a", "b"]);
  assertEquals(args.missing, "here");
  assertEquals(args._, ["x"]);
});

Deno.test("formatBytes writes decimal and binary units", () => {
  assertEquals(formatBytes(0), "0 B");
  assertEquals(formatBytes(100), "100 B");
  assertEquals(formatBytes(1337), "1.34 kB");
  assertEquals(formatBytes(1e6), "1 MB");
  assertEquals(formatBytes(1024, { binary: true }), "1 KiB");
  assertEquals(formatBytes(-999), "-999 B");
});

Deno.test("colours can be turned off", () => {
  setColorEnabled(false);
  assertEquals(bold("text"), "text");
});
