// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the guest reports over a serial port of its own, where no kernel message and no output of a
 * test can get in between. `guest/init` writes it, in this order:
 *
 *     kup-verdict 1
 *     fault TEXT           zero or more, anywhere: what failed beside the command
 *     exit STATUS          the command's exit status; missing if it was not run
 *     junit LENGTH         only if there is a report: this many bytes of XML follow
 *     end
 */

/** A whole report of a guest. */
export interface Verdict {
  /** What failed in the guest beside the command, such as a module that can't be loaded. */
  readonly faults: readonly string[];
  /** The command's exit status. */
  readonly exit?: number;
  /** The JUnit report, if the command left one. */
  readonly junit?: string;
}

const GREETING = "kup-verdict 1";

/** Reads the lines of a report one by one; a JUnit report is read by its length. */
class Reader {
  #rest: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
  }

  line(): string | undefined {
    const end = this.#rest.indexOf(0x0a);
    if (end < 0) return undefined;
    const line = new TextDecoder().decode(this.#rest.subarray(0, end));
    this.#rest = this.#rest.subarray(end + 1);
    return line.replace(/\r$/, "");
  }

  take(length: number): string | undefined {
    if (this.#rest.length < length) return undefined;
    const text = new TextDecoder().decode(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    return text;
  }
}

/**
 * Reads a report. Returns nothing unless it is whole, since a guest that died sends half of one.
 */
export function parseVerdict(bytes: Uint8Array): Verdict | undefined {
  const reader = new Reader(bytes);
  const verdict: { faults: string[]; exit?: number; junit?: string } = { faults: [] };
  if (reader.line() !== GREETING) return undefined;
  for (let line = reader.line(); line !== undefined; line = reader.line()) {
    const [word, rest] = splitOnce(line);
    if (word === "end") return verdict;
    if (word === "fault") verdict.faults.push(rest);
    else if (word === "exit" && /^\d+$/.test(rest)) verdict.exit = Number(rest);
    else if (word === "junit" && /^\d+$/.test(rest)) {
      const junit = reader.take(Number(rest));
      if (junit === undefined) return undefined;
      verdict.junit = junit;
    } else return undefined;
  }
  return undefined;
}

function splitOnce(line: string): [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
}
