// SPDX-License-Identifier: BSD-3-Clause
/**
 * Percentiles, and a histogram for the terminal.
 *
 * @module
 */

/** The value below which this part of the sorted values lies; 0 if there is none. */
export function percentile(sorted: readonly number[], part: number): number {
  const at = Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1);
  return sorted[Math.max(0, at)] ?? 0;
}

/** The figures of some times, in microseconds. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** @param times In microseconds; they are sorted here. */
export function summarise(times: readonly number[]): Summary {
  const sorted = [...times].sort((a, b) => a - b);
  const round = (value: number) => Math.round(value * 10) / 10;
  const at = (part: number) => round(percentile(sorted, part));
  return {
    count: sorted.length,
    min: round(sorted[0] ?? 0),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: round(sorted.at(-1) ?? 0),
  };
}

/** How many columns of a histogram's line are not its bar. */
const LABELS = 20;

/**
 * The lines of a histogram whose steps double.
 *
 * @param times In microseconds.
 * @param columns The longest line.
 */
export function histogram(times: readonly number[], columns: number): string[] {
  const counts = new Map<number, number>();
  for (const time of times) {
    const step = Math.max(0, Math.ceil(Math.log2(Math.max(time, 1))));
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  const steps = [...counts.keys()];
  const most = Math.max(...counts.values());
  const width = Math.max(4, Math.min(columns, 80) - LABELS);
  const lines: string[] = [];
  for (let step = Math.min(...steps); step <= Math.max(...steps); step++) {
    const count = counts.get(step) ?? 0;
    const bar = count === 0 ? "" : "#".repeat(Math.max(1, Math.round(width * count / most)));
    lines.push(`${String(2 ** step).padStart(8)} us ${String(count).padStart(7)} ${bar}`.trimEnd());
  }
  return lines;
}
