// SPDX-License-Identifier: BSD-3-Clause
/** From names of folders to a booted kernel. */

import type { Arch } from "./arch.ts";
import { buildFolder, buildKup, buildModule } from "./build.ts";
import { stageDependencies } from "./dependencies.ts";
import { HarnessError } from "./error.ts";
import { basename, cacheFolder, CHECKOUT, lockFile } from "./files.ts";
import type { GuestContent, Load, Share } from "./initramfs.ts";
import { fetchKernel, type Kernel, seriesOn } from "./kernel.ts";
import { guestConfig } from "./library.ts";
import {
  checkBuiltModule,
  type Folder,
  isBuiltModule,
  readFolder,
  readModuleFolder,
} from "./module.ts";
import { filesBelow } from "./package.ts";
import { Vm, type VmOptions } from "./vm.ts";

/**
 * A module for the guest.
 *
 * @example
 * ```ts
 * import { boot, type ModuleOptions } from "jsr:@kup/kup/harness";
 *
 * const module: ModuleOptions = { path: "./my_module", parameters: { channels: 2 } };
 * await using vm = await boot({ modules: [module] });
 * await vm.run("cat /sys/module/my_module/parameters/channels");
 * ```
 */
export interface ModuleOptions {
  /** A folder with a Kbuild or a Makefile, which is built; or a file that ends in `.ko`. */
  readonly path: string;
  /** The module's parameters, as insmod takes them. */
  readonly parameters?: Readonly<Record<string, string | number>>;
  /**
   * Whether the guest loads it. Its file is in the guest's `/lib/modules` in any case.
   *
   * @default {true}
   */
  readonly load?: boolean;
}

/**
 * What is booted.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({
 *   kernel: "debug",
 *   modules: ["./my_module"],
 *   env: { MY_LEVEL: "2" },
 *   progress: (line) => console.log(line),
 * });
 * await vm.run("echo $MY_LEVEL");
 * ```
 */
export interface BootOptions extends VmOptions {
  /**
   * The kernel: `6.1`, `6.12`, `7.x`, or `debug`, which is 6.12 with all of its detectors.
   *
   * @default {"6.12"}
   */
  readonly kernel?: string | undefined;
  /**
   * The machine: `amd64`, or `arm64`, which the series 6.1 and 6.12 have.
   *
   * @default {"amd64"}
   */
  readonly arch?: Arch | undefined;
  /** Modules in load order, after KUP's own. A folder of sources is also shared. */
  readonly modules?: readonly (string | ModuleOptions)[] | undefined;
  /**
   * Folders that are copied into the guest, where they have the same paths as here. Commands begin
   * in the first one.
   *
   * @default {the folders of modules}
   */
  readonly share?: readonly string[] | undefined;
  /** Variables of the environment of commands and tests. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Receives a line about each step that may take a while. */
  readonly progress?: ((line: string) => void) | undefined;
}

/** The modules that were named, as far as they can be known without a kernel. */
interface Sources {
  readonly module: ModuleOptions;
  /** Undefined for a module that is built already. */
  readonly folder: Folder | undefined;
}

/**
 * Builds the modules, boots a kernel, and loads KUP's modules and these. What has to be fetched is
 * kept in the cache.
 *
 * @throws {HarnessError} For each code: an argument is wrong, a tool is missing, something can't be
 * fetched, a module does not build, or does not load.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({ kernel: "6.12", modules: ["./my_module"] });
 * const { status, output } = await vm.run("cat /proc/modules");
 * console.log(status, output);
 * ```
 */
export async function boot(options: BootOptions = {}): Promise<Vm> {
  const { arch = "amd64", progress = () => {} } = options;
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new HarnessError("tool", "The harness runs on Linux on x86_64 only.");
  }
  const series = seriesOn(options.kernel ?? "6.12", arch);
  // What is wrong with the arguments is found before anything is fetched or built.
  const sources = await Promise.all((options.modules ?? []).map(readSources));
  const folders = sources.flatMap(({ folder }) => folder ?? []);
  const shared = await Promise.all((options.share ?? []).map(readFolder));
  checkCache();
  progress(`getting Linux ${series}`);
  const kernel = await fetchKernel(series);
  for (const { module, folder } of sources) {
    if (folder === undefined) await checkBuiltModule(module.path, kernel.release);
  }
  progress(`building for ${kernel.release}`);
  await Deno.mkdir(buildFolder(kernel), { recursive: true });
  // Another process may build the same modules.
  using lock = await lockFile(`${buildFolder(kernel)}.lock`);
  const modules = [...await buildKup(kernel)];
  const load: Load[] = [];
  for (const source of sources) {
    const built = await buildOne(kernel, source, progress);
    modules.push(...built);
    if (source.module.load !== false) load.push(...built.map((path) => loadOf(path, source)));
  }
  const { shares, folder } = await shareFolders([...shared, ...folders]);
  const { env = {} } = options;
  const color = hasColor();
  const content: GuestContent = { modules, load, shares, folder, env, shell: false, color };
  progress("booting");
  // The initramfs has copies, so the lock is not needed any more once the guest runs.
  const vm = await Vm.boot(kernel, content, options);
  lock.unlockSync();
  return vm;
}

/** Modules are built in the cache, and kbuild accepts neither blanks nor colons in paths. */
function checkCache(): void {
  if (!/[\s:]/.test(cacheFolder())) return;
  throw new HarnessError(
    "setting",
    `The cache "${cacheFolder()}" has a blank or a colon in its path, and kernel modules can't be ` +
      "built there; name another folder in KUP_CACHE.",
  );
}

async function readSources(given: string | ModuleOptions): Promise<Sources> {
  const module = typeof given === "string" ? { path: given } : given;
  if (isBuiltModule(module.path)) return { module, folder: undefined };
  return { module, folder: await readModuleFolder(module.path) };
}

async function buildOne(
  kernel: Kernel,
  { module, folder }: Sources,
  progress: (line: string) => void,
): Promise<readonly string[]> {
  return folder === undefined ? [module.path] : await buildModule(kernel, folder, progress);
}

function loadOf(path: string, { module }: Sources): Load {
  const parameters = Object.entries(module.parameters ?? {});
  return {
    name: basename(path),
    parameters: parameters.map(([name, value]) => `${name}=${value}`),
  };
}

/** Whether what is printed goes to a person at a terminal. */
function hasColor(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor;
}

/** The folders as shares, each once; a folder inside another one is a part of it. */
async function shareFolders(
  folders: readonly Folder[],
): Promise<{ shares: Share[]; folder: string }> {
  const contains = (outer: string, inner: string) => `${inner}/`.startsWith(`${outer}/`);
  const wanted = folders.filter(({ folder }, index) =>
    !folders.some((other, at) =>
      other.folder === folder ? at < index : contains(other.folder, folder)
    )
  );
  const standIns = await shareStandIns();
  const links = standIns.flatMap((share) => share.at);
  const shares: Share[] = [];
  for (const { folder, files } of wanted) {
    shares.push(await shareWithConfig(folder, files, links));
  }
  const dependencies = await stageDependencies(wanted, links.length > 0);
  return {
    shares: [...shares, ...standIns, ...dependencies],
    folder: folders[0]?.folder ?? "/root",
  };
}

/** A folder whose scripts find KUP in the guest. */
export async function shareWithConfig(
  folder: string,
  files: readonly string[],
  links: readonly string[],
): Promise<Share> {
  const read = (file: string) => Deno.readTextFile(`${folder}/${file}`);
  const scripts = await Promise.all(files.filter((file) => /\.[mc]?[jt]sx?$/.test(file)).map(read));
  const own = files.includes("deno.json") ? await read("deno.json") : undefined;
  let config: string;
  try {
    config = guestConfig(own, scripts, links);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new HarnessError("setting", `${folder}/deno.json is not JSON: ${cause.message}.`, {
      cause,
    });
  }
  return { from: folder, files, at: [folder], texts: { "deno.json": config } };
}

/** In a checkout, the packages that stand in for `@std`, since the guest has no network. */
export async function shareStandIns(): Promise<Share[]> {
  if (CHECKOUT === undefined) return [];
  const root = `${CHECKOUT}/tests/std`;
  const shares: Share[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    if (!isDirectory) continue;
    const from = `${root}/${name}`;
    shares.push({ from, files: await filesBelow(from), at: [`/usr/lib/kup-std/${name}`] });
  }
  return shares;
}
