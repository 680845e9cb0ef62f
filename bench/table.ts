// SPDX-License-Identifier: BSD-3-Clause
/** The results as text. */

import { bold, dim, green, red, yellow } from "../deps.ts";
import { formatNumber, formatTime } from "./arithmetic.ts";
import type { Machine } from "./machine.ts";
import type { GroupResult, Report, SideResult, Unit, Verdict } from "./results.ts";
import { TITLES } from "./targets.ts";

/** Returns a figure with its unit. */
export function formatFigure(value: number, unit: Unit): string {
  if (unit === "ns") return formatTime(value);
  return unit === "bytes" ? `${Math.round(value)} bytes` : formatNumber(value);
}

/** The machine in a line. */
export function formatMachine(machine: Machine): string {
  const { processor, processors, kernel, architecture, deno, v8, compiler, clock, kup } = machine;
  return [
    `${processor}, ${processors.length} processors`,
    `${machine.system} ${kernel} ${architecture}, clock ${clock}`,
    `Deno ${deno}, V8 ${v8}`,
    ...compiler === "" ? [] : [compiler],
    `KUP ${kup}`,
    `load ${machine.load.toFixed(1)}`,
  ].join("; ");
}

/** A side's rate, where it is a time of one item. */
export function formatRate(side: SideResult): string {
  if (side.unit !== "ns") return "";
  const perSecond = 1e9 / side.summary.quarter;
  return perSecond >= 1e5
    ? `${formatNumber(perSecond / 1e6)} M/s`
    : `${formatNumber(perSecond)} /s`;
}

function sideLine(side: SideResult): string {
  const { quarter, median, threeQuarters } = side.summary;
  const columns = [quarter, median, threeQuarters].map((value) =>
    formatFigure(value, side.unit).padStart(12)
  );
  return `  ${side.name.padEnd(44)}${columns.join("")}${formatRate(side).padStart(12)}`;
}

/** One group's figures as lines. */
export function formatGroup(group: GroupResult): string[] {
  const heads = ["best quarter", "median", "3rd quarter", "rate"];
  const lines = [
    bold(group.title),
    dim(`  ${"".padEnd(43)}${heads.map((head, i) => head.padStart(i === 0 ? 13 : 12)).join("")}`),
    ...group.sides.map(sideLine),
  ];
  for (const { name, summary } of group.latencies) {
    const [p50, p99, most] = [summary.median, summary.p99, summary.most].map(formatTime);
    lines.push(`  ${`${name}, one by one`.padEnd(44)} p50 ${p50}, p99 ${p99}, most ${most}`);
  }
  return lines;
}

function colour(outcome: Verdict["outcome"]): string {
  if (outcome === "met") return green("met");
  return outcome === "missed" ? red("MISSED") : yellow("not measured");
}

/** The targets with their verdicts, as lines. */
export function formatVerdicts(verdicts: readonly Verdict[]): string[] {
  const lines: string[] = [];
  let row = 0;
  for (const verdict of verdicts) {
    if (verdict.row !== row) {
      row = verdict.row;
      lines.push(bold(`${String(row).padStart(2)}  ${TITLES[row] ?? ""}`));
    }
    const measured = verdict.why ?? verdict.measured;
    lines.push(
      `    ${verdict.what.padEnd(58)} ${verdict.target.padStart(12)}  ` +
        `${colour(verdict.outcome)}  ${measured}`,
    );
  }
  return lines;
}

/** The whole report as text. */
export function formatReport(report: Report): string {
  const count = (outcome: Verdict["outcome"]) =>
    report.verdicts.filter((verdict) => verdict.outcome === outcome).length;
  return [
    "",
    ...formatVerdicts(report.verdicts),
    "",
    ...report.absent.map(({ what, why }) => `${yellow("not here")} ${what}: ${why}`),
    `${formatMachine(report.machine)}`,
    ...report.quick ? [yellow("a quick run: the figures and the verdicts mean nothing")] : [],
    `targets met: ${count("met")}, missed: ${count("missed")}, ` +
    `not measured: ${count("not measured")}; ${report.seconds.toFixed(0)} s`,
  ].join("\n");
}

/** The targets with their verdicts as a table in Markdown, for `docs/performance.md`. */
export function formatMarkdown(report: Report): string {
  const lines = report.verdicts.map((verdict) => {
    const { row, what, target, measured, outcome, why } = verdict;
    return `| ${row} | ${TITLES[row]}: ${what} | ${target} | ${why ?? measured} | ${outcome} |`;
  });
  return [
    `Measured on ${report.date.slice(0, 10)}: ${formatMachine(report.machine)}.`,
    "",
    "| # | what | target | measured | outcome |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}
