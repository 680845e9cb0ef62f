// SPDX-License-Identifier: BSD-3-Clause
/** The machines that a library is prebuilt for, as far as this machine can emulate them. */

import { CACHE, fillOnce } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { Archive } from "../../harness/debian.ts";

/** One prebuilt library. */
export interface Variant {
  readonly arch: "x86_64" | "aarch64";
  readonly libc: "gnu" | "musl";
}

/** All that `make prebuilt` builds. */
export const VARIANTS: readonly Variant[] = [
  { arch: "x86_64", libc: "gnu" },
  { arch: "x86_64", libc: "musl" },
  { arch: "aarch64", libc: "gnu" },
  { arch: "aarch64", libc: "musl" },
];

const FOLDER = `${CACHE}/machines`;
const EMULATOR = "qemu-aarch64-static";

/** The loader of musl is the library itself. */
const MUSL = `${FOLDER}/amd64/lib/x86_64-linux-musl/libc.so`;

/** The C libraries that this machine doesn't have, and an emulator. Nothing is installed. */
async function fetchMachines(): Promise<void> {
  await fillOnce(FOLDER, (temporary) =>
    Archive.open(async (archive) => {
      await archive.unpack(["musl"], `${temporary}/amd64`);
      await archive.unpack(["libc6:arm64", "musl:arm64"], `${temporary}/arm64`);
      const all = `${temporary}/qemu`;
      await archive.unpack(["qemu-user-static"], all);
      await Deno.rename(`${all}/usr/bin/${EMULATOR}`, `${temporary}/${EMULATOR}`);
      await Deno.remove(all, { recursive: true });
      await must([`${temporary}/${EMULATOR}`, "--version"]);
    }, { foreign: ["arm64"] }));
}

/**
 * The command line that runs a variant's program here, or a sentence why there is none.
 *
 * @throws If something can't be fetched.
 */
export async function runner({ arch, libc }: Variant): Promise<readonly string[] | string> {
  if (Deno.build.arch !== "x86_64") return "only an x86_64 machine can emulate the others";
  if (arch === "x86_64" && libc === "gnu") return [];
  await fetchMachines();
  if (arch === "x86_64") return [MUSL];
  return [`${FOLDER}/${EMULATOR}`, "-L", `${FOLDER}/arm64`];
}
