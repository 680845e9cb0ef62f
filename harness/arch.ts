// SPDX-License-Identifier: BSD-3-Clause
/** The machines that are emulated. */

/**
 * A machine, by Debian's name for it.
 *
 * @example
 * ```ts
 * import { type Arch, boot } from "jsr:@kup/kup/harness";
 *
 * const arch: Arch = "arm64";
 * await using vm = await boot({ kernel: "6.12", arch });
 * console.log((await vm.run("uname -m")).status);
 * ```
 */
export type Arch = "amd64" | "arm64";

/** The name of a package for a machine, as apt takes it. */
export function onArch(name: string, arch: Arch): string {
  return arch === "amd64" ? name : `${name}:${arch}`;
}
