// SPDX-License-Identifier: BSD-3-Clause
/**
 * A stand-in for the part of `@std/fmt/colors` that `deps.ts` names, for machines that can't reach
 * JSR. Like std it colours unless `NO_COLOR` is set, terminal or not: that is the caller's choice.
 */

import { styleText } from "node:util";

let enabled = !Deno.noColor;

/** Turns colours on or off for the whole process, unless `NO_COLOR` is set. */
export function setColorEnabled(value: boolean): void {
  if (!Deno.noColor) enabled = value;
}

/** Tells whether text is coloured at present. */
export function getColorEnabled(): boolean {
  return enabled;
}

function style(format: Parameters<typeof styleText>[0], text: string): string {
  return enabled ? styleText(format, text, { validateStream: false }) : text;
}

export function bold(str: string): string {
  return style("bold", str);
}

export function dim(str: string): string {
  return style("dim", str);
}

export function red(str: string): string {
  return style("red", str);
}

export function green(str: string): string {
  return style("green", str);
}

export function yellow(str: string): string {
  return style("yellow", str);
}

export function cyan(str: string): string {
  return style("cyan", str);
}
