// SPDX-License-Identifier: BSD-3-Clause
/** The round trips of KUP and of other ways, with the figures that docs/performance.md has. */

import { Picture, type Theme } from "./svg.ts";

const TITLE = "A round trip of 64 bytes from TypeScript";

/** A bar: its name, and its time as the table has it and in nanoseconds. */
interface Bar {
  readonly name: string;
  readonly time: string;
  readonly nanoseconds: number;
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, µs: 1e3, ms: 1e6 };

function bar(name: string, time: string): Bar {
  const [value = "", unit = ""] = time.split(" ");
  const nanoseconds = Number(value) * (UNITS[unit] ?? NaN);
  if (!(nanoseconds > 0)) throw new Error(`docs/performance.md: "${time}" is no time`);
  return { name, time, nanoseconds };
}

/** The rows with the other ways: "| 7 | …: to pipes by FFI | … | 95x (452 ns to 43.4 µs) | …". */
const ROW = /^\| 7 +\| round trip against other ways: to (.+?) +\|.*\((\S+ \S+) to (\S+ \S+)\)/gm;

export function readBars(page: string): Bar[] {
  const rows = [...page.matchAll(ROW)];
  if (rows.length < 2) throw new Error("docs/performance.md has no rows of other ways");
  const others = rows.map(([, name = "", , time = ""]) => bar(name, time));
  others.sort((a, b) => a.nanoseconds - b.nanoseconds);
  return [bar("KUP", rows[0]![2]!), ...others];
}

const [LEFT, WIDTH, TOP, ROW_HEIGHT] = [170, 590, 84, 38];
/** The ends of the scale, which is logarithmic, in nanoseconds. */
const [LEAST, MOST] = [100, 100_000];
const TICKS: readonly [number, string][] = [
  [100, "100 ns"],
  [1e3, "1 µs"],
  [1e4, "10 µs"],
  [1e5, "100 µs"],
];

function place(nanoseconds: number): number {
  const share = Math.log(nanoseconds / LEAST) / Math.log(MOST / LEAST);
  return Math.round(WIDTH * Math.min(1, Math.max(0, share)));
}

export function drawRoundTrip(theme: Theme, page: string): string {
  const bars = readBars(page);
  const [, date = "", processor = ""] = /^Measured on (\S+): (.*?);/m.exec(page) ?? [];
  const bottom = TOP + ROW_HEIGHT * bars.length;
  const picture = new Picture(theme, 880, bottom + 62);
  picture.text(20, 34, TITLE, { size: 17, bold: true });
  const note = `shorter is better; the scale is logarithmic; measured on ${date}: ${processor}`;
  picture.text(20, 56, note, { size: 13, colour: "muted" });
  for (const [at, text] of TICKS) {
    const x = LEFT + place(at);
    picture.line(x, TOP, x, bottom + 6);
    picture.text(x, bottom + 24, text, { size: 12.5, colour: "muted", anchor: "middle" });
  }
  bars.forEach(({ name, time, nanoseconds }, i) => {
    const y = TOP + ROW_HEIGHT * i;
    const own = i === 0;
    picture.text(LEFT - 12, y + 25, name, { bold: own, anchor: "end" });
    picture.bar(LEFT, y + 8, place(nanoseconds), 24, own ? "user" : "line");
    picture.text(LEFT + place(nanoseconds) + 8, y + 25, time, { bold: own, halo: true });
  });
  const source = "The best quarter of the rounds, from the table in docs/performance.md (row 7).";
  picture.text(20, bottom + 50, source, { size: 12.5, colour: "muted" });
  const times = bars.map(({ name, time }) => `${name}: ${time}`).join("; ");
  return picture.toSvg(TITLE, `${times}. Measured on ${date}: ${processor}.`);
}
