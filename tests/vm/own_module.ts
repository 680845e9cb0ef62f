// SPDX-License-Identifier: BSD-3-Clause
/**
 * A module from outside the project: a folder with a Kbuild (or a Makefile with `obj-m`) and
 * sources that include kup.h. It is built in a copy, so nothing is added to the folder. The guest
 * has the folder's files at the same path.
 */

import { CACHE, exists, ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";
import { SettingError } from "../../scripts/usage.ts";
import type { Kernel } from "./kernel.ts";
import { findWarnings, mirrorSources } from "./modules.ts";

/** A folder that contains a module. */
export interface OwnModule {
  /** The folder, as an absolute path without links. */
  readonly folder: string;
  /** Its files that may be used, as paths in the folder. */
  readonly files: readonly string[];
}

/** A module that is built. */
export interface BuiltModule extends OwnModule {
  /** The paths of the built modules, in the order in which Kbuild names them. */
  readonly modules: readonly string[];
}

/** A module that can't be built. */
export class ModuleError extends Error {
  override readonly name = "ModuleError";
}

/** The files that kernel builds leave behind. */
const PRODUCT = /\.(?:o|ko|mod|mod\.c|cmd)$|^(?:Module\.symvers|modules\.order)$/;

/** All of it is in the guest's memory. */
const MOST_BYTES = 256 * 1024 * 1024;

/**
 * Reads a folder; a relative path begins at the top of the checkout. Left out are names that begin
 * with a dot, `node_modules`, what a kernel build leaves behind, and linked folders.
 *
 * @throws {SettingError} when the folder can't contain a module.
 */
export async function readOwnModule(path: string): Promise<OwnModule> {
  const folder = await Deno.realPath(path.startsWith("/") ? path : `${ROOT}/${path}`)
    .catch(() => undefined);
  if (folder === undefined || !(await Deno.stat(folder)).isDirectory) {
    throw new SettingError(`MODULE="${path}" is not a folder.`);
  }
  if (`${await Deno.realPath(ROOT)}/`.startsWith(`${folder}/`.replace("//", "/"))) {
    throw new SettingError(`MODULE="${path}" holds the whole project; name a module's own folder.`);
  }
  const files: string[] = [];
  let bytes = 0;
  for await (const file of walk(folder, "")) {
    files.push(file);
    bytes += (await Deno.stat(`${folder}/${file}`)).size;
    if (bytes > MOST_BYTES) {
      throw new SettingError(`MODULE="${path}" holds more than 256 MiB; name a smaller folder.`);
    }
  }
  if (!files.includes("Kbuild") && !files.includes("Makefile")) {
    throw new SettingError(
      `MODULE="${path}" has no Kbuild and no Makefile; it needs one with "obj-m := NAME.o".`,
    );
  }
  return { folder, files: files.sort() };
}

async function* walk(folder: string, below: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${entry.name}`;
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory) yield* walk(folder, `${path}/`);
    else if (!PRODUCT.test(entry.name) && await isFile(`${folder}/${path}`)) yield path;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

/**
 * A name for the copy: kbuild accepts no blanks and no colons, and two folders may have the same
 * name.
 */
async function copyName(folder: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(folder));
  const name = folder.slice(folder.lastIndexOf("/") + 1).replace(/[^\w-]+/g, "_");
  return `${name}-${new Uint8Array(hash).toHex().slice(0, 8)}`;
}

/**
 * Builds a module against a kernel's headers and KUP's own modules, which have to be built. The
 * compiler finds kup.h without any setting in the Kbuild; `$(KUP)` is set for a Kbuild that uses
 * it. Warnings are shown, and don't fail the build.
 *
 * @throws {ModuleError} when the build fails; the message contains what the compiler printed.
 */
export async function buildOwnModule(kernel: Kernel, own: OwnModule): Promise<BuiltModule> {
  const kup = `${CACHE}/build/${kernel.series}`;
  // As deep as examples/ticker, so that a Kbuild may reach KUP by ../.. there and here.
  const copy = `${kup}/modules/${await copyName(own.folder)}`;
  await mirrorSources(own.files, { from: own.folder, to: copy });
  // A list of what the last build made. A build that makes nothing must not leave it there.
  await Deno.remove(`${copy}/modules.order`).catch(() => {});
  const flags = [`-I${kup}/kmod`, `-I${kup}/kmod/os/linux`, Deno.env.get("KCFLAGS") ?? ""];
  const { code, output } = await capture([
    ...["make", "-j2", "-C", kernel.headers, `M=${copy}`, "CC=gcc-12", `KUP=${kup}`],
    `KCFLAGS=${flags.join(" ").trim()}`,
    `KBUILD_EXTRA_SYMBOLS=${kup}/kmod/Module.symvers`,
    "modules",
  ]);
  const shown = output.replaceAll(copy, own.folder).trimEnd();
  if (code !== 0) throw new ModuleError(`MODULE="${own.folder}" does not build:\n${shown}`);
  const modules = await builtModules(copy);
  if (modules.length === 0) {
    throw new ModuleError(
      `MODULE="${own.folder}" builds no module; its Kbuild needs the line "obj-m := NAME.o".`,
    );
  }
  if (findWarnings(shown).length > 0) console.error(shown);
  return { ...own, modules };
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

/** The parts of a `deno.json` that are used here. */
interface Config {
  imports?: Record<string, string>;
  links?: string[];
  lock?: boolean;
}

/**
 * Links to the project's files: beside them, Deno would complain about the project's own deno.json.
 */
export const GUEST_LIBRARY = "/usr/lib/kup";

const KUP_IN_GUEST = `${GUEST_LIBRARY}/mod.ts`;

const KUP_ON_JSR = /^jsr:\/?@kup\/kup(?:@[^/\s"'`]+)?$/;
const MENTIONED = /jsr:\/?@kup\/kup(?:@[^/\s"'`]+)?/g;

/**
 * The configuration for a folder's scripts in the guest, which has no network. KUP's published name
 * means the project there, and @std the stand-ins.
 *
 * @param text The folder's own `deno.json`, if it has one.
 * @param scripts The texts of its scripts.
 * @param links The folders of the stand-ins.
 */
export function guestConfig(
  text: string | undefined,
  scripts: readonly string[],
  links: readonly string[],
): string {
  const config: Config = JSON.parse(text ?? "{}");
  const imports: Record<string, string> = { "@kup/kup": KUP_IN_GUEST, ...config.imports };
  for (const [name, target] of Object.entries(imports)) {
    if (KUP_ON_JSR.test(target)) imports[name] = KUP_IN_GUEST;
  }
  for (const name of scripts.flatMap((script) => script.match(MENTIONED) ?? [])) {
    imports[name] = KUP_IN_GUEST;
  }
  const whole = { ...config, imports, links: [...config.links ?? [], ...links], lock: false };
  return JSON.stringify(whole, null, 2) + "\n";
}
