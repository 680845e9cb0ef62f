// SPDX-License-Identifier: BSD-3-Clause
/**
 * The compilers that this machine does not have. They are unpacked into folders of the cache.
 *
 * For the kernels of a newer Debian than this machine's, that is the compiler and the other tools:
 * kbuild's own programs, and the compiler that the kernel was configured for, need that release's C
 * library. They run by chroot in a namespace, without root. For arm64 it is a cross-compiler.
 */

import { Archive, type Release } from "./debian.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, dirname, fillOnce } from "./files.ts";
import { packageFolder } from "./package.ts";
import { capture } from "./process.ts";
import { quote } from "./quote.ts";

/** Who compiles the kernels of a release, and what else a build of modules runs. */
const TOOLS = [
  ...["gcc-14", "make", "libelf1t64", "libc6-dev"],
  ...["base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "sed"],
];

const COMPILER = "gcc-14";

/**
 * Returns the command that runs make with a release's own tools. In it, the cache, and the package
 * of KUP have the same paths as here, and nothing else is there.
 *
 * @throws {HarnessError} `"download"`, or `"tool"` when this machine allows no namespaces.
 */
export async function makeToolchain(release: Release): Promise<string[]> {
  const folder = `${cacheFolder()}/toolchain-${release}`;
  await fillOnce(folder, (temporary) =>
    Archive.open(async (archive) => {
      await archive.unpack(await archive.closure(TOOLS), temporary);
      // Installing these packages would make the links.
      await Deno.symlink("dash", `${temporary}/usr/bin/sh`).catch(() => {});
      await Deno.symlink("gawk", `${temporary}/usr/bin/awk`).catch(() => {});
      for (const path of ["dev", "proc", "tmp"]) {
        await Deno.mkdir(`${temporary}/${path}`, { recursive: true });
      }
    }, { release }));
  const shell = ["unshare", "--map-root-user", "--mount", "sh", "-c", await spellScript(folder)];
  const make = [...shell, "sh", "make", `CC=${COMPILER}`];
  const { code, output } = await capture([...make, "--version"]);
  if (code === 0) return make;
  throw new HarnessError(
    "tool",
    `The tools for this kernel can't be run in ${folder}, since this machine allows no ` +
      `namespaces of users; run the harness as root.\n${output.trimEnd()}`,
  );
}

/** The compiler for arm64, of the same version as the one that built Debian 12's kernels. */
const CROSS = ["gcc-12", "cpp-12", "binutils"].map((name) => `${name}-aarch64-linux-gnu`);

/**
 * Returns the command that runs make with the cross-compiler for arm64.
 *
 * @throws {HarnessError} `"download"`, or `"tool"` when this machine can't run the compiler.
 */
export async function crossToolchain(): Promise<string[]> {
  const folder = `${cacheFolder()}/cross-arm64`;
  const packages = [...CROSS, "libgcc-12-dev-arm64-cross"];
  await fillOnce(
    folder,
    (temporary) => Archive.open((archive) => archive.unpack(packages, temporary)),
  );
  const environment = [
    `PATH=${folder}/usr/bin:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
    // No other program has libraries of these names.
    `LD_LIBRARY_PATH=${folder}/usr/lib/x86_64-linux-gnu`,
  ];
  const prefix = "aarch64-linux-gnu-";
  const compiler = `${prefix}gcc-12`;
  // This runs the compiler proper and the assembler too, which need libraries of this machine.
  const probe = ["env", ...environment, compiler, "-c", "-x", "c", "-o", "/dev/null", "/dev/null"];
  const { code, output } = await capture(probe);
  const variables = ["ARCH=arm64", `CROSS_COMPILE=${prefix}`, `CC=${compiler}`];
  if (code === 0) return ["env", ...environment, "make", ...variables];
  throw new HarnessError(
    "tool",
    "This machine lacks libraries that the compiler for arm64 needs; install them with: " +
      `apt-get install --no-install-recommends gcc-12\n${output.trimEnd()}`,
  );
}

/** Binds the folders that a build uses into the release's folder, and runs the arguments there. */
async function spellScript(root: string): Promise<string> {
  const shared = [cacheFolder(), dirname(await packageFolder())];
  const lines = shared.map((path) =>
    `mkdir -p "$root"${quote(path)} && mount --rbind ${quote(path)} "$root"${quote(path)}`
  );
  return `set -e
root=${quote(root)}
${lines.join("\n")}
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
exec chroot "$root" /usr/bin/env -i LC_ALL=C.UTF-8 PATH=/usr/bin:/usr/sbin HOME=/tmp "$@"
`;
}
