// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the guest and the harness exchange over a serial port of its own, where no kernel message
 * and no output of a command can get in between. `guest/init` is the other side. The guest sends:
 *
 *     kup-guest 2
 *     fault TEXT           any number, anywhere: what failed beside a command
 *     ready                the modules are loaded
 *       exit STATUS        the exit status of a command
 *       junit LENGTH       only if it left a report: this many bytes of XML follow
 *       done               the next command may come
 *     end                  the modules are unloaded, and the guest is about to end
 *
 * It receives one line for each command, and a last one:
 *
 *     run BASE64           a script for the shell
 *     stop
 */

/** A whole message of the guest. */
export type GuestEvent =
  | { readonly kind: "fault"; readonly text: string }
  | { readonly kind: "exit"; readonly status: number }
  | { readonly kind: "junit"; readonly xml: string }
  | { readonly kind: "ready" | "done" | "end" }
  /** The guest does not follow the protocol; nothing comes after it. */
  | { readonly kind: "broken"; readonly line: string };

const GREETING = "kup-guest 2";

/** Reads what the guest sends, in pieces of any size. */
export class GuestReader {
  #rest = new Uint8Array(0);
  #greeted = false;
  #broken = false;

  /** Accepts the next bytes, and returns the messages that are whole now. */
  *push(bytes: Uint8Array): Generator<GuestEvent> {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    this.#rest = all;
    while (!this.#broken) {
      const event = this.#next();
      if (event === undefined) return;
      if (event === "greeting") continue;
      this.#broken = event.kind === "broken";
      yield event;
    }
  }

  #next(): GuestEvent | "greeting" | undefined {
    const end = this.#rest.indexOf(0x0a);
    if (end < 0) return undefined;
    const line = new TextDecoder().decode(this.#rest.subarray(0, end)).replace(/\r$/, "");
    const event = this.#greeted ? this.#read(line, end + 1) : greet(line);
    if (event === undefined) return undefined;
    if (event === "greeting") this.#greeted = true;
    if (event === "greeting" || event.kind !== "junit") this.#rest = this.#rest.subarray(end + 1);
    return event;
  }

  #read(line: string, start: number): GuestEvent | undefined {
    const [word, text] = splitOnce(line);
    if (word === "fault") return { kind: word, text };
    if ((word === "ready" || word === "done" || word === "end") && text === "") {
      return { kind: word };
    }
    if (!/^\d+$/.test(text)) return { kind: "broken", line };
    if (word === "exit") return { kind: word, status: Number(text) };
    return word === "junit" ? this.#take(start, Number(text)) : { kind: "broken", line };
  }

  #take(start: number, length: number): GuestEvent | undefined {
    if (this.#rest.length < start + length) return undefined;
    const xml = new TextDecoder().decode(this.#rest.subarray(start, start + length));
    this.#rest = this.#rest.subarray(start + length);
    return { kind: "junit", xml };
  }
}

function greet(line: string): GuestEvent | "greeting" {
  return line === GREETING ? "greeting" : { kind: "broken", line };
}

function splitOnce(line: string): [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
}

/** The line that makes the guest run a script. */
export function runLine(script: string): string {
  const bytes = new TextEncoder().encode(script);
  return `run ${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}\n`;
}

/** The line that makes the guest end. */
export const STOP_LINE = "stop\n";
