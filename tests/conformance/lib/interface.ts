// SPDX-License-Identifier: BSD-3-Clause
/** What each driver offers to the suite. */

import type { DriverName } from "../differences.ts";

/** Parameters of the echo client, by their names. */
export type Parameters = Readonly<Record<string, string | number>>;

/** What the suite needs of a driver beside the public API. */
export interface Driver {
  readonly name: DriverName;
  /** The echo device. */
  readonly path: string;
  /** The path of a device with this name. */
  pathOf(name: string): string;
  /** Paths that open() must refuse, with code and errno. */
  readonly refusedPaths: readonly (readonly [path: string, code: string, errno: number])[];
  /** As insmod: loads the echo client, which must not be loaded. */
  load(parameters?: Parameters): Promise<void>;
  /** As rmmod: the device goes, also while handles are open. */
  unload(): Promise<void>;
  /**
   * As insmod, for a client in tests/seed. Returns its path, for programs that have to load it
   * themselves.
   */
  insert(module: string): Promise<string | undefined>;
  /** As rmmod. */
  remove(module: string): Promise<void>;
  /** The folders in /proc of the threads that serve the echo device's channels. */
  servingThreads(): string[];
}

/** The name that the echo client gives its device. */
export const ECHO_NAME = "kup/echo";

/** The threads below one folder of /proc whose names begin with the echo device's name. */
export function threadsIn(folder: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    if (!/^\d+$/.test(entry.name)) continue;
    const thread = `${folder}/${entry.name}`;
    try {
      if (Deno.readTextFileSync(`${thread}/comm`).startsWith(`${ECHO_NAME}:`)) found.push(thread);
    } catch {
      // The thread ended while we looked.
    }
  }
  return found;
}
