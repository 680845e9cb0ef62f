// SPDX-License-Identifier: BSD-3-Clause
/**
 * Draws the pictures in `docs/pictures`, each in a light and in a dark theme.
 *
 *     deno run -A scripts/pictures/main.ts [--check]
 *
 * With --check it only names those that differ from what is there.
 */

import { CHECKOUT } from "../../harness/files.ts";
import { drawArchitecture } from "./architecture.ts";
import { drawPath } from "./path.ts";
import { drawRoundTrip } from "./roundtrip.ts";
import { type Theme, THEMES } from "./svg.ts";
import { drawTerminal } from "./terminal.ts";

const FOLDER = `${CHECKOUT}/docs/pictures`;

/** The files' texts, by their names. */
async function drawAll(): Promise<Map<string, string>> {
  const page = await Deno.readTextFile(`${CHECKOUT}/docs/performance.md`);
  const cast = await Deno.readTextFile(`${FOLDER}/terminal.cast`);
  const pictures: Record<string, (theme: Theme) => string> = {
    architecture: drawArchitecture,
    path: drawPath,
    terminal: (theme) => drawTerminal(theme, cast),
    roundtrip: (theme) => drawRoundTrip(theme, page),
  };
  const drawn = new Map<string, string>();
  for (const theme of THEMES) {
    for (const [name, draw] of Object.entries(pictures)) {
      drawn.set(`${name}${theme.name === "light" ? "" : "-dark"}.svg`, draw(theme));
    }
  }
  return drawn;
}

const check = Deno.args[0] === "--check";
const old: string[] = [];
for (const [name, text] of await drawAll()) {
  if (await Deno.readTextFile(`${FOLDER}/${name}`).catch(() => "") === text) continue;
  old.push(name);
  if (!check) await Deno.writeTextFile(`${FOLDER}/${name}`, text);
}
if (check && old.length > 0) {
  console.error(`run \`make pictures\`; these differ in docs/pictures: ${old.join(", ")}`);
  Deno.exit(1);
}
