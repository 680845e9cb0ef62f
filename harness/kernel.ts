// SPDX-License-Identifier: BSD-3-Clause
/** A kernel with all that is needed to build modules for it, in the cache. */

import { Archive, type Release } from "./debian.ts";
import { getDebugKernel } from "./debug_kernel.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, exists, fillOnce, removeIfThere } from "./files.ts";
import { must } from "./process.ts";
import { makeToolchain } from "./toolchain.ts";
import { dependencies, newestOf } from "./version.ts";

/** Where the kernels of a series come from. */
interface Series {
  readonly release: Release;
  /** What the versions of its packages begin with. */
  readonly version: string;
}

/**
 * The series by their names: those of Debian 12 and of its backports, and the newest one, which is
 * in the backports of Debian 13.
 */
const SERIES: Readonly<Record<string, Series>> = {
  "6.1": { release: "bookworm", version: "6.1" },
  "6.12": { release: "bookworm", version: "6.12" },
  "7.x": { release: "trixie", version: "7" },
};

/** The series that `make test` runs on. */
export const ALL_SERIES = ["6.1", "6.12"] as const;

/** The debug kernel's name where a series is expected; it is of series 6.12. */
export const DEBUG_SERIES = "debug";

/** Debian 12's own compiler, which built its kernels. */
const COMPILER = "gcc-12";

/**
 * Checks that there are kernels of this series.
 *
 * @throws {HarnessError} `"setting"` when there are none.
 */
export function checkSeries(series: string): void {
  const known = [...Object.keys(SERIES), DEBUG_SERIES];
  if (known.includes(series)) return;
  throw new HarnessError(
    "setting",
    `"${series}" is no kernel of the harness; name one of ${known.join(", ")}.`,
  );
}

/**
 * A kernel that is ready to be booted and built against.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({ kernel: "6.1" });
 * const { series, release } = vm.kernel;
 * console.log(`Linux ${series} is ${release}`);
 * ```
 */
export interface Kernel {
  /** The series that was asked for, such as `6.12`. */
  readonly series: string;
  /** What `uname -r` prints in it. */
  readonly release: string;
  /** The path of the bootable image. */
  readonly image: string;
  /** The folder to give to `make -C`. */
  readonly headers: string;
  /** A command that runs make with the compiler for this kernel; its arguments follow. */
  readonly make: readonly string[];
}

const IMAGES = "linux-image-cloud-amd64";
const HEADERS = "linux-headers-cloud-amd64";

/**
 * Returns the newest kernel of a series, or the debug kernel. A kernel is chosen, and fetched or
 * built, once. Then it is kept, so that a second run needs no network. A run with an empty cache
 * chooses again.
 *
 * @throws {HarnessError} `"setting"`, `"download"`, or `"tool"`.
 */
export async function fetchKernel(series: string): Promise<Kernel> {
  checkSeries(series);
  const jobs = `-j${navigator.hardwareConcurrency}`;
  const make = ["make", jobs, `CC=${COMPILER}`];
  const found = SERIES[series];
  if (found === undefined) return { series, ...await getDebugKernel(), make };
  const folder = `${cacheFolder()}/kernel/${series}`;
  await fillOnce(
    folder,
    (temporary) => Archive.open((archive) => fill(archive, found.version, temporary), found),
  );
  const release = (await Deno.readTextFile(`${folder}/release`)).trim();
  await checkSums(folder);
  // A build without them would fail with a shell's message.
  if (found.release === "bookworm") {
    for (const program of ["make", COMPILER]) await must([program, "--version"]);
  }
  return {
    series,
    release,
    image: `${folder}/boot/vmlinuz-${release}`,
    headers: `${folder}/usr/src/linux-headers-${release}`,
    make: found.release === "bookworm" ? make : [...await makeToolchain(found.release), jobs],
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
  // In Debian 13 the image has a package of its own.
  const binary = await dependenciesOf(archive, image, series, /^linux-binary-\d/);
  await archive.unpack([image, ...binary, `linux-headers-${release}`, ...parts], folder);
  const inModules = `${folder}/usr/lib/modules/${release}/vmlinuz`;
  if (await exists(inModules)) {
    await Deno.mkdir(`${folder}/boot`, { recursive: true });
    await Deno.rename(inModules, `${folder}/boot/vmlinuz-${release}`);
  }
  await relocate(folder, release);
  // With the kernel's type information, a build would need pahole to add the modules' own.
  await removeIfThere(`${folder}/usr/src/linux-headers-${release}/vmlinux`);
  const sum = await must(["sha256sum", `boot/vmlinuz-${release}`], { cwd: folder });
  await Deno.writeTextFile(`${folder}/kup-sums`, sum);
  await Deno.writeTextFile(`${folder}/release`, `${release}\n`);
}

/** The image must still be the one that was in the package. */
async function checkSums(folder: string): Promise<void> {
  // A cache of an earlier version has none.
  if (!await exists(`${folder}/kup-sums`)) return;
  try {
    await must(["sha256sum", "--quiet", "-c", "kup-sums"], { cwd: folder });
  } catch (cause) {
    throw new HarnessError(
      "download",
      `The kernel in ${folder} is damaged; remove that folder, and it is fetched again.`,
      { cause },
    );
  }
}

/** The dependencies, of the newest version of a package in a series, that match a pattern. */
async function dependenciesOf(
  archive: Archive,
  name: string,
  series: string,
  pattern: RegExp,
): Promise<string[]> {
  const stanza = newestOf(await archive.show(name), series);
  if (stanza === undefined) {
    throw new HarnessError("download", `Debian's archive has no ${name} of series ${series}.`);
  }
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
