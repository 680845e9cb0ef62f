// SPDX-License-Identifier: BSD-3-Clause
/**
 * The modules of others that scripts import: the guest has no network, so they are fetched here.
 */

import { HarnessError } from "./error.ts";
import { cacheFolder, hashOf, lockFile, removeIfThere } from "./files.ts";
import type { Share } from "./initramfs.ts";
import type { Folder } from "./module.ts";
import { filesBelow } from "./package.ts";
import { capture } from "./process.ts";

/** Where Deno finds modules in the guest; see `guest/init`. */
const GUEST_DENO_DIR = "/var/lib/deno";

const SCRIPT = /\.[mc]?[jt]sx?$/;
const REMOTE = /["'`](?:jsr:|npm:|https?:\/\/)[^"'`\s]+["'`]/g;
const KUP = /^.jsr:\/?@kup\/kup\b/;
const STD = /^.jsr:\/?@std\//;

/**
 * Fetches what the scripts of folders import from elsewhere, except KUP itself.
 *
 * @param standIns Whether `@std` is in the guest already.
 * @throws {HarnessError} `"download"` when a module can't be fetched.
 */
export async function stageDependencies(
  folders: readonly Folder[],
  standIns: boolean,
): Promise<Share[]> {
  const found = new Set<string>();
  for (const { folder, files } of folders) {
    for (
      const file of files.filter((file) => SCRIPT.test(file) || /(^|\/)deno\.json$/.test(file))
    ) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      for (const [name] of text.matchAll(REMOTE)) {
        if (!KUP.test(name) && !(standIns && STD.test(name))) found.add(name.slice(1, -1));
      }
    }
  }
  // A URL in a text need not be a module; only what looks like one is fetched.
  const names = [...found].filter((name) => !/^https?:/.test(name) || SCRIPT.test(name)).sort();
  if (names.length === 0) return [];
  const cache = `${cacheFolder()}/dependencies/${await hashOf(names.join("\n"))}`;
  await Deno.mkdir(cache, { recursive: true });
  // Another process may fetch the same ones.
  using _lock = await lockFile(`${cache}.lock`);
  const imports = `${cache}/imports.ts`;
  await Deno.writeTextFile(imports, names.map((name) => `import "${name}";\n`).join(""));
  try {
    const command = [Deno.execPath(), "cache", "--no-config", "--no-check", "--quiet", imports];
    const { code, output } = await capture(command, {
      cwd: cache,
      env: { DENO_DIR: `${cache}/deno`, NO_COLOR: "1" },
    });
    if (code !== 0) {
      throw new HarnessError(
        "download",
        `The guest has no network, and what the scripts import can't be fetched here: ` +
          `${output.trim().split("\n")[0]}\nCheck the network and the import.`,
      );
    }
  } finally {
    await removeIfThere(imports);
  }
  const from = `${cache}/deno`;
  return [{ from, files: await filesBelow(from), at: [GUEST_DENO_DIR] }];
}
