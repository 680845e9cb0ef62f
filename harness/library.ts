// SPDX-License-Identifier: BSD-3-Clause
/** KUP's TypeScript in the guest: where it is, and how scripts find it there. */

import type { Arch } from "./arch.ts";
import { HarnessError } from "./error.ts";
import { CHECKOUT, exists } from "./files.ts";
import { filesBelow } from "./package.ts";

/**
 * The folder of KUP's `mod.ts` in the guest. It has no deno.json, which Deno would complain about.
 */
export const GUEST_LIBRARY = "/usr/lib/kup";

const KUP_IN_GUEST = `${GUEST_LIBRARY}/mod.ts`;

const KUP_ON_JSR = /^jsr:\/?@kup\/kup(?:@[^/\s"'`]+)?$/;
const MENTIONED = /jsr:\/?@kup\/kup(?:@[^/\s"'`]+)?/g;

/** The parts of a `deno.json` that are used here. */
interface Config {
  imports?: Record<string, string>;
  links?: string[];
  lock?: boolean;
}

/**
 * The files of the library in a checkout or an unpacked package, as paths in it.
 *
 * @throws {HarnessError} `"tool"` when there is no native library for a foreign machine.
 */
export async function libraryFiles(root: string, arch: Arch): Promise<string[]> {
  const sources = (await filesBelow(`${root}/src`)).map((path) => `src/${path}`);
  const built = "native/build/libkup-linux-x86_64.so";
  if (arch === "arm64") {
    // The published package always has it.
    const isThere = CHECKOUT === undefined || sources.includes("src/embedded/linux-aarch64.ts");
    if (isThere) return ["mod.ts", ...sources];
    throw new HarnessError(
      "tool",
      `${root} has no native library for arm64; run \`make prebuilt\` there.`,
    );
  }
  return ["mod.ts", ...sources, ...await exists(`${root}/${built}`) ? [built] : []];
}

/**
 * The configuration for a folder's scripts in the guest, which has no network. KUP's published name
 * means the library there.
 *
 * @param text The folder's own `deno.json`, if it has one.
 * @param scripts The texts of its scripts.
 * @param links Folders of the guest with packages that JSR has elsewhere.
 */
export function guestConfig(
  text: string | undefined,
  scripts: readonly string[],
  links: readonly string[],
): string {
  const config: Config = JSON.parse(text ?? "{}");
  const imports: Record<string, string> = { ...config.imports, "@kup/kup": KUP_IN_GUEST };
  for (const [name, target] of Object.entries(imports)) {
    if (KUP_ON_JSR.test(target)) imports[name] = KUP_IN_GUEST;
  }
  for (const name of scripts.flatMap((script) => script.match(MENTIONED) ?? [])) {
    imports[name] = KUP_IN_GUEST;
  }
  const whole = { ...config, imports, links: [...config.links ?? [], ...links], lock: false };
  return JSON.stringify(whole, null, 2) + "\n";
}
