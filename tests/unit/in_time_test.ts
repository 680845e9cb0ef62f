// SPDX-License-Identifier: BSD-3-Clause
/** tests/vm/in_time.ts, which skips files of tests when it is too late. */

import { assertEquals, assertStringIncludes } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";

const TESTS = `
Deno.test("one", () => {});
Deno.test({ name: "two", fn() {} });
Deno.test.ignore("three", () => {});
`;

/** Runs these tests with this limit of the uptime. */
async function run(limit: number): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kup-in-time-" });
  try {
    await Deno.writeTextFile(`${folder}/some_test.ts`, TESTS);
    const preload = `--preload=${ROOT}/tests/vm/in_time.ts`;
    const { code, output } = await capture(
      [Deno.execPath(), "test", "-A", "--no-check", "--no-config", preload, folder],
      { env: { KUP_TOO_LATE: String(limit), NO_COLOR: "1" } },
    );
    assertEquals(code, 0, output);
    return output;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("in_time.ts lets tests run until the limit", async () => {
  const output = await run(Deno.osUptime() + 3600);
  assertStringIncludes(output, "2 passed | 0 failed | 1 ignored");
});

Deno.test("in_time.ts skips all tests after the limit, and says so", async () => {
  const output = await run(Deno.osUptime() - 1);
  assertStringIncludes(output, "0 passed | 0 failed | 3 ignored");
  assertStringIncludes(output, "no time was left for these tests");
});
