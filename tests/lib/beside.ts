// SPDX-License-Identifier: BSD-3-Clause
/** Parts of a run that go on beside this one, whose output appears in one piece. */

import { spawnBound } from "../../harness/bound.ts";
import { ROOT } from "./paths.ts";
import type { Tally } from "./tally.ts";

/** Output that is kept until it is shown, and from then on printed as it comes. */
export class HeldOutput {
  #held: Uint8Array[] | undefined = [];

  /** Keeps or prints this. */
  readonly write = (bytes: Uint8Array): void => {
    if (this.#held === undefined) printBytes(bytes);
    // The caller may reuse this memory.
    else this.#held.push(bytes.slice());
  };

  /** Keeps or prints a line. */
  readonly line = (text: string): void => this.write(new TextEncoder().encode(`${text}\n`));

  /** Prints what was kept, and all that comes from now on. */
  show(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const bytes of held) printBytes(bytes);
  }
}

/** A program that runs, and writes its results into a file at its end. */
export class RunBeside {
  readonly #child: Deno.ChildProcess;
  readonly #results: string;
  readonly #output = new HeldOutput();
  readonly #copying: Promise<void>[];

  /** @param command The program and its arguments, which the file's name is added to. */
  constructor(command: readonly string[]) {
    this.#results = Deno.makeTempFileSync({ prefix: "kup-results-" });
    this.#child = spawnBound([...command, this.#results], {
      deathSignal: "TERM",
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    this.#copying = [this.#copy(this.#child.stdout), this.#copy(this.#child.stderr)];
  }

  async #copy(output: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of output) this.#output.write(chunk);
  }

  /**
   * Shows what the program has printed, passes on what it prints from now on, and counts its
   * results.
   */
  async finish(tally: Tally, name: string): Promise<void> {
    this.#output.show();
    await Promise.all(this.#copying);
    const { code } = await this.#child.status;
    const text = await Deno.readTextFile(this.#results);
    await Deno.remove(this.#results);
    // The program writes its results last of all.
    if (code !== 0 || text === "") {
      return tally.record("failed", `${name}: the run ended with exit status ${code}`);
    }
    const results = JSON.parse(text);
    if (results.passed.length === 0) tally.record("failed", `${name}: no test has passed`);
    tally.add(results);
  }
}

/** Prints all of this on the standard output. */
export function printBytes(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
