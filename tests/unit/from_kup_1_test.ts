// SPDX-License-Identifier: BSD-3-Clause
/**
 * docs/from-kup-1.md shows a module; tests/conformance/seed_test.ts and the engine's tests run it.
 */

import { assertEquals } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";

Deno.test("docs/from-kup-1.md shows the module that is tested", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/from-kup-1.md`);
  const file = await Deno.readTextFile(`${ROOT}/tests/seed/mydev.c`);
  const [, shown] = page.match(/^```c\n(.*?)^```$/ms) ?? [];
  // Without its licence and its origin, which come first.
  assertEquals(shown, file.split("\n").slice(3).join("\n"));
});
