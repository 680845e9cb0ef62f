// SPDX-License-Identifier: BSD-3-Clause
/** A program under `deno run --watch`: each save starts it again, in the same process. */

import { assert } from "../../../deps.ts";
import { patience, sleep } from "../../lib/until.ts";

const MODULE = new URL("../../../mod.ts", import.meta.url).href;

/** How long a program may take to print its next line, in milliseconds. */
const PATIENCE_MS = patience(120);

/**
 * The time after which a save that had no effect is repeated, in milliseconds. It doubles each time,
 * because a save also starts a program again that has not printed yet.
 */
const SAVE_AGAIN_MS = 3000;

/** The descriptors (except of ordinary files) and threads of a process. */
export interface Counts {
  readonly descriptors: number;
  readonly threads: number;
}

function countEntries(folder: string): number {
  return [...Deno.readDirSync(folder)].length;
}

/** Without ordinary files: Deno opens its caches again at each start. */
export function countDescriptors(folder: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync(`${folder}/fd`)) {
    try {
      const file = Deno.readLinkSync(`${folder}/fd/${name}`);
      if (!file.startsWith("/") || /^\/(memfd:|dev\/)/.test(file)) count++;
    } catch {
      // The descriptor was closed while we looked.
    }
  }
  return count;
}

/** A program in a file of its own, where the library is `kup`, which each save starts again. */
export class WatchedProgram implements AsyncDisposable {
  readonly #folder: string;
  readonly #source: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #reading: Promise<unknown>;
  #saves = 0;
  #over = false;

  private constructor(folder: string, source: string, flags: string[]) {
    this.#folder = folder;
    this.#source = `import * as kup from "${MODULE}";\n${source}\n`;
    this.#write();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-config", "--no-clear-screen", ...flags, this.#file],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
  }

  /** Starts the program; `flags` are `--watch` or `--watch-hmr`, and permissions. */
  static async start(source: string, flags: string[]): Promise<WatchedProgram> {
    return new WatchedProgram(await Deno.makeTempDir({ prefix: "kup-watched-" }), source, flags);
  }

  get #file(): string {
    return `${this.#folder}/program.ts`;
  }

  /** How often the program was saved; the program sees the number as `save`. */
  #write(): void {
    Deno.writeTextFileSync(this.#file, `const save = ${this.#saves};\n${this.#source}`);
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    }
    this.#over = true;
  }

  /**
   * Saves the program, and waits until the run that this starts has printed a line that ends with
   * `line`.
   */
  async save(line: string): Promise<void> {
    this.#saves++;
    this.#write();
    let pause = SAVE_AGAIN_MS;
    let again = Date.now() + pause;
    await this.printed(line, () => {
      if (Date.now() < again) return;
      // The watcher may not have been watching yet, or may have started a file that was half
      // written. It waits until the changes pause.
      this.#write();
      again = Date.now() + (pause *= 2);
    });
  }

  /**
   * Waits for the first line of the present run that ends with `line`; the line begins with the
   * run's `save`.
   */
  async printed(line: string, meanwhile = () => {}): Promise<void> {
    const wanted = `${this.#saves}: ${line}`;
    for (const end = Date.now() + PATIENCE_MS; !this.#lines.includes(wanted);) {
      assert(Date.now() < end && !this.#over, `No line "${wanted}" in:\n${this.#lines.join("\n")}`);
      meanwhile();
      await sleep(20);
    }
  }

  /** All lines so far, of all runs. */
  get output(): string {
    return this.#lines.join("\n");
  }

  counts(): Counts {
    const folder = `/proc/${this.#child.pid}`;
    return { descriptors: countDescriptors(folder), threads: countEntries(`${folder}/task`) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The program has ended.
    }
    await this.#child.status;
    await this.#reading;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
