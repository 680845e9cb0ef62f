// SPDX-License-Identifier: BSD-3-Clause
/** A kernel with all that is needed to build modules for it, in the cache. */

import { CACHE, exists, fillOnce, ignoreMissing } from "../lib/paths.ts";
import { SettingError } from "../../scripts/usage.ts";
import { Archive } from "./debian.ts";
import { getDebugKernel } from "./debug_kernel.ts";
import { dependencies, newestOf } from "./version.ts";

/** The series that the suite runs on: Debian 12's own kernel, and its backports'. */
export const ALL_SERIES = ["6.1", "6.12"] as const;

/** The debug kernel's name where a series is expected; it is of the newest series. */
export const DEBUG_SERIES = "debug";

/**
 * Checks that the project is tested on this series.
 *
 * @throws {SettingError} when it is not.
 */
export function checkSeries(series: string): void {
  const known: readonly string[] = [...ALL_SERIES, DEBUG_SERIES];
  if (known.includes(series)) return;
  throw new SettingError(`KERNEL=${series} is not one of ${known.join(", ")}.`);
}

/** A kernel that is ready to be booted and built against. */
export interface Kernel {
  /** The series that was asked for, such as `6.12`. */
  readonly series: string;
  /** What `uname -r` prints in it. */
  readonly release: string;
  /** The path of the bootable image. */
  readonly image: string;
  /** The folder to give to `make -C`. */
  readonly headers: string;
}

const IMAGES = "linux-image-cloud-amd64";
const HEADERS = "linux-headers-cloud-amd64";

/**
 * Returns the newest kernel of a series, or the debug kernel. A kernel is chosen, and fetched or
 * built, once. Then it is kept, so that a second run needs no network. After `make distclean` the
 * next run chooses again.
 */
export async function fetchKernel(series: string): Promise<Kernel> {
  if (series === DEBUG_SERIES) return { series, ...await getDebugKernel() };
  const folder = `${CACHE}/kernel/${series}`;
  await fillOnce(
    folder,
    (temporary) => Archive.open((archive) => fill(archive, series, temporary)),
  );
  const release = (await Deno.readTextFile(`${folder}/release`)).trim();
  return {
    series,
    release,
    image: `${folder}/boot/vmlinuz-${release}`,
    headers: `${folder}/usr/src/linux-headers-${release}`,
  };
}

async function fill(archive: Archive, series: string, folder: string): Promise<void> {
  const [image] = await dependenciesOf(archive, IMAGES, series, /^linux-image-\d/);
  const [headers] = await dependenciesOf(archive, HEADERS, series, /^linux-headers-\d/);
  const release = headers?.replace("linux-headers-", "");
  if (image === undefined || release === undefined || image !== `linux-image-${release}`) {
    throw new Error(`Debian's image (${image}) and headers (${headers}) of ${series} don't match`);
  }
  // What is the same for all flavours, and kbuild's own programs.
  const parts = await dependenciesOf(
    archive,
    `linux-headers-${release}`,
    series,
    /-common$|kbuild/,
  );
  await archive.unpack([image, `linux-headers-${release}`, ...parts], folder);
  await relocate(folder, release);
  // With the kernel's type information, a build would need pahole to add the modules' own.
  await Deno.remove(`${folder}/usr/src/linux-headers-${release}/vmlinux`).catch(ignoreMissing);
  await Deno.writeTextFile(`${folder}/release`, `${release}\n`);
}

/** The dependencies, of the newest version of a package in a series, that match a pattern. */
async function dependenciesOf(
  archive: Archive,
  name: string,
  series: string,
  pattern: RegExp,
): Promise<string[]> {
  const stanza = newestOf(await archive.show(name), series);
  if (stanza === undefined) throw new Error(`Debian's archive has no ${name} of series ${series}`);
  return dependencies(stanza).filter((dependency) => pattern.test(dependency));
}

/**
 * The headers expect to be below /usr/src: their Makefile includes another by its absolute path. A
 * relative path works anywhere. The links between the packages are relative already.
 */
async function relocate(folder: string, release: string): Promise<void> {
  const makefile = `${folder}/usr/src/linux-headers-${release}/Makefile`;
  const text = await Deno.readTextFile(makefile);
  const relocated = text.replaceAll("/usr/src/", "$(dir $(lastword $(MAKEFILE_LIST)))../");
  if (relocated === text) throw new Error(`${makefile} holds no path to rewrite: has it changed?`);
  await Deno.writeTextFile(makefile, relocated);
  for (const tool of ["scripts/mod/modpost", "scripts/Makefile.build"]) {
    const path = `${folder}/usr/src/linux-headers-${release}/${tool}`;
    if (!await exists(path)) throw new Error(`${path} is missing: a link leads outside`);
  }
}
