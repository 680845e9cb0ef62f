// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals, assertFalse } from "../../deps.ts";
import {
  compareVersions,
  dependencies,
  inSeries,
  newestOf,
  parseStanzas,
} from "../../harness/version.ts";

const SHOWN = `Package: linux-image-cloud-amd64
Version: 6.12.95-1~bpo12+1
Depends: linux-image-6.12.95+deb12-cloud-amd64 (= 6.12.95-1~bpo12+1)
Description: folded
 over lines

Package: linux-image-cloud-amd64
Version: 6.1.99-1
Depends: linux-image-6.1.0-21-cloud-amd64 (= 6.1.99-1)

Package: linux-image-cloud-amd64
Version: 6.1.176-1
Depends: linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1) | other, linux-base (>= 4)
`;

Deno.test("newestOf() chooses the newest kernel of a series by number, not by spelling", () => {
  const newest = newestOf(parseStanzas(SHOWN), "6.1");
  assertEquals(newest?.get("Version"), "6.1.176-1");
});

Deno.test("newestOf() does not choose a kernel of another series", () => {
  assertEquals(newestOf(parseStanzas(SHOWN), "6.12")?.get("Version"), "6.12.95-1~bpo12+1");
  assertEquals(newestOf(parseStanzas(SHOWN), "5.10"), undefined);
});

Deno.test("inSeries() does not take a series for the beginning of another's number", () => {
  assert(inSeries("6.1.176-1", "6.1"));
  assertFalse(inSeries("6.12.95-1", "6.1"));
});

Deno.test("dependencies() returns names, and of alternatives the first", () => {
  const newest = newestOf(parseStanzas(SHOWN), "6.1");
  assert(newest !== undefined);
  assertEquals(dependencies(newest), ["linux-image-6.1.0-50-cloud-amd64", "linux-base"]);
});

Deno.test("compareVersions() orders versions by their numbers", () => {
  assert(compareVersions("6.12.9-1", "6.12.10-1") < 0);
  assert(compareVersions("6.1.176-2", "6.1.176-1") > 0);
  assertEquals(compareVersions("6.1.1-1", "6.1.1-1"), 0);
});
