// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writing to the terminal, or to whatever stands in its place.
 *
 * @module
 */

import { Failure, reasonOf } from "./command.ts";
import { bold } from "./deps.ts";

/** Thrown when the reader of standard output is gone: the program ends, and says nothing. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** Writes all bytes to standard output before it returns. */
export function write(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) throw new OutputClosed("", { cause });
    throw new Failure(`Standard output can't be written; make room for it (${reasonOf(cause)}).`);
  }
}

const encoder = new TextEncoder();

/** Writes a line to standard output. */
export function print(line: string): void {
  write(encoder.encode(line + "\n"));
}

/** Spells the control characters of a text as this prefix and two digits. */
function spellControls(text: string, prefix: string): string {
  const spell = (code: string) => prefix + code.charCodeAt(0).toString(16).padStart(2, "0");
  // deno-lint-ignore no-control-regex -- these are what is replaced.
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, spell);
}

/** JSON leaves some control characters as they are, which would reach the terminal. */
export function spellJson(value: unknown): string {
  return spellControls(JSON.stringify(value), "\\u00");
}

/** Writes a value as one line of JSON. */
export function printJson(value: unknown): void {
  print(spellJson(value));
}

/**
 * A text in which what others have written, such as a path or the name of a process, can't move the
 * cursor, or look like a second line.
 */
export function oneLine(text: string): string {
  return spellControls(text, "\\x");
}

/** Writes a line to standard error, which may be closed. */
export function warn(line: string): void {
  try {
    Deno.stderr.writeSync(encoder.encode(line + "\n"));
  } catch {
    // It has no reader.
  }
}

/** The terminal's width; without a limit if its size is not known. */
function width(): number {
  try {
    return Deno.consoleSize().columns || Infinity;
  } catch {
    return Infinity;
  }
}

/** How many columns a line may have; without a limit if standard output is no terminal. */
export function columns(): number {
  return Deno.stdout.isTerminal() ? width() : Infinity;
}

/** A row of a table: texts by the titles of their columns. */
export type Row = Readonly<Record<string, string | number>>;

function pad(text: string, width: number, isNumber: boolean): string {
  return isNumber ? text.padStart(width) : text.padEnd(width);
}

function clean(row: Row): Row {
  const pairs = Object.entries(row).map(([title, value]) =>
    [title, typeof value === "string" ? oneLine(value) : value] as const
  );
  return Object.fromEntries(pairs);
}

/** The lines of a table. Where it is too wide, each row is a block of lines instead. */
export function table(given: readonly Row[], most: number = columns()): string[] {
  if (given.length === 0) return [];
  const rows = given.map(clean);
  const titles = Object.keys(rows[0]!);
  const widths = titles.map((title) =>
    Math.max(title.length, ...rows.map((row) => String(row[title]).length))
  );
  const total = widths.reduce((sum, one) => sum + one + 2, -2);
  if (total > most) return blocks(rows, titles);
  const numbers = titles.map((title) => rows.every((row) => typeof row[title] === "number"));
  const line = (texts: readonly string[]) =>
    texts.map((text, i) => pad(text, widths[i]!, numbers[i]!)).join("  ").trimEnd();
  return [
    bold(line(titles)),
    ...rows.map((row) => line(titles.map((title) => String(row[title])))),
  ];
}

function blocks(rows: readonly Row[], titles: readonly string[]): string[] {
  const longest = Math.max(...titles.map((title) => title.length));
  return rows.flatMap((row, index) => [
    ...(index > 0 ? [""] : []),
    ...titles.map((title) => `${title.padEnd(longest)}  ${row[title]}`),
  ]);
}

/** A bar on standard error, for runs that take long. Without a terminal it writes nothing. */
export class Progress implements Disposable {
  readonly #shown = Deno.stderr.isTerminal();
  readonly #title: string;
  #last = 0;

  constructor(title: string) {
    this.#title = title;
  }

  /** @param part From 0 to 1. */
  set(part: number): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < 100) return;
    this.#last = now;
    const most = Math.min(width(), 80);
    const room = Math.max(4, most - this.#title.length - 9);
    const done = Math.round(Math.min(1, part) * room);
    const percent = String(Math.floor(Math.min(1, part) * 100)).padStart(3);
    this.#put(`\r${this.#title} [${"#".repeat(done)}${" ".repeat(room - done)}] ${percent}%`);
  }

  /** Removes the bar. */
  [Symbol.dispose](): void {
    if (this.#shown && this.#last > 0) this.#put("\r\x1b[K");
  }

  #put(text: string): void {
    try {
      Deno.stderr.writeSync(encoder.encode(text));
    } catch {
      // The terminal is gone.
    }
  }
}
