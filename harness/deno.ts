// SPDX-License-Identifier: BSD-3-Clause
/** Deno for the guest: this one, or the same version for another machine. */

import type { Arch } from "./arch.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, fillOnce } from "./files.ts";
import { capture, must } from "./process.ts";
import { fetchLibraries } from "./tools.ts";

/** A program and what it needs. */
export interface DenoForGuest {
  readonly program: string;
  /** The shared libraries and the loader: where the program expects them, and where they are. */
  readonly libraries: ReadonlyMap<string, string>;
}

/**
 * Returns Deno for a machine.
 *
 * @throws {HarnessError} `"download"` when it can't be fetched.
 */
export async function fetchDeno(arch: Arch): Promise<DenoForGuest> {
  if (arch === "arm64") return await fetchForArm64();
  const program = Deno.execPath();
  const listed = await must(["ldd", program]);
  const paths = [...listed.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
  return { program, libraries: new Map(paths.map((path) => [path, path])) };
}

/** npm has Deno's own builds. Deno fetches them by itself, and checks their sums. */
async function fetchForArm64(): Promise<DenoForGuest> {
  const name = "@deno/linux-arm64-glibc";
  const version = Deno.version.deno;
  const folder = `${cacheFolder()}/deno-arm64-${version}`;
  await fillOnce(folder, async (temporary) => {
    const command = ["cache", "--no-config", "--no-lock", "--quiet", `npm:${name}@${version}`];
    const { code, output } = await capture([Deno.execPath(), ...command], {
      cwd: temporary,
      env: { DENO_DIR: `${temporary}/cache`, NO_COLOR: "1" },
    });
    const found = await must(["find", temporary, "-name", "deno", "-type", "f", "-size", "+1M"]);
    const [program = ""] = found.split("\n");
    if (code !== 0 || program === "") {
      throw new HarnessError(
        "download",
        `npm's package ${name} ${version}, which is Deno for the guest, can't be fetched ` +
          `(${output.trim().split("\n")[0]}); check the network, and try again.`,
      );
    }
    await Deno.rename(program, `${temporary}/deno`);
    await Deno.remove(`${temporary}/cache`, { recursive: true });
  });
  const libc = await fetchLibraries("arm64");
  const below = "/lib/aarch64-linux-gnu";
  const loader = "/lib/ld-linux-aarch64.so.1";
  const libraries = new Map([[loader, `${libc}${below}/ld-linux-aarch64.so.1`]]);
  for await (const { name } of Deno.readDir(`${libc}${below}`)) {
    libraries.set(`${below}/${name}`, `${libc}${below}/${name}`);
  }
  return { program: `${folder}/deno`, libraries };
}
