// SPDX-License-Identifier: BSD-3-Clause
/** The pictures' scripts; a static check compares the files with what the scripts draw. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../deps.ts";
import { drawRoundTrip, readBars } from "../../scripts/pictures/roundtrip.ts";
import { readCast } from "../../scripts/pictures/terminal.ts";
import { Picture, THEMES } from "../../scripts/pictures/svg.ts";
import { ROOT } from "../lib/paths.ts";

const ROWS = `
Measured on 2026-01-02: A Processor, 2 processors; more.

| 7  | round trip against other ways: to pipes by FFI | ≥ 70x | 95.94x (452 ns to 43.4 µs) | met |
| 7  | round trip against other ways: to ringbuf.js   | ≥ 1x  | 2.19x (452 ns to 992 ns)   | met |
`;

Deno.test("readBars() reads the figures of KUP and of the other ways, the shortest first", () => {
  assertEquals(readBars(ROWS), [
    { name: "KUP", time: "452 ns", nanoseconds: 452 },
    { name: "ringbuf.js", time: "992 ns", nanoseconds: 992 },
    { name: "pipes by FFI", time: "43.4 µs", nanoseconds: 43_400 },
  ]);
});

Deno.test("readBars() refuses a page without the rows, and a time that is none", () => {
  assertThrows(() => readBars("| 7 | something |\n"), Error, "no rows");
  assertThrows(() => readBars(ROWS.replace("992 ns", "992 s")), Error, "is no time");
});

Deno.test("drawRoundTrip() shows the figures, the day and the machine", () => {
  const svg = drawRoundTrip(THEMES[0]!, ROWS);
  for (const text of ["452 ns", "43.4 µs", "2026-01-02", "A Processor, 2 processors"]) {
    assertStringIncludes(svg, text);
  }
});

Deno.test("Picture.toSvg() escapes what is written, and has a title and a description", () => {
  const picture = new Picture(THEMES[1]!, 10, 10);
  picture.text(1, 2, "a < b & c");
  const svg = picture.toSvg("A title", "What it shows, > 1");
  for (const part of ["a &lt; b &amp; c", ">A title</title>", ">What it shows, &gt; 1</desc>"]) {
    assertStringIncludes(svg, part);
  }
});

const HEAD = `{"version":2,"width":20,"height":9,"title":"T"}\n`;

Deno.test("readCast() has each line with the time of its first letter, and shortens pauses", () => {
  const cast = `${HEAD}[0,"o","$ a\\r\\n"]\n[0.5,"i","x"]\n[0.5,"o","b"]\n[9,"o","c\\r\\nd"]\n`;
  assertEquals(readCast(cast), {
    title: "T",
    columns: 20,
    lines: [{ text: "$ a", at: 0 }, { text: "bc", at: 0.5 }, { text: "d", at: 1.5 }],
  });
});

Deno.test("readCast() refuses another format, and codes of a terminal", () => {
  assertThrows(() => readCast('{"version":1}\n'), Error, "no recording of asciicast 2");
  assertThrows(() => readCast(`${HEAD}[0,"o","\\u001b[1mbold"]\n`), Error, "codes of a terminal");
});

Deno.test("each picture in docs has a dark variant, and nothing that needs another file", async () => {
  const names = (await Array.fromAsync(Deno.readDir(`${ROOT}/docs/pictures`)))
    .map(({ name }) => name).filter((name) => name.endsWith(".svg"));
  assert(names.length >= 6);
  for (const name of names) {
    const other = name.endsWith("-dark.svg")
      ? name.replace("-dark", "")
      : name.replace(".svg", "-dark.svg");
    assert(names.includes(other), `${name} without ${other}`);
    const svg = await Deno.readTextFile(`${ROOT}/docs/pictures/${name}`);
    assertEquals(svg.match(/(?:href|src|url\()[^ ]*/), null, name);
  }
});
