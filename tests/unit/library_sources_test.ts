// SPDX-License-Identifier: BSD-3-Clause
/** The list of files whose changes make `make prebuilt` build again. */

import { assertEquals, assertGreater } from "../../deps.ts";
import { filesBelow } from "../../harness/package.ts";
import { librarySources } from "../../scripts/library_sources.ts";
import { ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

Deno.test("librarySources() has the source of each object in the prebuilt library", async () => {
  const objects = await filesBelow(`${ROOT}/native/build/prebuilt/x86_64-gnu/objects`);
  const checkout = new Set(await projectFiles());
  // Objects of sources that are gone may be there, too.
  const built = objects.map((path) => path.replace(/\.o$/, ".c")).filter((path) =>
    checkout.has(path)
  );
  const sources = await librarySources();
  assertGreater(built.length, 20);
  assertEquals(built.filter((path) => !sources.includes(path)), []);
});

Deno.test("librarySources() has the headers, the flags and the list of exports, and no kernel's code", async () => {
  const sources = await librarySources();
  for (const path of ["kmod/kup.h", "native/kup_user.h", "native/Makefile", "native/exports.map"]) {
    assertEquals(sources.filter((one) => one === path), [path]);
  }
  assertEquals(sources.filter((path) => /linux|native\/build/.test(path)), [
    "kmod/echo/os/linux.c",
  ]);
});
