// SPDX-License-Identifier: BSD-3-Clause
/** The figures in other documents are those of docs/performance.md. */

import { assert, assertEquals, assertGreater } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";

/** The rows of all tables whose first cell is a number. */
async function numberedRows(path: string): Promise<string[][]> {
  const text = await Deno.readTextFile(`${ROOT}/${path}`);
  return text.split("\n").filter((line) => /^\| \d+ /.test(line)).map((line) =>
    line.slice(2, -2).split(" | ").map((cell) => cell.trim())
  );
}

Deno.test("docs/comparison.md has the figures of docs/performance.md", async () => {
  const measured = new Map<string, string>();
  for (const [number, what, , figure] of await numberedRows("docs/performance.md")) {
    measured.set(`${number} ${what}`, figure!);
  }
  const rows = await numberedRows("docs/comparison.md");
  assertGreater(rows.length, 10);
  for (const [number, what, figure] of rows) {
    assertEquals(figure, measured.get(`${number} ${what}`), `row ${number}, ${what}`);
  }
});

Deno.test("docs/comparison.md, docs/choosing.md: figures in the text are those of the rows", async () => {
  const rows = await numberedRows("docs/performance.md");
  const ratio = (number: string, what: RegExp) =>
    rows.find((row) => row[0] === number && what.test(row[1]!))?.[3]?.match(/[\d.]+/)?.[0] ?? "";
  const comparison = (await Deno.readTextFile(`${ROOT}/docs/comparison.md`)).replace(/\s+/g, " ");
  const queue = ratio("1", /: C to SPSC queue, 64 B/);
  assert(comparison.includes(`64-byte round trips take ${queue} times as long`), queue);
  const device = Number(ratio("11", /echo to read and write/)) * 100;
  assert(comparison.includes(`takes ${device} per cent of the time`), `${device}`);
  assertEquals(Math.round(Number(ratio("11", /stream to read/))), 6, '"about six times as fast"');
  const [promise, sync] = [/: receive\(\) to a pipe/, /: receiveSync\(\)/].map((what) =>
    Math.round(Number(rows.find((row) => what.test(row[1]!))?.[3]?.match(/\((\S+) µs/)?.[1]))
  );
  const choosing = (await Deno.readTextFile(`${ROOT}/docs/choosing.md`)).replace(/\s+/g, " ");
  assert(choosing.includes(`the reader ${sync} to ${promise} µs`), `${sync} to ${promise}`);
  const channel = Number(
    rows.find((row) => /memory of a channel/.test(row[1]!))?.[3]?.split(" ")[0],
  );
  assert(choosing.includes(`about ${Math.round(channel / 1024)} KiB beside them`), `${channel}`);
});

Deno.test("docs/choosing.md compares calls with the times of docs/performance.md", async () => {
  const performance = await Deno.readTextFile(`${ROOT}/docs/performance.md`);
  const list = performance.match(/^- \*\*To the user\*\*: (.*)$/m)![1]!;
  const time = (call: string) =>
    Number(list.match(new RegExp(`(?:^|; )${call} ([\\d.]+) ns`))?.[1]);
  const times = (call: string) => Number((time(call) / time("drain")).toFixed(1));
  const choosing = await Deno.readTextFile(`${ROOT}/docs/choosing.md`);
  const sentence = `${times("tryReceive")} times as fast as \`tryReceive\`, ` +
    `${times("receiveBatch")} times as \`receiveBatch\`, ${
      times("for await")
    } times as \`for await\``;
  assert(choosing.includes(sentence), sentence);
});
