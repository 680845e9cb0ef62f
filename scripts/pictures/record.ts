// SPDX-License-Identifier: BSD-3-Clause
/**
 * Records `docs/pictures/terminal.cast`: what `kup` prints on this machine, with the times at which
 * it does. The format is asciicast 2. `make recording` calls it; `make pictures` makes an SVG of
 * the result.
 *
 *     deno run -A scripts/pictures/record.ts
 */

import { CHECKOUT } from "../../harness/files.ts";

const OUTPUT = `${CHECKOUT}/docs/pictures/terminal.cast`;
const TITLE = "kup on the host driver; for kup top, with three workers beside it";

/** The size of the terminal. */
const [COLUMNS, ROWS] = [88, 40];

/** The program that is called `kup` in the recording, and its arguments. */
const COMMANDS: readonly (readonly [program: string, line: string])[] = [
  ["cli.ts", "ping host:echo"],
  ["scripts/pictures/kup.ts", "top --count 3 host:echo"],
];

/** The time between the end of a command and the next prompt, in seconds. */
const PAUSE = 0.6;

const DENO = ["run", "-A", "--quiet", "--no-check", "--config"];

/** What was printed: seconds, "o" for output, and the text. */
const events: [number, "o", string][] = [];
let now = 0;

function put(text: string): void {
  events.push([Number(now.toFixed(3)), "o", text.replaceAll("\n", "\r\n")]);
}

async function record(config: string, program: string, line: string): Promise<void> {
  put(`$ kup ${line}\n`);
  const [start, begun] = [performance.now(), now + PAUSE];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...DENO, config, `${CHECKOUT}/${program}`, ...line.split(" ")],
    env: { NO_COLOR: "1", COLUMNS: String(COLUMNS) },
    stdout: "piped",
  }).spawn();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    now = begun + (performance.now() - start) / 1000;
    put(text);
  }
  if (!(await child.status).success) throw new Error(`kup ${line} has failed`);
  now += PAUSE;
}

const config = `${CHECKOUT}/${Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json"}`;
for (const [program, line] of COMMANDS) await record(config, program, line);
const head = { version: 2, width: COLUMNS, height: ROWS, title: TITLE };
const lines = [head, ...events].map((line) => `${JSON.stringify(line)}\n`);
await Deno.writeTextFile(OUTPUT, lines.join(""));
