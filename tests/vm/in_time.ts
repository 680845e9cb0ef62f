// SPDX-License-Identifier: BSD-3-Clause
/**
 * Deno loads this before each file of tests. When the guest has run for too long, it skips all tests
 * of the file. A file that has begun is run to its end.
 */

const isLate = Deno.osUptime() > Number(Deno.env.get("KUP_TOO_LATE"));

if (isLate) {
  console.log("no time was left for these tests");
  const value = new Proxy(Deno.test, {
    apply: (test, _, args) => Reflect.apply(test.ignore, undefined, args),
  });
  Object.defineProperty(Deno, "test", { value });
}
