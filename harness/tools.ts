// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs that are fetched for the test machine and used from the cache, without an installation.
 */

import { Archive } from "./debian.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, fillOnce } from "./files.ts";
import { capture } from "./process.ts";

/** Returns the path of a busybox that needs no libraries. */
export async function fetchBusybox(): Promise<string> {
  const folder = `${cacheFolder()}/busybox`;
  await fillOnce(
    folder,
    (temporary) => Archive.open((archive) => archive.unpack(["busybox-static"], temporary)),
  );
  return `${folder}/bin/busybox`;
}

/** A QEMU that is run from where it was unpacked. */
export interface Emulator {
  readonly program: string;
  /** The options with the paths of its own firmware. */
  readonly options: readonly string[];
}

/** The emulator, its data and its firmware; the libraries come with Debian 12's own QEMU. */
const QEMU = ["qemu-system-x86", "qemu-system-data", "seabios"];

/**
 * Returns a QEMU from the backports. Debian 12's own, 7.2, can't be used: it emulates CMPXCHG16B
 * wrongly, which the kernel's allocator uses, so nearly every boot ends in a double fault or a #DB
 * with impossible EFLAGS. One boot in sixteen ends at an int3 that another CPU had already patched
 * away. With 10.0 neither was seen in 28 boots.
 */
export async function fetchQemu(): Promise<Emulator> {
  const folder = `${cacheFolder()}/qemu`;
  await fillOnce(folder, (temporary) =>
    Archive.open(async (archive) => {
      await archive.unpack(QEMU.map((name) => `${name}/bookworm-backports`), temporary);
      // Finds a missing library here, and not at the first boot.
      const { code } = await capture([`${temporary}/usr/bin/qemu-system-x86_64`, "--version"]);
      if (code === 0) return;
      throw new HarnessError(
        "tool",
        "This machine lacks libraries that QEMU needs; install them with: " +
          "apt-get install --no-install-recommends qemu-system-x86",
      );
    }));
  const share = `${folder}/usr/share`;
  return {
    program: `${folder}/usr/bin/qemu-system-x86_64`,
    options: ["-L", `${share}/qemu`, "-L", `${share}/seabios`],
  };
}
