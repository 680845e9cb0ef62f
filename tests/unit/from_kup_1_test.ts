// SPDX-License-Identifier: BSD-3-Clause
/** docs/from-kup-1.md shows a module; tests/conformance/seed_test.ts and the engine's tests run it. */

import { assertEquals } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";

Deno.test("the module in docs/from-kup-1.md is the one that is tested", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/from-kup-1.md`);
  const file = await Deno.readTextFile(`${ROOT}/tests/seed/mydev.c`);
  const [, shown] = page.match(/^```c\n(.*?)^```$/ms) ?? [];
  // Its licence, and where it comes from, come first.
  assertEquals(shown, file.split("\n").slice(3).join("\n"));
});
