// SPDX-License-Identifier: BSD-3-Clause
/**
 * The results as a page: one file that needs nothing else, for a person to look at. Its figures are
 * those of the table; its histograms show the single rounds, or single events.
 */

import { type Bar, formatNumber, formatTime, histogram } from "./arithmetic.ts";
import type { GroupResult, Latencies, Report, SideResult, Verdict } from "./results.ts";
import { formatFigure, formatMachine, formatRate } from "./table.ts";
import { TITLES } from "./targets.ts";

const STYLE = `
:root { --ink: #1d2430; --soft: #667085; --line: #e3e7ee; --paper: #fff; --card: #f7f9fc;
  --kup: #2563eb; --peer: #94a3b8; --limit: #f59e0b; --met: #15803d; --missed: #b91c1c;
  --none: #a16207; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf2; --soft: #97a3b6; --line: #2b3445;
  --paper: #11161f; --card: #171e2a; --kup: #60a5fa; --peer: #64748b; --limit: #fbbf24;
  --met: #4ade80; --missed: #f87171; --none: #facc15; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 2rem; letter-spacing: -.02em; }
h2 { margin: 3rem 0 .75rem; font-size: 1.25rem; }
p, .soft { color: var(--soft); } p { max-width: 46rem; }
.numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0; }
.number { flex: 1 1 9rem; padding: .9rem 1.1rem; border-radius: .75rem; background: var(--card); }
.number b { display: block; font-size: 1.7rem; line-height: 1.2; }
.met { color: var(--met); } .missed { color: var(--missed); } .none { color: var(--none); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { padding: .35rem .6rem; color: var(--soft); font-size: .8rem; font-weight: 500;
  text-align: left; border-bottom: 1px solid var(--line); }
td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.right { text-align: right; white-space: nowrap; }
tr.row td { padding-top: 1rem; font-weight: 600; border-bottom-color: var(--line); }
.badge { font-weight: 600; font-size: .85rem; white-space: nowrap; }
.bars { width: 100%; height: auto; } .bars text { fill: var(--ink); font-size: 13px; }
.bars .value { fill: var(--soft); font-size: 12px; }
.kup { fill: var(--kup); } .peer { fill: var(--peer); } .limit { fill: var(--limit); }
.axis { stroke: var(--line); } .tick { fill: var(--soft); font-size: 11px; }
.key { display: inline-block; width: .7rem; height: .7rem; margin: 0 .35rem 0 1rem;
  border-radius: 2px; }
.histograms { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
figure { margin: 0; padding: .9rem; border-radius: .75rem; background: var(--card); }
figcaption { font-size: .85rem; } figcaption b { display: block; font-size: .95rem; }
.note { color: var(--soft); font-size: .8rem; text-align: right; }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--soft); }
`;

/** Escapes text for HTML. */
export function escape(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]!);
}

/* ---- Bars: the sides of a group beside each other ---- */

const WIDTH = 960;
const LABEL = 300;
const LINE = 26;

/** How long bars are. */
interface Scale {
  readonly length: (value: number) => number;
  readonly logarithmic: boolean;
}

/** The longest bar in a group leaves room for its text. */
function scale(sides: readonly SideResult[]): Scale {
  const most = Math.max(...sides.map(({ summary }) => summary.quarter));
  const ratio = most / Math.min(...sides.map(({ summary }) => summary.quarter));
  const room = WIDTH - LABEL - 150;
  if (ratio < 40) {
    return { length: (value) => Math.max(2, value / most * room), logarithmic: false };
  }
  const least = most / ratio / 2;
  return {
    length: (value) => Math.max(2, Math.log(value / least) / Math.log(most / least) * room),
    logarithmic: true,
  };
}

function bar(side: SideResult, index: number, length: (value: number) => number): string {
  const y = index * LINE;
  const { quarter, median } = side.summary;
  const width = length(quarter);
  const rate = formatRate(side);
  const text = formatFigure(quarter, side.unit) + (rate === "" ? "" : `, ${rate}`);
  const title = `${side.name}: best quarter ${formatFigure(quarter, side.unit)}, median ` +
    `${formatFigure(median, side.unit)}, ${side.summary.count} rounds`;
  return `<g><title>${escape(title)}</title>` +
    `<text x="${LABEL - 10}" y="${y + 17}" text-anchor="end">${escape(side.name)}</text>` +
    `<rect class="${side.kind}" x="${LABEL}" y="${y + 5}" width="${width.toFixed(1)}" ` +
    `height="16" rx="3"/>` +
    `<text class="value" x="${(LABEL + width + 8).toFixed(1)}" y="${y + 17}">${escape(text)}` +
    `</text></g>`;
}

/** The bars of one unit; a group may have several units. */
function bars(sides: readonly SideResult[]): string {
  const shown = sides.filter(({ summary }) => summary.quarter > 0);
  if (shown.length === 0) return "";
  const { length, logarithmic } = scale(shown);
  const height = shown.length * LINE;
  return `<svg class="bars" viewBox="0 0 ${WIDTH} ${height}" role="img">` +
    shown.map((side, index) => bar(side, index, length)).join("") + "</svg>" +
    (logarithmic
      ? '<div class="note">The sides differ by far: the scale is logarithmic.</div>'
      : "");
}

/* ---- Histograms ---- */

const CHART = { width: 320, height: 110, bottom: 18 };

/** Powers of ten between two values. */
function decades(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low));
  const last = Math.floor(Math.log10(high));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i));
}

/** A power of ten, without digits that it does not have. */
function tick(ns: number): string {
  return formatTime(ns).replace(/\.0+(?= )/, "");
}

function column({ count, from, to }: Bar, index: number, kind: string, most: number, step: number) {
  const full = CHART.height - CHART.bottom - 4;
  const height = count === 0 ? 0 : Math.max(1, count / most * full);
  const y = CHART.height - CHART.bottom - height;
  return `<rect class="${kind}" x="${(index * step + 0.5).toFixed(1)}" y="${y.toFixed(1)}" ` +
    `width="${(step - 1).toFixed(1)}" height="${height.toFixed(1)}">` +
    `<title>${escape(`${formatTime(from)} to ${formatTime(to)}: ${count}`)}</title></rect>`;
}

/** One histogram; those that are beside each other have the same axis. */
function chart(latencies: Latencies, low: number, high: number): string {
  const counted = histogram(latencies.values, low, high);
  const most = Math.max(...counted.map(({ count }) => count));
  const step = CHART.width / counted.length;
  const [first, last] = [counted[0]!.from, counted.at(-1)!.to];
  const x = (value: number) => Math.log(value / first) / Math.log(last / first) * CHART.width;
  const base = CHART.height - CHART.bottom;
  const ticks = decades(first, last).map((value) =>
    `<line class="axis" x1="${x(value).toFixed(1)}" x2="${x(value).toFixed(1)}" y1="0" ` +
    `y2="${base}"/><text class="tick" x="${(x(value) + 3).toFixed(1)}" ` +
    `y="${CHART.height - 4}">${x(value) > CHART.width - 40 ? "" : escape(tick(value))}</text>`
  );
  return `<svg class="bars" viewBox="0 0 ${CHART.width} ${CHART.height}" role="img">` +
    `${ticks.join("")}<line class="axis" x1="0" x2="${CHART.width}" y1="${base}" y2="${base}"/>` +
    counted.map((bar, index) => column(bar, index, latencies.kind, most, step)).join("") +
    "</svg>";
}

function figure(latencies: Latencies, low: number, high: number): string {
  const { count, median, p99, most } = latencies.summary;
  const [p50, late, last] = [median, p99, most].map(formatTime);
  return `<figure>${chart(latencies, low, high)}<figcaption><b>${escape(latencies.name)}</b>` +
    `<span class="soft">p50 ${p50}, p99 ${late}, most ${last}; ${count} events</span>` +
    "</figcaption></figure>";
}

function figures(latencies: readonly Latencies[]): string {
  if (latencies.length === 0) return "";
  const low = Math.min(...latencies.map(({ summary }) => summary.least));
  // Single events that took very long would make the others invisible.
  const high = Math.max(...latencies.map(({ summary }) => summary.p99 * 2));
  return `<div class="histograms">${latencies.map((one) => figure(one, low, high)).join("")}</div>`;
}

/* ---- The parts of the page ---- */

/** The rounds of a group as histograms, which show how much they differ. */
function rounds(group: GroupResult): string {
  const asLatencies = group.sides.filter(({ unit, rounds }) => unit === "ns" && rounds.length > 20)
    .map(({ name, kind, summary, rounds }) => ({ name, kind, summary, values: rounds }));
  if (asLatencies.length === 0 || group.latencies.length > 2) return "";
  return `<details><summary>All rounds</summary>${figures(asLatencies)}</details>`;
}

function section(group: GroupResult): string {
  const units = [...new Set(group.sides.map(({ unit }) => unit))];
  return `<h2 id="${escape(group.name)}">${escape(group.title)}</h2>` +
    units.map((unit) => bars(group.sides.filter((side) => side.unit === unit))).join("") +
    figures(group.latencies) + rounds(group);
}

function badge(outcome: Verdict["outcome"]): string {
  const kind = outcome === "not measured" ? "none" : outcome;
  return `<span class="badge ${kind}">${outcome}</span>`;
}

function verdictRows(verdicts: readonly Verdict[]): string {
  let row = 0;
  return verdicts.map((verdict) => {
    const head = verdict.row === row
      ? ""
      : `<tr class="row"><td colspan="4">${verdict.row}. ${
        escape(TITLES[verdict.row] ?? "")
      }</td></tr>`;
    row = verdict.row;
    return `${head}<tr><td>${escape(verdict.what)}</td><td class="right">${
      escape(verdict.target)
    }</td><td class="right">${badge(verdict.outcome)}</td><td>${
      escape(verdict.why ?? verdict.measured)
    }</td></tr>`;
  }).join("");
}

/** The figures that a reader wants first. */
function numbers(report: Report): string {
  const count = (outcome: Verdict["outcome"]) =>
    report.verdicts.filter((verdict) => verdict.outcome === outcome).length;
  const side = (group: string, name: string) =>
    report.groups.find((one) => one.name === group)?.sides.find((one) => one.name === name);
  const cards: [string, string][] = report.quick ? [["a test", "of a few tiny rounds"]] : [
    [`${count("met")} of ${report.verdicts.length}`, "targets met"],
  ];
  const trip = side("echo", "TypeScript");
  if (trip) cards.push([formatTime(trip.summary.quarter), "round trip from TypeScript, 64 bytes"]);
  const stream = side("to-user", "drain") ?? side("to-user", "receiveBatch");
  if (stream) {
    cards.push([
      `${formatNumber(1e3 / stream.summary.quarter)} M/s`,
      `messages to TypeScript, by ${stream.name}`,
    ]);
  }
  const pipe = report.verdicts.find(({ row, what }) => row === 7 && what === "to pipes by FFI");
  if (pipe?.figure) cards.push([`${pipe.figure.toFixed(0)}x`, "as fast as a pipe's round trip"]);
  return `<div class="numbers">${
    cards.map(([number, text]) =>
      `<div class="number"><b>${escape(number)}</b><span class="soft">${escape(text)}</span></div>`
    ).join("")
  }</div>`;
}

const METHOD =
  `Both sides of a ratio alternate in one run, in rounds of a millisecond or less, so ` +
  `that a scheduler leaves most rounds alone. The figure is the best quarter: the 25th ` +
  `percentile of the rounds. What arrives is counted and summed, so a broken stream can't look fast. Ratios ` +
  `mean something on any machine; times only on this one.`;

/** Renders the whole page. */
export function renderPage(report: Report): string {
  const absent = report.absent.map(({ what, why }) =>
    `<tr><td>${escape(what)}</td><td>${escape(why)}</td></tr>`
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>KUP: benchmarks</title><style>${STYLE}</style></head><body>
<h1>KUP, measured</h1>
<div class="soft">${escape(report.date.slice(0, 16).replace("T", " "))} UTC ·
${escape(formatMachine(report.machine))}</div>
${numbers(report)}
<p>${METHOD}</p>
<div class="soft"><span class="key" style="background:var(--kup)"></span>KUP
<span class="key" style="background:var(--peer)"></span>peers
<span class="key" style="background:var(--limit)"></span>limits of the machine</div>
${report.groups.map(section).join("\n")}
<h2 id="targets">Targets</h2>
<table><tr><th>what</th><th class="right">target</th><th></th><th>measured</th></tr>
${verdictRows(report.verdicts)}</table>
${absent.length === 0 ? "" : `<h2>Not here</h2><table>${absent.join("")}</table>`}
</body></html>
`;
}
