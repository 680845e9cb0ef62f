// SPDX-License-Identifier: BSD-3-Clause
/**
 * A sandbox for a test's child process, whose kernel refuses one system call with a number of the
 * test's.
 */

import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

/**
 * Flags that the native library opens a device with: O_RDWR, O_NOCTTY and O_CLOEXEC, as Linux
 * numbers them.
 */
const DEVICE_FLAGS = 0x80102;

/** A filter of system calls (seccomp), built for as long as its user wants it. */
export class Sandbox implements AsyncDisposable {
  readonly #folder: string;
  readonly #program: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#program = `${folder}/refuse`;
  }

  static async build(): Promise<Sandbox> {
    const sandbox = new Sandbox(await Deno.makeTempDir({ prefix: "kup-sandbox-" }));
    const source = `${ROOT}/tests/unit/sandbox/refuse.c`;
    await must(["cc", "-Wall", "-Wextra", "-Werror", "-o", sandbox.#program, source]);
    return sandbox;
  }

  /** The words before a command that refuse it memfd_create(2). */
  withoutMemoryFiles(errno: number): string[] {
    return [this.#program, "memfd_create", String(errno)];
  }

  /** The words before a command that refuse it what opens a device, and no other file. */
  withoutDevices(errno: number): string[] {
    return [this.#program, `open=${DEVICE_FLAGS}`, String(errno)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
