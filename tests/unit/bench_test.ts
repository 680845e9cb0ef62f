// SPDX-License-Identifier: BSD-3-Clause
/** The benchmarks' own arithmetic, verdicts and page; and one tiny run of every row. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import {
  formatNumber,
  formatTime,
  histogram,
  percentile,
  summarise,
} from "../../bench/arithmetic.ts";
import { firstLine, parseProcessors } from "../../bench/machine.ts";
import { chooseGroups, GROUPS } from "../../bench/main.ts";
import { renderPage } from "../../bench/page.ts";
import { decodeDone, encodeCommand, sumBelow, WORK } from "../../bench/protocol.ts";
import { type Absent, FORMAT, type GroupResult, type Report } from "../../bench/results.ts";
import { formatReport } from "../../bench/table.ts";
import { judgeAll, ROWS, TARGETS, TITLES } from "../../bench/targets.ts";
import { UsageError } from "../../scripts/usage.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

const CONFIG = Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json";

/* ---- Arithmetic ---- */

Deno.test("percentile() returns the smallest number that this share does not exceed", () => {
  const four = [1, 2, 3, 4];
  assertEquals([0, 25, 26, 50, 75, 76, 99, 100].map((p) => percentile(four, p)), [
    ...[1, 1, 2, 2, 3, 4, 4, 4],
  ]);
  assertEquals(percentile([7], 25), 7);
  assertThrows(() => percentile([], 50), RangeError);
});

Deno.test("summarise() sorts by size, and refuses values that are no numbers", () => {
  const { count, least, quarter, median, most } = summarise([100, 9, 30, 20]);
  assertEquals([count, least, quarter, median, most], [4, 9, 9, 20, 100]);
  for (const wrong of [NaN, Infinity]) assertThrows(() => summarise([1, wrong]), RangeError);
  assertThrows(() => summarise([]), RangeError);
});

Deno.test("histogram() counts each value once, those beyond its ends too", () => {
  const values = [1, 99, 100, 101, 350, 999, 1000, 5e9];
  const bars = histogram(values, 100, 1000);
  assertEquals(bars.reduce((sum, { count }) => sum + count, 0), values.length);
  assertEquals(bars.length, 12);
  bars.slice(1).forEach(({ from }, i) => assertEquals(from, bars[i]!.to));
  for (const { from, to } of bars) assertGreater(to, from);
  assertEquals(histogram([42], 42, 42).map(({ count }) => count), [1]);
});

Deno.test("formatTime() chooses the unit, and formatNumber() three digits", () => {
  assertEquals([0.5, 12.34, 999, 1500, 2.5e6, 3e9].map(formatTime), [
    ...["0.50 ns", "12.3 ns", "999 ns", "1.50 µs", "2.50 ms", "3.00 s"],
  ]);
  assertEquals([0, 1.234, 12.34, 1234.5].map(formatNumber), ["0.00", "1.23", "12.3", "1235"]);
});

Deno.test("parseProcessors() reads Linux's lists", () => {
  assertEquals(parseProcessors("0-2,5\n"), [0, 1, 2, 5]);
  assertEquals(parseProcessors("3"), [3]);
});

Deno.test("firstLine() is empty without the program, as without cc in a guest", async () => {
  assertEquals(await firstLine(["sh", "-c", "echo one; echo two"]), "one");
  assertEquals(await firstLine(["sh", "-c", "echo one; exit 1"]), "");
  assertEquals(await firstLine(["kup-has-no-such-program"]), "");
});

/* ---- The client module's messages ---- */

/** The numbers that a C header defines with this prefix. */
async function defined(prefix: string): Promise<Map<string, number>> {
  const header = await Deno.readTextFile(`${ROOT}/bench/client/bench.h`);
  const found = header.matchAll(new RegExp(`^#define ${prefix}(\\w+) (\\d+)$`, "gm"));
  return new Map([...found].map(([, name, number]) => [name!, Number(number)]));
}

Deno.test("bench/ has a protocol with the same numbers in TypeScript and in C", async () => {
  const numbers = await defined("BENCH_");
  for (const [name, number] of Object.entries(WORK)) {
    const inC = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    assertEquals(numbers.get(inC), number, name);
  }
  const bytes = encodeCommand({ work: "produce", count: 2 ** 33, length: 64, batch: 3, pause: 9 });
  const words = [...new Uint32Array(bytes.buffer)];
  assertEquals(words, [WORK.produce, 64, 3, 1, 9, 0, 0, 2]);
  const done = new BigUint64Array([5n, 10n, 1234n]);
  assertEquals(decodeDone(new DataView(done.buffer)), { count: 5, sum: 10, ns: 1234 });
  assertEquals([0, 1, 2, 5].map(sumBelow), [0, 0, 1, 10]);
});

/* ---- Verdicts ---- */

type Figures = Readonly<Record<string, readonly number[]>>;

function group(name: string, figures: Figures): GroupResult {
  return {
    name,
    title: `the group ${name}`,
    latencies: Object.entries(figures).map(([name, values]) => ({
      name,
      kind: "peer" as const,
      summary: summarise(values),
      values,
    })),
    sides: Object.entries(figures).map(([name, rounds]) => ({
      name,
      kind: "kup" as const,
      unit: "ns" as const,
      summary: summarise(rounds),
      rounds,
    })),
  };
}

function outcomes(groups: readonly GroupResult[], row: number, absent: readonly Absent[] = []) {
  return Object.fromEntries(
    judgeAll(groups, absent, [row]).map(({ what, outcome, figure }) => [what, [outcome, figure]]),
  );
}

Deno.test("judgeAll() compares times, rates and speeds with their limits", () => {
  const echo = group("echo", { "TypeScript": [100], "C": [80], "SPSC queue": [100] });
  const first = outcomes([echo], 1);
  assertEquals(first["TypeScript to SPSC queue, 64 B"], ["met", 1]);
  assertEquals(first["TypeScript to C, 64 B"], ["missed", 1.25]);
  assertEquals(first["C to SPSC queue, 64 B"], ["met", 0.8]);
  const streams = group("to-kernel", { "C": [20], "trySend": [100], "reserve and commit": [125] });
  const fourth = outcomes([streams], 4);
  assertEquals(fourth["C"], ["met", 50]);
  assertEquals(fourth["trySend"], ["missed", 10]);
  assertEquals(fourth["reserve and commit to trySend"], ["met", 0.8]);
});

Deno.test("judgeAll() compares the best quarters, or the percentiles that a target names", () => {
  const rounds = [4, 1, 2, 3].map((n) => n * 10);
  const slow = outcomes([group("to-kernel", { "C": rounds })], 4);
  assertEquals(slow["C"], ["met", 100]);
  const wakes = group("waking", { "receive()": [1, 2, 3, 8], "pipe in the event loop": [2, 2] });
  const eighth = outcomes([wakes], 8);
  assertEquals(eighth["receive(): p99 to p50"], ["missed", 4]);
  assertEquals(eighth["receive() to a pipe in the event loop"], ["met", 1]);
});

Deno.test("judgeAll() contains what was not measured, with the reason", () => {
  const peers = group("peers", { "KUP": [1], "pipes by FFI": [100] });
  const absent = [{ what: "ringbuf.js", why: "npm is not here" }];
  const verdicts = judgeAll([peers], absent, [7]);
  const one = verdicts.find(({ what }) => what === "to ringbuf.js")!;
  assertEquals([one.outcome, one.measured, one.figure], ["not measured", "", undefined]);
  assertStringIncludes(one.why!, "npm is not here");
  assertEquals(verdicts.find(({ what }) => what === "to pipes by FFI")!.outcome, "met");
});

Deno.test("judgeAll() compares a stream with the slower of its sides alone", () => {
  const sides = { "C, 64 a call": [20], "C, reader alone": [10] };
  const slower = (more: Record<string, number[]>) =>
    judgeAll([group("to-user", { ...sides, ...more })], [], [2])
      .find(({ what }) => what.includes("slower side"))!;
  const { outcome, measured } = slower({ "C, producer alone, 64 a call": [18] });
  assertEquals([outcome, measured], ["met", "0.90x (20.0 ns to 18.0 ns)"]);
  assertEquals(slower({ "C, producer alone, 64 a call": [9] }).measured.slice(0, 5), "0.50x");
  assertEquals(slower({}).outcome, "not measured");
});

Deno.test("bench/ has a title and a target with one limit for each of the 15 rows", () => {
  assertEquals(ROWS, Array.from({ length: 15 }, (_, i) => i + 1));
  for (const row of ROWS) assert(TARGETS.some((target) => target.row === row), TITLES[row]);
  for (const { most, least } of TARGETS) assert((most === undefined) !== (least === undefined));
});

Deno.test("bench/ has targets that name a side of a group that measures their row", () => {
  for (const { row, side, to = [] } of TARGETS.filter(({ row }) => row !== 11)) {
    for (const [name] of [side, ...to]) {
      const group = GROUPS.find((group) => group.name === name);
      assert(group?.rows.includes(row), `row ${row}: ${name}`);
    }
  }
});

/* ---- The report ---- */

const EMPTY: Report = {
  format: FORMAT,
  date: "2026-11-26T01:02:03.000Z",
  seconds: 1,
  quick: false,
  machine: {
    system: "linux",
    kernel: "6.12",
    architecture: "x86_64",
    processor: "<a & b>",
    processors: [0, 1],
    memoryBytes: 1,
    clock: "tsc",
    deno: "2",
    v8: "15",
    compiler: "cc",
    kup: "0",
    load: 0,
  },
  groups: [],
  absent: [],
  verdicts: judgeAll([], []),
};

function assertPage(html: string): void {
  assertFalse(/NaN|Infinity|undefined|\[object/.test(html));
  // It is complete in itself, and each element that is opened is closed.
  assertFalse(/(?:src|href)="?http|@import|url\(/.test(html));
  for (const tag of ["svg", "g", "text", "figure", "table", "tr", "div", "details", "html"]) {
    const opened = [...html.matchAll(new RegExp(`<${tag}[ >]`, "g"))].length;
    assertEquals([...html.matchAll(new RegExp(`</${tag}>`, "g"))].length, opened, tag);
  }
}

Deno.test("renderPage() renders a run without results, with one round, and with zeros", () => {
  assertPage(renderPage(EMPTY));
  assertStringIncludes(renderPage(EMPTY), "&lt;a &amp; b&gt;");
  for (const rounds of [[0], [5], [1, 1e9]]) {
    const groups = [group("echo", { "TypeScript": rounds.map((ns) => Math.max(ns, 1)) })];
    assertPage(renderPage({ ...EMPTY, groups, verdicts: judgeAll(groups, []) }));
    const zero = { ...groups[0]!, latencies: [], sides: group("x", { a: rounds }).sides };
    assertPage(renderPage({ ...EMPTY, groups: [zero] }));
  }
});

Deno.test("formatReport() prints a missed target, and a peer that is not available", () => {
  const groups = [group("echo", { "TypeScript": [200], "C": [100], "SPSC queue": [100] })];
  const absent = [{ what: "iceoryx2", why: "there is no cargo" }];
  const text = formatReport({ ...EMPTY, groups, absent, verdicts: judgeAll(groups, absent, [1]) });
  assertMatch(
    text,
    /TypeScript to SPSC queue, 64 B +≤ 1x +\S*MISSED\S* +2\.00x \(200 ns to 100 ns\)/,
  );
  assertMatch(text, /not here\S* iceoryx2: there is no cargo/);
  assertMatch(text, /targets met: 0, missed: 3, not measured: 4/);
});

Deno.test("chooseGroups() takes groups and rows, and refuses other words", () => {
  assertEquals(chooseGroups([]), [...GROUPS]);
  assertEquals(chooseGroups(["echo"]).map(({ name }) => name), ["echo"]);
  assertEquals(chooseGroups(["1", "13"]).map(({ name }) => name), ["echo", "echo32", "threads"]);
  for (const wrong of ["0", "16", "eco", ""]) assertThrows(() => chooseGroups([wrong]), UsageError);
});

/* ---- A tiny run ---- */

Deno.test("bench/main.ts --quick measures every row, and writes what it has measured", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-bench-" });
  try {
    const options = ["-A", "--no-check", "--v8-flags=--expose-gc", "--config", CONFIG];
    const main = ["bench/main.ts", "--quick", `--output=${folder}`];
    const text = await must([Deno.execPath(), "run", ...options, ...main], {
      env: { NO_COLOR: "1" },
    });
    assertMatch(text, /a quick run: the figures and the verdicts mean nothing/);
    const report: Report = JSON.parse(await Deno.readTextFile(`${folder}/bench.json`));
    assertEquals([report.format, report.quick], [FORMAT, true]);
    const measured = report.groups.map(({ name }) => name);
    const absent = report.absent.map(({ what }) => what);
    for (const { name } of GROUPS) assert(measured.includes(name) || absent.includes(name), name);
    if (report.machine.processors.length > 1) assertEquals(measured.length, GROUPS.length);
    for (const { name, sides } of report.groups) {
      assertGreater(sides.length, 0, name);
      for (const { summary, rounds } of sides) {
        assert(rounds.length > 0 && rounds.every((figure) => Number.isFinite(figure)), name);
        assertEquals(summary, summarise(rounds));
      }
    }
    assertEquals(new Set(report.verdicts.map(({ row }) => row)), new Set(ROWS));
    // What is not measured has a reason. Row 11 needs a kernel.
    const left = report.verdicts.filter(({ row, why }) => row !== 11 && /not part/.test(why ?? ""));
    assertEquals(left.map(({ row, what }) => `${row}: ${what}`), []);
    assertPage(await Deno.readTextFile(`${folder}/index.html`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
