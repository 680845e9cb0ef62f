// SPDX-License-Identifier: BSD-3-Clause
/**
 * A recording of a terminal (asciicast 2) as a picture, in which each line appears when it came. A
 * viewer without animations, or a person who wants none, sees all lines at once.
 */

import { Picture, type Theme } from "./svg.ts";

/** A line of the screen, and when its first letter came, in seconds. */
interface Line {
  readonly text: string;
  readonly at: number;
}

/** Longer pauses are shortened to this, in seconds. */
const LONGEST_PAUSE = 1;

/** Reads a recording of plain text, without codes that move the cursor. */
export function readCast(cast: string): { title: string; columns: number; lines: Line[] } {
  const [head, ...events] = cast.trimEnd().split("\n").map((line) => JSON.parse(line));
  if (head?.version !== 2) throw new Error("this is no recording of asciicast 2");
  const lines: Line[] = [];
  let [text, at, clock, before] = ["", 0, 0, 0];
  for (const [time, kind, put] of events as [number, string, string][]) {
    if (kind !== "o") continue;
    clock += Math.min(time - before, LONGEST_PAUSE);
    before = time;
    for (const character of put) {
      if (character === "\r") continue;
      if (text === "") at = clock;
      if (character !== "\n") text += character;
      else {
        lines.push({ text, at });
        text = "";
      }
    }
  }
  if (text !== "") lines.push({ text, at });
  if (lines.some((line) => line.text.includes("\x1b"))) {
    throw new Error("the recording has codes of a terminal; record it without one");
  }
  const longest = Math.max(...lines.map((line) => line.text.length));
  if (longest > head.width) throw new Error(`a line of the recording has ${longest} columns`);
  return { title: head.title, columns: head.width, lines };
}

const [SIZE, CHARACTER, LEADING, TOP] = [15.5, 10, 20, 58];

const STYLE = `<style>@keyframes wait { from, to { opacity: 0 } } .l { animation: wait linear }
@media (prefers-reduced-motion: reduce) { .l { animation: none } }</style>`;

export function drawTerminal(theme: Theme, cast: string): string {
  const { title, columns, lines } = readCast(cast);
  const last = lines.findLastIndex(({ text }) => text !== "");
  const shown = lines.slice(0, last + 1);
  const picture = new Picture(theme, columns * CHARACTER + 40, TOP + LEADING * shown.length + 12);
  picture.box(8, 8, picture.width - 16, picture.height - 16);
  for (const i of [0, 1, 2]) picture.bar(24 + 20 * i, 22, 12, 12, "line");
  picture.text(picture.width / 2, 33, title, { size: 13, colour: "muted", anchor: "middle" });
  picture.raw(STYLE);
  shown.forEach(({ text, at }, i) => {
    if (text === "") return;
    const wait = at > 0 ? ` style="animation-duration: ${at.toFixed(2)}s"` : "";
    picture.raw(`<g class="l"${wait}>`);
    const prompt = text.startsWith("$ ");
    picture.text(20, TOP + LEADING * (i + 0.5), text, {
      size: SIZE,
      mono: true,
      bold: prompt,
      // Each letter gets the same width, whichever font is there.
      length: [...text].length * CHARACTER,
    });
    picture.raw("</g>");
  });
  return picture.toSvg(`A terminal: ${title}`, shown.map(({ text }) => text).join("\n"));
}
