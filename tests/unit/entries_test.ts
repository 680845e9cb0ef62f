// SPDX-License-Identifier: BSD-3-Clause
/** The files that import many files of tests for a guest. */

import { assertEquals } from "../../deps.ts";
import { makeEntries } from "../vm/entries.ts";

const FILES = Array.from({ length: 1010 }, (_, i) => `tests/kernel/${i}_test.ts`);

/** What the entries import, in the order in which Deno runs them: sorted by their names. */
function imported(entries: Record<string, string>): string[][] {
  return Object.keys(entries).sort().map((path) =>
    [...entries[path]!.matchAll(/^import "(.*)";$/gm)]
      .map(([, file]) => new URL(file!, `file:///${path}`).pathname.slice(1))
  );
}

Deno.test("makeEntries() imports all files in one", () => {
  const entries = makeEntries({ kind: "tests", filter: "", files: FILES });
  assertEquals(imported(entries), [FILES]);
});

Deno.test("makeEntries() imports a few files in each with a limit of the time, in order", () => {
  const files = FILES.slice(0, 42);
  const all = imported(makeEntries({ kind: "tests", filter: "", files, until: 0 }));
  assertEquals(all.flat(), files);
  assertEquals(all.map(({ length }) => length), [...Array(10).fill(4), 2]);
});
