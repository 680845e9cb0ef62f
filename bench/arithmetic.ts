// SPDX-License-Identifier: BSD-3-Clause
/** The arithmetic of the benchmarks: percentiles, what is kept of many rounds, and histograms. */

/** What is shown of many measurements of one thing, all in the unit of the measurements. */
export interface Summary {
  readonly count: number;
  readonly least: number;
  /** The 25th percentile: a quarter of the measurements were no larger. */
  readonly quarter: number;
  readonly median: number;
  readonly threeQuarters: number;
  readonly p99: number;
  readonly most: number;
}

/**
 * Returns a percentile: the smallest of the numbers that `percent` of them do not exceed.
 *
 * @param sorted Finite numbers, in ascending order; at least one.
 * @param percent From 0 to 100.
 * @throws {RangeError} If there are no numbers.
 */
export function percentile(sorted: readonly number[], percent: number): number {
  const rank = Math.ceil(percent / 100 * sorted.length) - 1;
  const value = sorted[Math.min(Math.max(rank, 0), sorted.length - 1)];
  if (value === undefined) throw new RangeError("There is no measurement.");
  return value;
}

/**
 * Summarises measurements.
 *
 * @throws {RangeError} If there are none, or one is no finite number.
 */
export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  if (!sorted.every(Number.isFinite)) throw new RangeError("A measurement is no finite number.");
  return {
    count: sorted.length,
    least: percentile(sorted, 0),
    quarter: percentile(sorted, 25),
    median: percentile(sorted, 50),
    threeQuarters: percentile(sorted, 75),
    p99: percentile(sorted, 99),
    most: percentile(sorted, 100),
  };
}

/** One bar of a histogram: how many values lie in [from, to). */
export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/**
 * Counts positive values in bars whose widths grow by the same factor, 12 bars for each factor of
 * ten. The bars cover `low` to `high`; values beyond them are counted in the bar at that end.
 */
export function histogram(values: readonly number[], low: number, high: number): Bar[] {
  const edge = (index: number) => 10 ** (index / 12);
  const first = Math.floor(Math.log10(low) * 12);
  const last = Math.max(first, Math.ceil(Math.log10(high) * 12) - 1);
  const counts = new Array<number>(last - first + 1).fill(0);
  for (const value of values) {
    const index = Math.floor(Math.log10(value) * 12);
    counts[Math.min(Math.max(index, first), last) - first]! += 1;
  }
  return counts.map((count, i) => ({ from: edge(first + i), to: edge(first + i + 1), count }));
}

/** Returns a time in nanoseconds with its unit, to three digits. */
export function formatTime(ns: number): string {
  const [value, unit] = ns < 1000
    ? [ns, "ns"]
    : ns < 1e6
    ? [ns / 1e3, "µs"]
    : ns < 1e9
    ? [ns / 1e6, "ms"]
    : [ns / 1e9, "s"];
  return `${formatNumber(value)} ${unit}`;
}

/** Returns a number with three significant digits, without an exponent. */
export function formatNumber(value: number): string {
  const magnitude = Math.abs(value);
  const digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
