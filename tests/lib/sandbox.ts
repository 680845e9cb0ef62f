// SPDX-License-Identifier: BSD-3-Clause
/**
 * A sandbox for a test's child process, in which the kernel refuses one system call with a given
 * errno.
 */

import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

/**
 * The flags that the native library opens a device with: O_RDWR, O_NOCTTY and O_CLOEXEC, with
 * Linux's values.
 */
const DEVICE_FLAGS = 0x80102;

/** A filter of system calls (seccomp), built for as long as it is used. */
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

  /** The words before a command that refuse memfd_create(2) to it. */
  withoutMemoryFiles(errno: number): string[] {
    return [this.#program, "memfd_create", String(errno)];
  }

  /** The words before a command that refuse to it the open of a device, and of no other file. */
  withoutDevices(errno: number): string[] {
    return [this.#program, `open=${DEVICE_FLAGS}`, String(errno)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
