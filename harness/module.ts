// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the caller of the harness names: folders with modules, built modules, and folders to share.
 */

import { HarnessError } from "./error.ts";
import { CHECKOUT } from "./files.ts";
import { filesBelow } from "./package.ts";

/** A folder, as an absolute path without links, and its files that are used, as paths in it. */
export interface Folder {
  readonly folder: string;
  readonly files: readonly string[];
}

/** A folder with a Kbuild, or with a Makefile that has `obj-m`, and sources that include kup.h. */
export type ModuleFolder = Folder;

/** The files that kernel builds leave behind. */
const PRODUCT = /\.(?:o|ko|mod|mod\.c|cmd)$|(?:^|\/)(?:Module\.symvers|modules\.order)$/;

/** All of it is in the guest's memory. */
const MOST_BYTES = 256 * 1024 * 1024;

/**
 * Reads a folder; a relative path begins at this process's folder. Left out are names that begin
 * with a dot, `node_modules`, what a kernel build leaves behind, and linked folders.
 *
 * @throws {HarnessError} `"setting"` when it is not a folder, or too much to be shared.
 */
export async function readFolder(path: string): Promise<Folder> {
  const folder = await Deno.realPath(path).catch(() => undefined);
  if (folder === undefined || !(await Deno.stat(folder)).isDirectory) {
    throw new HarnessError("setting", `"${path}" is not a folder; name a folder that is there.`);
  }
  const whole = CHECKOUT === undefined ? undefined : await Deno.realPath(CHECKOUT);
  if (folder === "/" || whole !== undefined && `${whole}/`.startsWith(`${folder}/`)) {
    throw new HarnessError(
      "setting",
      `"${path}" holds ${folder === "/" ? "everything" : "the whole of KUP"}; ` +
        "name a module's own folder.",
    );
  }
  const files = (await filesBelow(folder)).filter((file) => !PRODUCT.test(file));
  let bytes = 0;
  for (const file of files) {
    bytes += (await Deno.stat(`${folder}/${file}`)).size;
    if (bytes > MOST_BYTES) {
      throw new HarnessError(
        "setting",
        `"${path}" holds more than 256 MiB; name a smaller folder.`,
      );
    }
  }
  return { folder, files };
}

/**
 * Reads the folder of a module's sources.
 *
 * @throws {HarnessError} `"setting"` when it can't contain a module.
 */
export async function readModuleFolder(path: string): Promise<ModuleFolder> {
  const own = await readFolder(path);
  if (own.files.includes("Kbuild") || own.files.includes("Makefile")) return own;
  throw new HarnessError(
    "setting",
    `"${path}" has no Kbuild and no Makefile; it needs one with "obj-m := NAME.o".`,
  );
}

/** A module that is built already: a file that ends in .ko. */
export function isBuiltModule(path: string): boolean {
  return path.endsWith(".ko");
}

/**
 * Checks that a built module is for a kernel.
 *
 * @throws {HarnessError} `"setting"` when it is not there, or for another kernel.
 */
export async function checkBuiltModule(path: string, release: string): Promise<void> {
  const bytes = await Deno.readFile(path).catch(() => undefined);
  if (bytes === undefined) {
    throw new HarnessError("setting", `There is no module ${path}; build it, or name its folder.`);
  }
  const [, version] = /\0vermagic=(\S+)/.exec(new TextDecoder("latin1").decode(bytes)) ?? [];
  if (version === release) return;
  throw new HarnessError(
    "setting",
    version === undefined
      ? `${path} is not a kernel module.`
      : `${path} is built for Linux ${version}, and this kernel is ${release}; name the folder ` +
        "of its sources, and the harness builds it.",
  );
}
