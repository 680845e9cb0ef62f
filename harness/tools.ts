// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs that are fetched for the test machine and used from the cache, without an installation.
 */

import { type Arch, onArch } from "./arch.ts";
import { Archive } from "./debian.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, fillOnce } from "./files.ts";
import { capture } from "./process.ts";

/** Returns the path of a busybox that needs no libraries. */
export async function fetchBusybox(arch: Arch): Promise<string> {
  const folder = await unpacked(["busybox-static"], "busybox", arch);
  return `${folder}/bin/busybox`;
}

/** Returns the folder of the libraries that Deno for this machine needs. */
export async function fetchLibraries(arch: Arch): Promise<string> {
  return await unpacked(["libc6", "libgcc-s1"], "libraries", arch);
}

/** A folder of the cache with some packages. */
async function unpacked(names: readonly string[], folder: string, arch: Arch): Promise<string> {
  const path = `${cacheFolder()}/${folder}${arch === "amd64" ? "" : `-${arch}`}`;
  const foreign = arch === "amd64" ? [] : [arch];
  await fillOnce(
    path,
    (temporary) =>
      Archive.open(
        (archive) => archive.unpack(names.map((name) => onArch(name, arch)), temporary),
        { foreign },
      ),
  );
  return path;
}

/** A QEMU that is run from where it was unpacked. */
export interface Emulator {
  readonly program: string;
  /** The options with the paths of its own firmware. */
  readonly options: readonly string[];
}

/** The emulators, their data and firmware; the libraries come with Debian 12's own QEMU. */
const QEMU: Readonly<Record<Arch, QemuParts>> = {
  amd64: {
    packages: ["qemu-system-x86", "qemu-system-data", "seabios"],
    program: "qemu-system-x86_64",
    data: ["qemu", "seabios"],
    folder: "qemu",
  },
  arm64: {
    packages: ["qemu-system-arm", "qemu-system-data"],
    program: "qemu-system-aarch64",
    data: ["qemu"],
    folder: "qemu-arm64",
  },
};

/** Where the parts of an emulator are. */
interface QemuParts {
  readonly packages: readonly string[];
  readonly program: string;
  /** Folders below `/usr/share`. */
  readonly data: readonly string[];
  /** Its folder in the cache. */
  readonly folder: string;
}

/**
 * Returns a QEMU from the backports. Debian 12's own, 7.2, can't be used: it emulates CMPXCHG16B
 * wrongly, which the kernel's allocator uses, so nearly every boot ends in a double fault or a #DB
 * with impossible EFLAGS. One boot in sixteen ends at an int3 that another CPU had already patched
 * away. With 10.0 neither was seen in 28 boots.
 */
export async function fetchQemu(arch: Arch): Promise<Emulator> {
  const { packages, program, data, folder: name } = QEMU[arch];
  const folder = `${cacheFolder()}/${name}`;
  await fillOnce(folder, (temporary) =>
    Archive.open(async (archive) => {
      await archive.unpack(packages.map((name) => `${name}/bookworm-backports`), temporary);
      // Finds a missing library here, and not at the first boot.
      const { code } = await capture([`${temporary}/usr/bin/${program}`, "--version"]);
      if (code === 0) return;
      throw new HarnessError(
        "tool",
        "This machine lacks libraries that QEMU needs; install them with: " +
          `apt-get install --no-install-recommends ${packages[0]}`,
      );
    }));
  const share = `${folder}/usr/share`;
  return {
    program: `${folder}/usr/bin/${program}`,
    options: data.flatMap((part) => ["-L", `${share}/${part}`]),
  };
}
