// SPDX-License-Identifier: BSD-3-Clause
/** Shows a kernel's log while it grows. */

/** The log is shown from here on: the first of KUP's modules is being loaded. */
const BEGINNING = /\bkup:/;

const LOOK_EVERY_MS = 200;

/** Accepts a log's text piece by piece, and returns its whole lines from that point on. */
export class LogLines {
  #rest = "";
  #begun = false;

  *add(text: string): Generator<string> {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      this.#begun ||= BEGINNING.test(line);
      if (this.#begun) yield line.trimEnd();
    }
  }
}

/**
 * Shows what is added to a file, until `signal` is aborted, and then once more. The file need not
 * exist yet.
 */
export async function followLog(
  path: string,
  signal: AbortSignal,
  show: (line: string) => void,
): Promise<void> {
  const lines = new LogLines();
  const decoder = new TextDecoder();
  let seen = 0;
  for (let last = false; !last;) {
    last = signal.aborted;
    const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
    for (const line of lines.add(decoder.decode(bytes.subarray(seen), { stream: true }))) {
      show(line);
    }
    seen = bytes.length;
    if (!last) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
