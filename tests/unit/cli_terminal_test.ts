// SPDX-License-Identifier: BSD-3-Clause
/** `kup` on a terminal: its width, colours, cursor and progress. `script` makes the terminal. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { histogram, percentile, summarise } from "../../cli/figures.ts";
import { table } from "../../cli/output.ts";
import { kupCommand } from "../lib/cli.ts";
import { capture } from "../lib/process.ts";

function quote(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}

/**
 * Runs `kup` on a terminal with so many columns, and returns all that it writes there. The tests'
 * own output may have no colours.
 */
async function onTerminal(
  columns: number,
  args: readonly string[],
  colours = "unset NO_COLOR",
): Promise<string> {
  const command = `${colours}; stty cols ${columns} rows 24; exec ${quote(kupCommand(args))}`;
  const { stdout } = await capture(["script", "-qec", command, "/dev/null"]);
  return stdout.replaceAll("\r\n", "\n");
}

// deno-lint-ignore no-control-regex -- terminal codes begin with one.
const CODES = /\x1b\[[?\d;]*[A-Za-z]/g;

/** The longest line that stays; what is before a carriage return was written over. */
function longest(text: string): number {
  const lines = text.replaceAll(CODES, "").split(/[\r\n]/);
  return Math.max(...lines.map((line) => line.length));
}

Deno.test("kup stays within a terminal of 40 columns", async () => {
  for (
    const args of [
      ["list", "host:echo"],
      ["ping", "--count", "200", "host:echo"],
      ["bench", "--seconds", "0.05", "host:echo"],
      ["top", "--all", "--count", "1", "--interval", "0.05", "host:echo"],
      ["info", "host:echo"],
      ["version", "host:echo"],
    ]
  ) {
    const text = await onTerminal(40, args);
    assertStringIncludes(text, args[0] === "bench" ? "bytes" : "echo");
    assert(longest(text) <= 40, `kup ${args.join(" ")}:\n${text}`);
  }
});

Deno.test("kup has colours on a terminal, and none with NO_COLOR", async () => {
  const args = ["list", "host:echo"];
  assertStringIncludes(await onTerminal(120, args), "\x1b[1m");
  assertEquals((await onTerminal(120, args, "export NO_COLOR=1")).match(CODES), null);
});

Deno.test("kup top hides the cursor and shows it again", async () => {
  const text = await onTerminal(80, ["top", "--count", "1", "--interval", "0.05", "host:echo"]);
  assert(text.indexOf("\x1b[?25l") >= 0);
  assert(text.lastIndexOf("\x1b[?25h") > text.lastIndexOf("\x1b[?25l"));
});

Deno.test("kup top shows the cursor again at Ctrl-C, and ends with status 0", async () => {
  // A shell that stays would get the signal, too, and end with its own status.
  const command = `exec ${quote(kupCommand(["top", "--interval", "0.05", "host:echo"]))}`;
  await using child = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  let text = "";
  let pressed = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (pressed || !text.includes("\x1b[?25l")) continue;
    pressed = true;
    // The terminal makes a signal of it.
    await writer.write(Uint8Array.of(3));
  }
  assertEquals((await child.status).code, 0);
  assert(text.lastIndexOf("\x1b[?25h") > text.lastIndexOf("\x1b[?25l"), text);
  await writer.close().catch(() => {});
});

Deno.test("kup bench shows its progress on a terminal, and removes it", async () => {
  const text = await onTerminal(80, ["bench", "--seconds", "0.1", "host:echo"]);
  assertMatch(text, /bench \[#* *\] +\d+%/);
  assertStringIncludes(text, "\r\x1b[K");
});

Deno.test("table() has columns where they fit, and a block for each row where not", () => {
  const rows = [{ name: "a", count: 1 }, { name: "long", count: 200 }];
  const plain = (lines: string[]) => lines.map((line) => line.replaceAll(CODES, ""));
  assertEquals(plain(table(rows, 11)), ["name  count", "a         1", "long    200"]);
  assertEquals(table(rows, 10), ["name   a", "count  1", "", "name   long", "count  200"]);
  assertEquals(table([], 10), []);
});

Deno.test("percentile() and summarise() take values that occur", () => {
  const values = [5, 1, 4, 2, 3];
  assertEquals(percentile([1, 2, 3, 4, 5], 0.5), 3);
  assertEquals(percentile([1, 2, 3, 4, 5], 0.99), 5);
  assertEquals(percentile([], 0.5), 0);
  const { count, min, p50, max } = summarise(values);
  assertEquals([count, min, p50, max], [5, 1, 3, 5]);
});

Deno.test("histogram() counts every value, and keeps the width", () => {
  const values = [0.5, 1, 1.5, 2, 3, 1000, 1000, 1000];
  const lines = histogram(values, 40);
  const counts = lines.map((line) => Number(/us +(\d+)/.exec(line)![1]));
  assertEquals(counts.reduce((sum, one) => sum + one), values.length);
  assert(lines.every((line) => line.length <= 40));
  assertEquals(lines.length, 11);
});
