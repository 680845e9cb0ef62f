// SPDX-License-Identifier: BSD-3-Clause
/**
 * The guest's whole file system, as an initramfs: two cpio archives back to back. The first, with
 * busybox and Deno, is large and made once; the second, with the folders and the modules, is small
 * and made each time.
 */

import type { Arch } from "./arch.ts";
import { fetchDeno } from "./deno.ts";
import {
  basename,
  cacheFolder,
  dirname,
  fillOnce,
  hashOf,
  install,
  removeIfThere,
  writeFile,
} from "./files.ts";
import { GUEST_LIBRARY, libraryFiles } from "./library.ts";
import { packageFolder } from "./package.ts";
import { must } from "./process.ts";
import { quote } from "./quote.ts";
import { fetchBusybox } from "./tools.ts";

/** To be raised when the content of the base changes. */
const BASE_FORMAT = 1;

const PASSWD = `root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:an ordinary user:/home/user:/bin/sh
`;
const GROUP = `root:x:0:
user:x:1000:
`;

/** A folder of the guest. */
export interface Share {
  /** Where its files are on this machine. */
  readonly from: string;
  /** The files, as paths in it. */
  readonly files: readonly string[];
  /** Where it is in the guest; more than one path shows the same files. */
  readonly at: readonly string[];
  /** Texts of files that are added, or replace others, by their paths. */
  readonly texts?: Readonly<Record<string, string>>;
}

/** A module that the guest loads. */
export interface Load {
  /** The file's name in `/lib/modules`. */
  readonly name: string;
  /** Its parameters, as insmod takes them. */
  readonly parameters: readonly string[];
}

/** What a guest consists of. */
export interface GuestContent {
  /** The paths of all modules, whether or not they are loaded. */
  readonly modules: readonly string[];
  /** The modules to be loaded after KUP's own, in order. */
  readonly load: readonly Load[];
  readonly shares: readonly Share[];
  /** The folder in which commands begin. */
  readonly folder: string;
  /** Parameters of the kernel beside those that every guest has. */
  readonly parameters?: readonly string[];
  /**
   * The guest's processors take turns in one thread, which is less work where the machine has no
   * processor for each.
   *
   * @default {false}
   */
  readonly inTurns?: boolean;
  /** Variables of the commands' environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A shell at this process's terminal. */
  readonly shell: boolean;
  /** Whether what commands print may have colours. */
  readonly color: boolean;
}

/** Writes the initramfs for one boot. `work` is a folder for that boot alone. */
export async function makeInitramfs(
  work: string,
  content: GuestContent,
  arch: Arch,
): Promise<string> {
  const base = await makeBase(arch);
  const stage = `${work}/root`;
  const root = await packageFolder();
  await install(`${root}/harness/guest/init`, `${stage}/init`, 0o755);
  await install(`${root}/harness/guest/leaks.awk`, `${stage}/etc/leaks.awk`, 0o644);
  for (const path of await libraryFiles(root, arch)) {
    await install(`${root}/${path}`, `${stage}${GUEST_LIBRARY}/${path}`);
  }
  for (const module of content.modules) {
    await install(module, `${stage}/lib/modules/${basename(module)}`, 0o644);
  }
  for (const [index, share] of content.shares.entries()) {
    await stageShare(`${stage}/shares/${index}`, share);
  }
  await writeFile(`${stage}/etc/kup-run`, settings(content));
  const overlay = `${work}/overlay.cpio`;
  await pack(stage, overlay);
  await Deno.remove(stage, { recursive: true });

  const whole = `${work}/initramfs.cpio`;
  await Deno.copyFile(base, whole);
  using out = await Deno.open(whole, { append: true });
  using rest = await Deno.open(overlay);
  await rest.readable.pipeTo(out.writable);
  await Deno.remove(overlay);
  return whole;
}

/** What init does for this guest, as a script. */
function settings({ load, shares, folder, env = {}, shell, color }: GuestContent): string {
  let size = { columns: 80, rows: 24 };
  if (shell && Deno.stdin.isTerminal()) size = Deno.consoleSize();
  const places = shares.flatMap(({ at }, index) =>
    at.map((path) => `appear /shares/${index} ${quote(path)}`)
  );
  const modules = load.map(({ name, parameters }) =>
    ["load", name, ...parameters].map(quote).join(" ")
  );
  return [
    `KUP_SHELL=${shell ? "yes" : "no"}`,
    `KUP_COLUMNS=${size.columns}`,
    `KUP_ROWS=${size.rows}`,
    color ? "export FORCE_COLOR=1" : "export NO_COLOR=1",
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    ...places,
    `cd ${quote(folder)} || faults=1`,
    ...modules,
    "",
  ].join("\n");
}

/** The archive that only changes with Deno or busybox. */
async function makeBase(arch: Arch): Promise<string> {
  const deno = await hashOf(Deno.execPath());
  const own = `base-${BASE_FORMAT}-deno-${Deno.version.deno}-${deno.slice(0, 4)}`;
  const name = arch === "amd64" ? own : `${own}-${arch}`;
  const folder = `${cacheFolder()}/initramfs/${name}`;
  await fillOnce(folder, async (temporary) => {
    const stage = `${temporary}/root`;
    await stageBase(stage, arch);
    await pack(stage, `${temporary}/base.cpio`);
    await removeIfThere(stage);
  });
  return `${folder}/base.cpio`;
}

async function stageBase(stage: string, arch: Arch): Promise<void> {
  const busybox = await fetchBusybox(arch);
  // This machine runs its own one only; it is of the same version.
  const runnable = arch === "amd64" ? busybox : await fetchBusybox("amd64");
  const applets = (await must([runnable, "--list-full"])).split("\n");
  for (const path of ["dev", "etc", "home/user", "proc", "root", "sys", "tmp", "usr"]) {
    await Deno.mkdir(`${stage}/${path}`, { recursive: true });
  }
  await install(busybox, `${stage}/bin/busybox`, 0o755);
  for (const applet of applets.filter((path) => path !== "" && path !== "bin/busybox")) {
    await Deno.mkdir(dirname(`${stage}/${applet}`), { recursive: true });
    await Deno.symlink("/bin/busybox", `${stage}/${applet}`);
  }
  const { program, libraries } = await fetchDeno(arch);
  await install(program, `${stage}/usr/local/bin/deno`, 0o755);
  for (const [path, file] of libraries) await install(file, `${stage}${path}`, 0o755);
  await writeFile(`${stage}/etc/passwd`, PASSWD);
  await writeFile(`${stage}/etc/group`, GROUP);
  await Deno.chmod(`${stage}/home/user`, 0o777);
}

async function stageShare(stage: string, share: Share): Promise<void> {
  await Deno.mkdir(stage, { recursive: true });
  await must(["cpio", "-0", "-pdm", "--quiet", stage], {
    cwd: share.from,
    input: share.files.map((path) => `${path}\0`).join(""),
  });
  for (const [path, text] of Object.entries(share.texts ?? {})) {
    await removeIfThere(`${stage}/${path}`);
    await writeFile(`${stage}/${path}`, text);
  }
}

/** Packs a folder, with root as the owner of all files. */
async function pack(folder: string, archive: string): Promise<void> {
  await must([
    "sh",
    "-c",
    'find . -print0 | cpio -0 -o -H newc -R +0:+0 --quiet >"$1"',
    "sh",
    archive,
  ], {
    cwd: folder,
  });
}
