// SPDX-License-Identifier: BSD-3-Clause
/** Scripts and workers beside the test, and waiting for what they do. */

import type { Device } from "../../../mod.ts";
import { until } from "../../lib/until.ts";

export { sleep, until } from "../../lib/until.ts";

const MODULE = new URL("../../../mod.ts", import.meta.url).href;

/** A script in a Deno of its own, where the library is `kup`. */
export function script(source: string, flags: string[] = ["--allow-ffi"]): Deno.Command {
  const body = `import * as kup from "${MODULE}";\n${source}`;
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      ...flags,
      `data:text/javascript,${encodeURIComponent(body)}`,
    ],
    cwd: new URL("../../../", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a script to its end. */
export async function runScript(
  source: string,
  flags?: string[],
): Promise<{ code: number; signal: Deno.Signal | null; out: string; error: string }> {
  const { code, signal, stdout, stderr } = await script(source, flags).output();
  const decoder = new TextDecoder();
  return { code, signal, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/**
 * A worker where the library is `kup`. Its `tell` sends a message, and `told` returns them in
 * order.
 */
export class Thread implements Disposable {
  readonly #worker: Worker;
  readonly #url: string;
  readonly #told: unknown[] = [];
  #waiting: PromiseWithResolvers<unknown> | undefined;

  constructor(source: string) {
    const body = `import * as kup from "${MODULE}";
      const tell = (value) => self.postMessage(value);
      try { ${source} } catch (error) { tell({ code: error.code, message: String(error) }); }`;
    this.#url = URL.createObjectURL(new Blob([body], { type: "text/javascript" }));
    this.#worker = new Worker(this.#url, { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      this.#told.push(data);
      if (this.#waiting !== undefined) this.#waiting.resolve(this.#told.shift());
      this.#waiting = undefined;
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#waiting?.reject(new Error(event.message));
    };
  }

  told(): Promise<unknown> {
    if (this.#told.length > 0) return Promise.resolve(this.#told.shift());
    this.#waiting = Promise.withResolvers<unknown>();
    return this.#waiting.promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
    URL.revokeObjectURL(this.#url);
  }
}

/**
 * The processor time that a process or thread has used, by its folder in /proc, in ticks of 10 ms.
 */
export function processorTicks(folder: string): number {
  const fields = Deno.readTextFileSync(`${folder}/stat`).replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Waits until all channels of this device are free, and no kernel side still drains one. */
export function allFree(device: Device): Promise<void> {
  const free = () => device.info().channelsFree === device.channels;
  return until(free, "all channels are free");
}
