// SPDX-License-Identifier: BSD-3-Clause
/** The driver in this process. */

import { KupError, open, unload } from "../../../mod.ts";
import { type Driver, type Parameters, threadsIn } from "./interface.ts";

/** Errno values, as Linux numbers them. */
const ENOENT = 2;
const ENOEXEC = 8;

const { os, arch } = Deno.build;

/** A shared object that has no KUP_MODULE. */
const NO_CLIENT =
  new URL(`../../../native/build/libkup-${os}-${arch}.so`, import.meta.url).pathname;

/** A client of tests/seed. */
function fileOf(module: string): string {
  return new URL(`../../seed/build/${module}.so`, import.meta.url).pathname;
}

export class HostDriver implements Driver {
  readonly name = "host";
  readonly path = "host:echo";
  readonly refusedPaths = [
    ["host:none", "not-found", ENOENT],
    ["host:kup/none", "not-found", ENOENT],
    ["host:", "not-found", ENOENT],
    ["host:/there/is/no.so", "not-found", ENOENT],
    [`host:${NO_CLIENT}`, "not-a-device", ENOEXEC],
  ] as const;

  constructor() {
    // The device exists before the first test, as in a guest.
    open(this.path).close();
  }

  pathOf(name: string): string {
    return `host:${name}`;
  }

  load(parameters: Parameters = {}): Promise<void> {
    open(this.path, { parameters }).close();
    return Promise.resolve();
  }

  unload(): Promise<void> {
    unload(this.path);
    return Promise.resolve();
  }

  /** The modules are in the process that plays, which loads what it opens. */
  insert(module: string): Promise<string | undefined> {
    return Promise.resolve(`host:${fileOf(module)}`);
  }

  /** The process that played has ended, and its modules with it. */
  remove(module: string): Promise<void> {
    try {
      unload(`host:${fileOf(module)}`);
    } catch (error) {
      if (!(error instanceof KupError && error.code === "not-found")) throw error;
    }
    return Promise.resolve();
  }

  servingThreads(): string[] {
    return threadsIn("/proc/self/task");
  }
}
