// SPDX-License-Identifier: BSD-3-Clause
/** What KUP consists of, and where it lies. */

import { type Colour, Picture, type Theme } from "./svg.ts";

const TITLE = "The architecture of KUP";
const DESCRIPTION = "On the left is a kernel module: it calls kup_send and kup_receive of KUP's " +
  "engine in the kernel. On the right is a Deno program: it calls send and receive of a channel. " +
  "Between them are four areas of shared memory: a ring to the user, a ring to the kernel, the " +
  "kernel's page and the user's page. Messages go through the rings without system calls. The " +
  "native library makes system calls only to open a channel, to sleep, and to wake the kernel.";

const [LEFT, MIDDLE, RIGHT] = [20, 340, 580];
const [SIDE, SHARED] = [280, 200];

/** A box of a side, with lines of code in it. */
function part(
  picture: Picture,
  [x, y, height]: readonly [number, number, number],
  colour: Colour,
  name: string,
  lines: readonly string[],
  mono: boolean,
): void {
  picture.box(x + 14, y, SIDE - 28, height, { fill: "page", stroke: colour });
  picture.text(x + 26, y + 22, name, { bold: true });
  lines.forEach((line, i) => {
    picture.text(x + 26, y + 43 + 19 * i, line, { size: 13, mono, colour: "muted" });
  });
}

function side(picture: Picture, x: number, colour: Colour, title: string, note: string): void {
  picture.box(x, 20, SIDE, 356, { stroke: colour, thick: true });
  picture.text(x + 14, 46, title, { size: 17, bold: true, colour });
  picture.text(x + 14, 66, note, { size: 13, colour: "muted" });
}

function area(
  picture: Picture,
  y: number,
  height: number,
  name: string,
  lines: readonly string[],
): void {
  picture.box(MIDDLE + 12, y, SHARED - 24, height, { fill: "page", stroke: "shared" });
  picture.text(MIDDLE + SHARED / 2, y + 22, name, { bold: true, anchor: "middle" });
  lines.forEach((line, i) => {
    const style = { size: 12.5, colour: "muted", anchor: "middle" } as const;
    picture.text(MIDDLE + SHARED / 2, y + 41 + 16 * i, line, style);
  });
}

export function drawArchitecture(theme: Theme): string {
  const picture = new Picture(theme, 880, 456);
  side(picture, LEFT, "kernel", "Kernel", "Linux or FreeBSD; or a host process");
  const module = ["kup_send, kup_reserve, …", "kup_receive, kup_peek, …"];
  part(picture, [LEFT, 82, 78], "kernel", "Your module", module, true);
  part(picture, [LEFT, 170, 36], "kernel", "Layers: turns, calls", [], false);
  const engine = ["records, events, attach, limits;", "trusts no word of the user"];
  part(picture, [LEFT, 216, 78], "kernel", "Engine", engine, false);
  part(picture, [LEFT, 304, 58], "kernel", "System", ["pages, /dev, threads, timers"], false);

  side(picture, RIGHT, "user", "Process", "Deno; or C, with the native library");
  const program = ["for await (… of channel)", "channel.send(data)"];
  part(picture, [RIGHT, 82, 78], "user", "Your program", program, true);
  part(picture, [RIGHT, 170, 36], "user", "Layers: turns, calls", [], false);
  const channel = ["reads and writes the rings", "in TypeScript, by Atomics"];
  part(picture, [RIGHT, 216, 78], "user", "Channel", channel, false);
  part(picture, [RIGHT, 304, 58], "user", "Native library", ["open, mmap, poll, ioctl"], false);

  picture.box(MIDDLE, 20, SHARED, 356, { stroke: "shared", thick: true });
  const shared = { size: 17, bold: true, colour: "shared", anchor: "middle" } as const;
  picture.text(MIDDLE + SHARED / 2, 46, "Shared pages", shared);
  const each = { size: 13, colour: "muted", anchor: "middle" } as const;
  picture.text(MIDDLE + SHARED / 2, 66, "of one channel", each);
  area(picture, 82, 58, "ring to the user", ["messages, in place"]);
  area(picture, 150, 58, "ring to the kernel", ["messages, in place"]);
  area(picture, 218, 70, "kernel's page", [
    "positions, state, counters;",
    "read-only for the user",
  ]);
  area(picture, 298, 64, "user's page", ["positions and events;", "checked by the kernel"]);

  const [a, b] = [LEFT + SIDE - 14, MIDDLE + 12];
  const [c, d] = [MIDDLE + SHARED - 12, RIGHT + 14];
  picture.arrow([[a, 108], [b, 108]], "kernel");
  picture.arrow([[c, 108], [d, 108]], "kernel");
  picture.arrow([[d, 157], [c, 157]], "user");
  picture.arrow([[b, 157], [a, 157]], "user");
  picture.arrow([[a, 252], [b, 252]], "kernel");
  picture.arrow([[d, 280], [(c + d) / 2, 280], [(c + d) / 2, 330], [c, 330]], "user");

  const [from, to] = [RIGHT + SIDE / 2, LEFT + SIDE / 2];
  picture.arrow([[from, 362], [from, 408], [to, 408], [to, 364]], "line", true);
  const calls = { size: 13.5, anchor: "middle" } as const;
  picture.text(
    440,
    430,
    "system calls: to open and attach, to sleep, to wake a sleeper; none",
    calls,
  );
  picture.text(440, 448, "while both sides are busy", calls);
  return picture.toSvg(TITLE, DESCRIPTION);
}
