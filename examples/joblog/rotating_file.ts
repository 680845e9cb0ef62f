// SPDX-License-Identifier: BSD-3-Clause
/** A file whose lines are older in FILE.1 than in FILE, and older in FILE.2 than in FILE.1. */
export class RotatingFile {
  #pending = "";
  #size = 0;

  /**
   * @param most How many bytes a file may have.
   * @param keep How many old files stay.
   */
  constructor(readonly path: string, readonly most: number, readonly keep: number) {}

  /** Adds a line, which `flush` writes. A file ends with a whole line. */
  async add(line: string): Promise<void> {
    const { length } = new TextEncoder().encode(line);
    if (this.#size + length > this.most) await this.#rotate();
    this.#size += length;
    this.#pending += line;
  }

  /** Writes the lines that were added. */
  async flush(): Promise<void> {
    await Deno.writeTextFile(this.path, this.#pending, { append: true });
    this.#pending = "";
    this.#size = (await Deno.stat(this.path)).size;
  }

  async #rotate(): Promise<void> {
    await this.flush();
    for (let age = this.keep; age >= 1; age--) {
      const younger = age === 1 ? this.path : `${this.path}.${age - 1}`;
      await Deno.rename(younger, `${this.path}.${age}`).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    if (this.keep === 0) await Deno.truncate(this.path);
    this.#size = 0;
  }
}
