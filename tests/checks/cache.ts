// SPDX-License-Identifier: BSD-3-Clause
/** Which checks have passed, and with what inputs; kept in a folder with a file for each. */

import { ignoreMissing } from "../lib/paths.ts";
import type { Scope } from "./inputs.ts";

/** What is needed of a check. */
export interface Checked {
  readonly name: string;
  /** The files that the check reads; all by default. */
  readonly scope?: Scope;
}

/** A function that describes all inputs of a scope as they are now. */
export type Inputs = (scope: Scope) => Promise<string>;

/** Entries that were not used for this long are removed. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The checks that need not run again. */
export class PassedChecks {
  readonly #folder: string;
  /** The inputs before any check is run. */
  readonly #before: ReadonlyMap<Scope, string>;

  private constructor(folder: string, before: ReadonlyMap<Scope, string>) {
    this.#folder = folder;
    this.#before = before;
  }

  /** Reads the inputs; call it before the first check is run. */
  static async open(folder: string, inputs: Inputs): Promise<PassedChecks> {
    return new PassedChecks(folder, await describeAll(inputs));
  }

  /** Whether a check has passed with the present inputs. */
  async has(check: Checked): Promise<boolean> {
    const entry = await this.#entry(check);
    const now = new Date();
    return await Deno.utime(entry, now, now).then(() => true, () => false);
  }

  /**
   * Keeps checks that have just passed. `inputs` reads once more: a check that passed while a file
   * was changed may have read it before or after.
   */
  async keep(passed: readonly Checked[], inputs: Inputs): Promise<void> {
    const after = await describeAll(inputs);
    await Deno.mkdir(this.#folder, { recursive: true });
    for (const check of passed) {
      const scope = check.scope ?? "all";
      if (after.get(scope) !== this.#before.get(scope)) continue;
      await Deno.writeTextFile(await this.#entry(check), `${check.name}\n`);
    }
    await this.#removeOld();
  }

  async #entry({ name, scope = "all" }: Checked): Promise<string> {
    const text = new TextEncoder().encode(`${name}\n${this.#before.get(scope)}`);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    return `${this.#folder}/${hash.toHex()}`;
  }

  async #removeOld(): Promise<void> {
    const longAgo = Date.now() - KEPT_MS;
    for await (const { name } of Deno.readDir(this.#folder)) {
      const path = `${this.#folder}/${name}`;
      const { mtime } = await Deno.stat(path);
      if ((mtime?.getTime() ?? 0) < longAgo) await Deno.remove(path).catch(ignoreMissing);
    }
  }
}

async function describeAll(inputs: Inputs): Promise<Map<Scope, string>> {
  const scopes: Scope[] = ["all", "c", "typescript"];
  return new Map(
    await Promise.all(scopes.map(async (scope) => [scope, await inputs(scope)] as const)),
  );
}
