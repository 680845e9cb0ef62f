// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/fmt/bytes` that `cli/deps.ts` names, for machines that can't
 * reach JSR. It implements the option `binary`.
 */

/** How a number of bytes is written. */
export interface FormatOptions {
  /** Whether a unit is 1024 of the one before, not 1000. */
  binary?: boolean;
}

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** Writes a number of bytes with three digits and a unit: "1.34 kB". */
export function format(num: number, options: FormatOptions = {}): string {
  if (!Number.isFinite(num)) throw new TypeError(`Expected a finite number, got ${num}`);
  const units = options.binary ? BINARY : DECIMAL;
  const size = Math.abs(num);
  if (size < 1) return `${num} B`;
  const step = options.binary ? 1024 : 1000;
  const exponent = Math.min(Math.floor(Math.log(size) / Math.log(step)), units.length - 1);
  const digits = Number((size / step ** exponent).toPrecision(3));
  return `${num < 0 ? "-" : ""}${digits} ${units[exponent]}`;
}
