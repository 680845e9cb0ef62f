// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where this module can run. It can be imported everywhere, so nothing in `src/` may use `Deno`, or
 * newer parts of JavaScript, before a device is opened. Where it can't work, opening a device fails
 * with one sentence.
 *
 * @module
 */

import { KupError } from "./errors.ts";

/**
 * The oldest Deno that has everything that this module needs. Older versions have no `net.Socket`
 * on a descriptor, with which the event loop waits for channels.
 */
export const MINIMUM_DENO = "2.7.12";

/**
 * The command that builds the native library beside this module. FreeBSD's own make can't read the
 * Makefile.
 */
export function buildCommand(): string {
  return Deno.build.os === "freebsd" ? "gmake -C native" : "make native";
}

/** The globals by which Node and Bun are recognised. */
interface OtherRuntimes {
  readonly Bun?: { readonly version?: unknown };
  readonly process?: { readonly versions?: { readonly node?: unknown } };
}

/** The systems that have channels; and the names of other systems, with advice for each. */
const SYSTEMS: readonly string[] = ["linux", "freebsd"];
const OTHER_SYSTEMS: Readonly<Record<string, readonly [name: string, advice: string]>> = {
  darwin: ["macOS", "run the program in a Linux container or a virtual machine"],
  windows: ["Windows", "run the program in WSL 2, a Linux container or a virtual machine"],
};

function nameOtherRuntime(): string {
  const { Bun, process } = globalThis as OtherRuntimes;
  if (Bun !== undefined) return `Bun ${String(Bun.version)}`;
  const node = process?.versions?.node;
  return node === undefined ? "another runtime" : `Node ${String(node)}`;
}

/** Compares the three numbers of two versions; a suffix, as in "2.8.0-rc.1", is ignored. */
function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => text.split(/[.+-]/, 3).map(Number);
  const [has, wanted] = [numbers(version), numbers(than)];
  const at = wanted.findIndex((number, index) => number !== has[index]);
  return at >= 0 && has[at]! < wanted[at]!;
}

/** The reason why this module can't work here, or undefined if it can. */
function findReason(): string | undefined {
  if (typeof Deno !== "object") {
    return `KUP needs Deno ${MINIMUM_DENO} or newer; this is ${nameOtherRuntime()}. ` +
      "Run the program with `deno run --allow-ffi`.";
  }
  const version = Deno.version.deno;
  if (isOlder(version, MINIMUM_DENO)) {
    return `KUP needs Deno ${MINIMUM_DENO} or newer; this is ${version}. Run \`deno upgrade\`.`;
  }
  const { os } = Deno.build;
  if (!SYSTEMS.includes(os)) {
    const [name, advice] = OTHER_SYSTEMS[os] ?? [os, "run the program in a virtual machine"];
    return `KUP's channels need Linux or FreeBSD; this is ${name}: ${advice}.`;
  }
  if (typeof Deno.dlopen === "function") return undefined;
  return "KUP needs Deno's FFI, which is not available here: " +
    "run the program with the `deno` command.";
}

let isChecked = false;

/**
 * Refuses a runtime or a system on which this module can't work.
 *
 * @throws {KupError} `"unsupported"`.
 */
export function checkRuntime(): void {
  if (isChecked) return;
  const reason = findReason();
  if (reason !== undefined) throw new KupError("unsupported", reason);
  isChecked = true;
}
