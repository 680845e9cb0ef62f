// SPDX-License-Identifier: BSD-3-Clause
/** A kernel with all that is needed to build modules for it, in the cache. */

import { type Arch, onArch } from "./arch.ts";
import { Archive, type Release } from "./debian.ts";
import { getDebugKernel } from "./debug_kernel.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, exists, fillOnce, removeIfThere } from "./files.ts";
import { must } from "./process.ts";
import { crossToolchain, makeToolchain } from "./toolchain.ts";
import { dependencies, newestOf, type Stanza } from "./version.ts";

/** Where the kernels of a series come from. */
interface Series {
  readonly release: Release;
  /** What the versions of its packages begin with. */
  readonly version: string;
  readonly arch: Arch;
}

/**
 * The series by their names: those of Debian 12 and of its backports, and the newest one, which is
 * in the backports of Debian 13.
 */
const SERIES: Readonly<Record<string, Series>> = {
  "6.1": { release: "bookworm", version: "6.1", arch: "amd64" },
  "6.12": { release: "bookworm", version: "6.12", arch: "amd64" },
  "7.x": { release: "trixie", version: "7", arch: "amd64" },
  "6.1-arm64": { release: "bookworm", version: "6.1", arch: "arm64" },
  "6.12-arm64": { release: "bookworm", version: "6.12", arch: "arm64" },
};

/** The series that `make test` runs on. */
export const ALL_SERIES = ["6.1", "6.12"] as const;

/** The newest series, on which `make test` runs a part of the kernel tests. */
export const NEWEST_SERIES = "7.x";

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
 * The name of a series on an architecture.
 *
 * @throws {HarnessError} `"setting"` when the harness has no such kernel.
 */
export function seriesOn(series: string, arch: string): string {
  if (arch !== "amd64" && arch !== "arm64") {
    throw new HarnessError(
      "setting",
      `"${arch}" is no architecture of the harness; name amd64 or arm64.`,
    );
  }
  checkSeries(series);
  const name = arch === "amd64" || series.endsWith(`-${arch}`) ? series : `${series}-${arch}`;
  if (name === series || SERIES[name] !== undefined) return name;
  throw new HarnessError("setting", `For ${arch} the harness has 6.1 and 6.12, and no ${series}.`);
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
  /** The series that was asked for, such as `6.12` or `6.12-arm64`. */
  readonly series: string;
  /** The machine that it is for. */
  readonly arch: Arch;
  /** What `uname -r` prints in it. */
  readonly release: string;
  /** The path of the bootable image. */
  readonly image: string;
  /** The folder to give to `make -C`. */
  readonly headers: string;
  /** A command that runs make with the compiler for this kernel; its arguments follow. */
  readonly make: readonly string[];
}

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
  if (found === undefined) return { series, arch: "amd64", ...await getDebugKernel(), make };
  const { release: debian, version, arch } = found;
  const folder = `${cacheFolder()}/kernel/${series}`;
  await fillOnce(
    folder,
    (temporary) =>
      Archive.open((archive) => fill(archive, { version, arch }, temporary), {
        release: debian,
        foreign: arch === "amd64" ? [] : [arch],
      }),
  );
  const release = (await Deno.readTextFile(`${folder}/release`)).trim();
  await checkSums(folder);
  // A build without them would fail with a shell's message.
  if (debian === "bookworm") {
    for (const program of arch === "amd64" ? ["make", COMPILER] : ["make"]) {
      await must([program, "--version"]);
    }
  }
  return {
    series,
    arch,
    release,
    image: `${folder}/boot/vmlinuz-${release}`,
    headers: `${folder}/usr/src/linux-headers-${release}`,
    make: arch === "arm64"
      ? [...await crossToolchain(), jobs]
      : debian === "bookworm"
      ? make
      : [...await makeToolchain(debian), jobs],
  };
}

async function fill(
  archive: Archive,
  { version: series, arch }: Omit<Series, "release">,
  folder: string,
): Promise<void> {
  const images = onArch(`linux-image-cloud-${arch}`, arch);
  const [image] = await dependenciesOf(archive, images, series, /^linux-image-\d/);
  const all = onArch(`linux-headers-cloud-${arch}`, arch);
  const [headers] = await dependenciesOf(archive, all, series, /^linux-headers-\d/);
  const release = headers?.replace("linux-headers-", "");
  if (image === undefined || release === undefined || image !== `linux-image-${release}`) {
    throw new Error(`Debian's image (${image}) and headers (${headers}) of ${series} don't match`);
  }
  const own = [image, headers!].map((name) => onArch(name, arch));
  // What is the same for all flavours, and kbuild's own programs, which run on this machine.
  const parts = await dependenciesOf(archive, own[1]!, series, /-common$|kbuild/);
  // In Debian 13 the image has a package of its own.
  const binary = await dependenciesOf(archive, own[0]!, series, /^linux-binary-\d/);
  await archive.unpack([...own, ...binary, ...parts], folder);
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
  const stanzas = await archive.show(name);
  const stanza = newestOf(stanzas, series);
  if (stanza === undefined) {
    throw new HarnessError("download", explainMissing(name, series, stanzas));
  }
  return dependencies(stanza).filter((dependency) => pattern.test(dependency));
}

/** Says which versions there are instead, since the archive keeps no old ones. */
export function explainMissing(name: string, series: string, stanzas: readonly Stanza[]): string {
  const versions = stanzas.map((stanza) => stanza.get("Version")).join(", ") || "none";
  return `Debian's archive has no ${name} of series ${series} (it has: ${versions}); name ` +
    "another kernel, or in KUP_MIRROR a snapshot of the archive, such as " +
    "https://snapshot.debian.org/archive/debian/20261101T000000Z.";
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
