// SPDX-License-Identifier: BSD-3-Clause
/**
 * The name of the contract between this module's TypeScript and its native library: a hash of the
 * declarations in both headers, and of the package's version. `src/abi.ts` and `src/embedded/` each
 * contain the name that they were generated for, and don't type-check together if the names differ.
 */

const ROOT = new URL("../", import.meta.url);
const HEADERS = ["kmod/uapi/kup_abi.h", "native/kup_user.h"];

/** The declarations alone: without comments, and with one space for each line break. */
function declarations(header: string): string {
  return header.replace(/\/\*.*?\*\//gs, " ").replace(/\s+/g, " ");
}

/** 16 hexadecimal digits of a hash. */
export async function hash(parts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(parts.join("\0"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The contract's name for the present files of this checkout. */
export async function nameContract(): Promise<string> {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const parts = [String(version)];
  for (const path of HEADERS) {
    parts.push(declarations(await Deno.readTextFile(new URL(path, ROOT))));
  }
  return await hash(parts);
}
