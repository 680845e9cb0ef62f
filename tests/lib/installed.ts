// SPDX-License-Identifier: BSD-3-Clause
/**
 * The C library as `make install` puts it into a folder, for programs that are built against it.
 */

import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

const PREFIX = "/opt/kup";

/** Runs a test with a new folder. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kup-install-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The same, after `make install` into that folder. */
export function installed(test: (folder: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    const where = [`DESTDIR=${folder}`, `PREFIX=${PREFIX}`];
    await must(["make", "-s", "-C", `${ROOT}/native`, "install", ...where]);
    await test(folder);
  });
}

/** Where the libraries are, in a folder of {@linkcode installed}. */
export function libraries(folder: string): string {
  return `${folder}${PREFIX}/lib`;
}

/** What pkg-config prints about the library in that folder. */
export async function flags(folder: string, ...what: string[]): Promise<string[]> {
  const env = {
    PKG_CONFIG_PATH: "",
    PKG_CONFIG_LIBDIR: `${libraries(folder)}/pkgconfig`,
    PKG_CONFIG_SYSROOT_DIR: folder,
  };
  return (await must(["pkg-config", ...what, "kup"], { env })).trim().split(/\s+/);
}
