// SPDX-License-Identifier: BSD-3-Clause
/**
 * The guest's whole file system, as an initramfs: two cpio archives back to back. The first, with
 * busybox and Deno, is large and made once; the second, with the project and the modules, is small
 * and made each time.
 */

import { CACHE, exists, ignoreMissing, ROOT } from "../lib/paths.ts";
import { must, projectFiles } from "../lib/process.ts";
import { type Job, loadsModules, quote } from "./job.ts";
import { type BuiltModule, GUEST_LIBRARY, guestConfig } from "./own_module.ts";
import { buildPrograms } from "./programs.ts";
import { fetchBusybox } from "./tools.ts";

const GUEST = `${ROOT}/tests/vm/guest`;

/** To be raised when the content of the base changes. */
const BASE_FORMAT = 1;

const PASSWD = `root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:an ordinary user:/home/user:/bin/sh
`;
const GROUP = `root:x:0:
user:x:1000:
`;

/** Writes the initramfs for one boot. `work` is a folder for that boot alone. */
export async function makeInitramfs(
  work: string,
  modules: readonly string[],
  job: Job,
  own?: BuiltModule,
): Promise<string> {
  const base = await makeBase();
  const stage = `${work}/root`;
  await stageProject(`${stage}/kup`, job.tests);
  await install(`${GUEST}/init`, `${stage}/init`, 0o755);
  await install(`${GUEST}/leaks.awk`, `${stage}/etc/leaks.awk`, 0o644);
  if (own !== undefined) await stageOwn(stage, own);
  for (const module of [...modules, ...own?.modules ?? []]) {
    await install(module, `${stage}/lib/modules/${basename(module)}`, 0o644);
  }
  await write(`${stage}/etc/kup-command`, `${job.command}\n`);
  await write(`${stage}/etc/kup-run`, settings(job, own));
  const overlay = `${work}/overlay.cpio`;
  await pack(stage, overlay);
  await Deno.remove(stage, { recursive: true });

  const whole = `${work}/initramfs.cpio`;
  await Deno.copyFile(base, whole);
  using out = await Deno.open(whole, { append: true });
  using rest = await Deno.open(overlay);
  await rest.readable.pipeTo(out.writable);
  return whole;
}

/** What init needs, as shell assignments. */
function settings(job: Job, own?: BuiltModule): string {
  let size = { columns: 80, rows: 24 };
  if (Deno.stdin.isTerminal()) size = Deno.consoleSize();
  return [
    `KUP_SHELL=${job.shell ? "yes" : "no"}`,
    `KUP_COLUMNS=${size.columns}`,
    `KUP_ROWS=${size.rows}`,
    `KUP_PROJECT=${quote(ROOT)}`,
    `KUP_MODULE=${quote(own?.folder ?? "")}`,
    `KUP_LOAD=${quote(loadsModules(job.command) ? "" : names(own).join(" "))}`,
    `export KUP_SECONDS=${quote(Deno.env.get("KUP_SECONDS") ?? "")}`,
    // Colours are for a person at a terminal.
    Deno.stdout.isTerminal() && !Deno.noColor ? "export FORCE_COLOR=1" : "export NO_COLOR=1",
    "",
  ].join("\n");
}

function names(own?: BuiltModule): string[] {
  return own?.modules.map(basename) ?? [];
}

/** The archive that only changes with Deno or busybox. */
async function makeBase(): Promise<string> {
  const busybox = await fetchBusybox();
  const folder = `${CACHE}/initramfs`;
  const base = `${folder}/base-${BASE_FORMAT}-deno-${Deno.version.deno}.cpio`;
  if (await exists(base)) return base;

  const stage = `${folder}/base.tmp-${Deno.pid}`;
  await Deno.remove(stage, { recursive: true }).catch(ignoreMissing);
  for (const path of ["dev", "etc", "home/user", "kup", "proc", "root", "sys", "tmp", "usr"]) {
    await Deno.mkdir(`${stage}/${path}`, { recursive: true });
  }
  await install(busybox, `${stage}/bin/busybox`, 0o755);
  for (const applet of (await must([busybox, "--list-full"])).split("\n").filter((a) => a !== "")) {
    if (applet === "bin/busybox") continue;
    await Deno.mkdir(`${stage}/${dirname(applet)}`, { recursive: true });
    await Deno.symlink("/bin/busybox", `${stage}/${applet}`);
  }
  await install(Deno.execPath(), `${stage}/usr/local/bin/deno`, 0o755);
  for (const library of await libraries(Deno.execPath())) {
    await install(library, `${stage}${library}`, 0o755);
  }
  await write(`${stage}/etc/passwd`, PASSWD);
  await write(`${stage}/etc/group`, GROUP);
  await Deno.chmod(`${stage}/home/user`, 0o777);
  await pack(stage, `${base}.tmp-${Deno.pid}`);
  await Deno.rename(`${base}.tmp-${Deno.pid}`, base);
  await Deno.remove(stage, { recursive: true });
  return base;
}

/**
 * The shared libraries of a program, and the loader, at the paths where the program expects them.
 */
async function libraries(program: string): Promise<string[]> {
  const listed = await must(["ldd", program]);
  return [...listed.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
}

/** What `make prebuilt` has made, if it was run. */
async function embeddedFiles(): Promise<string[]> {
  const folder = "src/embedded";
  if (!await exists(`${ROOT}/${folder}`)) return [];
  const entries = await Array.fromAsync(Deno.readDir(`${ROOT}/${folder}`));
  return entries.map(({ name }) => `${folder}/${name}`);
}

/** Copies the project as git sees it, and what is built from it. */
async function stageProject(folder: string, tests: boolean): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const paths = [
    ...await projectFiles(),
    ...await buildPrograms(tests),
    ...await embeddedFiles(),
  ];
  await must(["cpio", "-0", "-pdm", "--quiet", folder], { input: paths.join("\0") + "\0" });
  // The guest has no network: @std is always the stand-ins there.
  await Deno.copyFile(`${ROOT}/deno.offline.json`, `${folder}/deno.json`);
}

/** Copies the files of a module's folder. They have the same paths in the guest as here. */
async function stageOwn(stage: string, own: BuiltModule): Promise<void> {
  const folder = `${stage}/module`;
  for (const file of own.files) {
    await Deno.mkdir(dirname(`${folder}/${file}`), { recursive: true });
    await Deno.copyFile(`${own.folder}/${file}`, `${folder}/${file}`);
  }
  // Below the project, the project's own configuration is used.
  if (own.folder.startsWith(`${await Deno.realPath(ROOT)}/`)) return;
  const texts = (pattern: RegExp) =>
    Promise.all(
      own.files.filter((file) => pattern.test(file))
        .map((file) => Deno.readTextFile(`${own.folder}/${file}`)),
    );
  await Deno.mkdir(`${stage}${GUEST_LIBRARY}`, { recursive: true });
  for (const name of ["mod.ts", "src", "native"]) {
    await Deno.symlink(`/kup/${name}`, `${stage}${GUEST_LIBRARY}/${name}`);
  }
  const [config] = await texts(/^deno\.json$/);
  const { links = [] } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.offline.json`));
  const standIns = links.map((link: string) => link.replace("./", "/kup/"));
  await write(`${folder}/deno.json`, guestConfig(config, await texts(/\.[mc]?[jt]sx?$/), standIns));
}

/** Packs a folder, with root as the owner of all files. */
async function pack(folder: string, archive: string): Promise<void> {
  await must(["sh", "-c", 'find . | cpio -o -H newc -R +0:+0 --quiet >"$1"', "sh", archive], {
    cwd: folder,
  });
}

async function install(from: string, to: string, mode: number): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(from, to);
  await Deno.chmod(to, mode);
}

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, text);
}

function dirname(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
