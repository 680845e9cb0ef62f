// SPDX-License-Identifier: BSD-3-Clause
/** What happens to a message from a kernel module to a program, step by step. */

import { type Colour, Picture, type Theme } from "./svg.ts";

const TITLE = "The path of a message";

/** A record in the ring: its text, and whether it is finished. */
type Cell = readonly [text: string, kind: "old" | "open" | "ready" | "zero" | "free"];

interface Step {
  readonly by: "kernel" | "user";
  readonly title: string;
  readonly lines: readonly string[];
  /** The ring behind the consumer's tail, after this step. */
  readonly ring: readonly Cell[];
}

const OLD: Cell = ["ready", "old"];
const ZERO: Cell = ["0", "zero"];
const FREE: Cell = ["", "free"];

const STEPS: readonly Step[] = [
  {
    by: "kernel",
    title: "reserves room",
    lines: [
      "kup_send, or kup_reserve, from any context:",
      "a zero header behind the record, then head",
    ],
    ring: [OLD, ["open", "open"], ZERO, FREE],
  },
  {
    by: "kernel",
    title: "writes the message",
    lines: ["type and bytes, into the shared pages;", "kup_reserve's caller writes there itself"],
    ring: [OLD, ["bytes", "open"], ZERO, FREE],
  },
  {
    by: "kernel",
    title: "finishes the record",
    lines: ["a store with release order of its header:", "the length, and READY"],
    ring: [OLD, ["ready", "ready"], ZERO, FREE],
  },
  {
    by: "kernel",
    title: "looks for a sleeper",
    lines: ["a full fence, then the user's event:", "a wake-up only if it sleeps for this"],
    ring: [OLD, ["ready", "ready"], ZERO, FREE],
  },
  {
    by: "user",
    title: "finds the record",
    lines: ["a load of the header at the cursor, while it", "spins, or when poll has woken it"],
    ring: [OLD, ["ready", "ready"], ZERO, FREE],
  },
  {
    by: "user",
    title: "reads the message",
    lines: ["message.bytes is a view of these pages:", "nothing is copied"],
    ring: [OLD, ["ready", "ready"], ZERO, FREE],
  },
  {
    by: "user",
    title: "gives the room back",
    lines: [
      "at the next receive; tail is published once",
      "for an eighth of the ring, or before a sleep",
    ],
    ring: [FREE, FREE, ZERO, FREE],
  },
];

const DESCRIPTION = STEPS.map(({ by, title, lines }, i) =>
  `${i + 1}. The ${by === "kernel" ? "kernel's side" : "program"} ${title}: ${lines.join(" ")}.`
).join(" ");

const [TOP, ROW] = [76, 66];
const [RING, CELL] = [334, 53];

function drawRing(picture: Picture, y: number, ring: readonly Cell[], by: Colour): void {
  ring.forEach(([text, kind], i) => {
    const x = RING + CELL * i;
    const stroke: Colour = kind === "open" || kind === "ready" ? by : "line";
    const dashed = kind === "free" || kind === "open";
    const fill: Colour = kind === "free" ? "page" : "fill";
    picture.box(x, y, CELL - 3, 34, { stroke, dashed, fill, thick: kind === "ready" });
    const colour: Colour = kind === "ready" ? "text" : "muted";
    picture.text(x + CELL / 2 - 1, y + 22, text, { size: 13, colour, anchor: "middle" });
  });
}

function drawStep(picture: Picture, step: Step, number: number): void {
  const { by, title, lines, ring } = step;
  const y = TOP + ROW * (number - 1);
  const x = by === "kernel" ? 16 : 566;
  picture.box(x, y, 298, ROW - 8, { fill: "page", stroke: by });
  picture.text(x + 12, y + 20, `${number}  ${title}`, { bold: true, colour: by });
  lines.forEach((line, i) => {
    picture.text(x + 12, y + 36 + 15 * i, line, { size: 12.5, colour: "muted" });
  });
  drawRing(picture, y + 12, ring, "kernel");
  const middle = y + 29;
  if (by === "kernel") picture.arrow([[314, middle], [RING - 2, middle]], by);
  else picture.arrow([[566, middle], [RING + 4 * CELL + 1, middle]], by);
}

export function drawPath(theme: Theme): string {
  const picture = new Picture(theme, 880, TOP + ROW * STEPS.length + 12);
  const heading = { size: 17, bold: true, anchor: "middle" } as const;
  picture.text(165, 34, "Kernel module", { ...heading, colour: "kernel" });
  picture.text(440, 34, "Ring to the user", { ...heading, colour: "shared" });
  picture.text(715, 34, "Program", { ...heading, colour: "user" });
  picture.text(440, 56, "tail is at the left, head behind the last record", {
    size: 12.5,
    colour: "muted",
    anchor: "middle",
  });
  STEPS.forEach((step, i) => drawStep(picture, step, i + 1));
  return picture.toSvg(TITLE, DESCRIPTION);
}
