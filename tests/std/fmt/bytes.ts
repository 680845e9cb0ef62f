// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for `format` of `@std/fmt/bytes`, for machines that can't reach JSR.
 */

/** How a number of bytes is written. */
export interface FormatOptions {
  /** Steps of 1024 (`KiB`) instead of 1000 (`kB`). */
  readonly binary?: boolean;
}

/** Writes a number of bytes for people: `1337` is `1.34 kB`. */
export function format(num: number, options: FormatOptions = {}): string {
  if (!Number.isFinite(num)) throw new TypeError(`Expected a finite number, got ${num}`);
  const units = options.binary === true
    ? ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    : ["B", "kB", "MB", "GB", "TB", "PB"];
  const step = options.binary === true ? 1024 : 1000;
  const sign = num < 0 ? "-" : "";
  let rest = Math.abs(num);
  let unit = 0;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit === 0 && rest >= 1 ? String(rest) : String(Number(rest.toPrecision(3)));
  return `${sign}${digits} ${units[unit]}`;
}
