// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/fmt/colors` that `deps.ts` names, for machines that can't reach
 * JSR. Like std it colours unless `NO_COLOR` is set, terminal or not: that is the caller's choice.
 */

let enabled = !Deno.noColor;

/** Turns colours on or off for the whole process, unless `NO_COLOR` is set. */
export function setColorEnabled(value: boolean): void {
  if (!Deno.noColor) enabled = value;
}

/** Writes a text between two terminal codes. A style that ends inside it begins again there. */
function style(open: number, close: number, text: string): string {
  if (!enabled) return text;
  const [begin, end] = [`\x1b[${open}m`, `\x1b[${close}m`];
  return begin + text.replaceAll(end, begin) + end;
}

export function bold(str: string): string {
  return style(1, 22, str);
}

export function dim(str: string): string {
  return style(2, 22, str);
}

export function red(str: string): string {
  return style(31, 39, str);
}

export function green(str: string): string {
  return style(32, 39, str);
}

export function yellow(str: string): string {
  return style(33, 39, str);
}
