// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds KUP's kernel modules, and modules in other folders, for a kernel. Each folder is built in
 * a copy in the cache, so nothing is added to it, and only what has changed is compiled again.
 */

import { HarnessError } from "./error.ts";
import { cacheFolder, dirname, exists, hashOf, ignoreMissing, removeIfThere } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import type { ModuleFolder } from "./module.ts";
import { filesBelow, packageFolder } from "./package.ts";
import { capture, CommandError, type Finished } from "./process.ts";

/**
 * Lines that every module build outside a Debian build machine prints: no BTF without the kernel's
 * debug image (which pahole would make), and a compiler that differs from the kernel's only in the
 * packaging revision.
 */
const HARMLESS = [
  /Skipping BTF generation/,
  /the compiler differs from the one used to build the kernel/,
  /pahole version differs from the one used to build the kernel/,
];

/** The warnings in a build's output. */
export function findWarnings(output: string): string[] {
  return output.split("\n").filter((line) =>
    /\bwarning:/i.test(line) && !HARMLESS.some((pattern) => pattern.test(line))
  );
}

/** The folder in which the builds for a kernel are. KUP's own modules are in its `kmod`. */
export function buildFolder(kernel: Kernel): string {
  return `${cacheFolder()}/build/${kernel.series}`;
}

/** KUP's own modules, in load order (a client needs the symbols of kup.ko). */
const OWN = ["kup.ko", "kup_echo.ko"];

const SOURCE = /(?:\.[ch]|(?:^|\/)Kbuild)$/;

/** What a build of KUP's own modules made. */
export interface KupBuild {
  /** The paths of the modules, in the order in which they have to be loaded. */
  readonly modules: readonly string[];
  readonly finished: Finished;
}

/** Builds KUP's own modules for a kernel, with any result. */
export async function tryBuildKup(kernel: Kernel): Promise<KupBuild> {
  const from = `${await packageFolder()}/kmod`;
  const folder = `${buildFolder(kernel)}/kmod`;
  const sources = (await filesBelow(from))
    .filter((path) => SOURCE.test(path) && !path.endsWith(".mod.c"));
  await mirrorSources(sources, { from, to: folder });
  const finished = await runMake(kernel, folder, ["W=1"]);
  return { modules: OWN.map((name) => `${folder}/${name}`), finished };
}

/** Builds KUP's own modules for a kernel, and returns their paths in load order. */
export async function buildKup(kernel: Kernel): Promise<readonly string[]> {
  const { modules, finished } = await tryBuildKup(kernel);
  if (finished.code === 0) return modules;
  throw new CommandError(["make", "-C", kernel.headers], finished);
}

/** Runs kbuild in a folder that is a copy of sources. */
export async function runMake(
  kernel: Kernel,
  folder: string,
  variables: readonly string[] = [],
): Promise<Finished> {
  // A make around this one has other flags and jobs.
  const env = { MAKEFLAGS: "", MFLAGS: "", MAKELEVEL: "" };
  const command = [...kernel.make, "-C", kernel.headers, `M=${folder}`, ...variables, "modules"];
  return await capture(command, { env });
}

/**
 * Builds the modules in a folder against a kernel's headers and KUP's own modules, which have to be
 * built. The compiler finds kup.h without any setting in the Kbuild; `$(KUP)` is set for a Kbuild
 * that uses it. Returns the paths of the modules in the order in which kbuild names them.
 *
 * @param show Receives what the compiler printed if there are warnings, which don't fail the build.
 * @throws {HarnessError} `"build"` when the build fails; the message contains what the compiler
 * printed.
 */
export async function buildModule(
  kernel: Kernel,
  own: ModuleFolder,
  show: (text: string) => void,
): Promise<readonly string[]> {
  const kup = buildFolder(kernel);
  // As deep as examples/ticker, so that a Kbuild may reach KUP by ../.. there and here.
  const copy = `${kup}/modules/${await copyName(own.folder)}`;
  await mirrorSources(own.files, { from: own.folder, to: copy });
  // A list of what the last build made. A build that makes nothing must not leave it there.
  await removeIfThere(`${copy}/modules.order`);
  const flags = [`-I${kup}/kmod`, `-I${kup}/kmod/os/linux`, Deno.env.get("KCFLAGS") ?? ""];
  const { code, output } = await runMake(kernel, copy, [
    `KUP=${kup}`,
    `KCFLAGS=${flags.join(" ").trim()}`,
    `KBUILD_EXTRA_SYMBOLS=${kup}/kmod/Module.symvers`,
  ]);
  const shown = output.replaceAll(copy, own.folder).trimEnd();
  if (code !== 0) {
    throw new HarnessError(
      "build",
      `${shown}\n${own.folder} does not build for Linux ${kernel.release}: ${firstError(shown)}`,
    );
  }
  const modules = await builtModules(copy);
  if (modules.length === 0) {
    throw new HarnessError(
      "build",
      `${own.folder} builds no module; its Kbuild needs the line "obj-m := NAME.o".`,
    );
  }
  if (findWarnings(shown).length > 0) show(shown);
  return modules;
}

/** The line of a build's output that is most likely the cause. */
function firstError(output: string): string {
  const lines = output.split("\n");
  const found = lines.find((line) => /\berror\b(?::|!)|\bundefined!|\*\*\*/i.test(line));
  return (found ?? lines.at(-1) ?? "").trim();
}

/**
 * A name for the copy: kbuild accepts no blanks and no colons, and two folders may have the same
 * name.
 */
async function copyName(folder: string): Promise<string> {
  const name = folder.slice(folder.lastIndexOf("/") + 1).replace(/[^\w-]+/g, "_");
  return `${name}-${(await hashOf(folder)).slice(0, 8)}`;
}

/** Kbuild lists them by their objects' names, or in older kernels by the modules'. */
async function builtModules(copy: string): Promise<string[]> {
  const order = await Deno.readTextFile(`${copy}/modules.order`).catch(() => "");
  const listed = order.split("\n").filter((line) => line !== "").map((line) =>
    `${line.startsWith("/") ? "" : `${copy}/`}${line.replace(/\.k?o$/, ".ko")}`
  );
  const paths = [...new Set(listed)];
  const built = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => built[index]);
}

/** Copies changed files and removes deleted ones, so that make sees the same times as in git. */
export async function mirrorSources(
  sources: readonly string[],
  { from, to }: { from: string; to: string },
): Promise<void> {
  const list = `${to}.sources`;
  const before = await exists(list) ? (await Deno.readTextFile(list)).split("\n") : [];
  const now = new Set(sources);
  for (const path of before.filter((path) => path !== "" && !now.has(path))) {
    await Deno.remove(`${to}/${path}`).catch(ignoreMissing);
  }
  for (const path of sources) await copyIfChanged(`${from}/${path}`, `${to}/${path}`);
  await Deno.mkdir(to, { recursive: true });
  await Deno.writeTextFile(list, sources.join("\n"));
}

async function copyIfChanged(from: string, to: string): Promise<void> {
  const fresh = await Deno.readFile(from);
  if (await exists(to) && isSame(await Deno.readFile(to), fresh)) return;
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.writeFile(to, fresh);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
