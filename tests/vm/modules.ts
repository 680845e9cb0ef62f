// SPDX-License-Identifier: BSD-3-Clause
/** Builds the kernel modules for one kernel series, outside the source tree. */

import { CACHE, exists, ignoreMissing, ROOT } from "../lib/paths.ts";
import { capture, projectFiles } from "../lib/process.ts";
import type { Kernel } from "./kernel.ts";

/** The result of a build. */
export interface ModuleBuild {
  readonly ok: boolean;
  /** The built modules, in the order in which they have to be loaded. */
  readonly modules: readonly string[];
  /** The warnings; a build with warnings has failed. */
  readonly warnings: readonly string[];
  /** All that the build printed. */
  readonly output: string;
}

/** KUP's own modules, in load order (a client needs the symbols of kup.ko). */
const OWN = ["kmod/kup.ko", "kmod/kup_echo.ko"];

/**
 * Clients in folders of their own: the example, those on the predecessor's API, and one with a bug
 * on purpose.
 */
const CLIENTS = [
  { folder: "examples/ticker", modules: ["ticker.ko"] },
  { folder: "examples/store", modules: ["store.ko"] },
  { folder: "examples/gate", modules: ["gate.ko"] },
  { folder: "examples/chat", modules: ["chat.ko"] },
  { folder: "examples/typed", modules: ["typed.ko"] },
  { folder: "tests/seed", modules: ["pingpong.ko", "courier.ko", "careless.ko", "mydev.ko"] },
  { folder: "tests/kernel/module", modules: ["deserter.ko", "beacon.ko"] },
];

/**
 * Lines that every module build outside a Debian build machine prints: no BTF without the kernel's
 * debug image, and a compiler that differs from the kernel's only in the packaging revision.
 */
const HARMLESS = [
  /Skipping BTF generation/,
  /the compiler differs from the one used to build the kernel/,
];

/** The warnings in a build's output. */
export function findWarnings(output: string): string[] {
  return output.split("\n").filter((line) =>
    /\bwarning:/i.test(line) && !HARMLESS.some((pattern) => pattern.test(line))
  );
}

/**
 * Builds the modules for a kernel. Only what has changed since the last time is compiled. A build
 * that failed or warned is removed, so that its warnings appear again in the next one.
 */
export async function buildModules(kernel: Kernel): Promise<ModuleBuild> {
  const folder = `${CACHE}/build/${kernel.series}`;
  const sources = await projectFiles("kmod", ...CLIENTS.map((client) => client.folder));
  if (sources.length === 0) throw new Error("There is nothing in kmod/ to build");
  await mirrorSources(sources, { from: ROOT, to: folder });
  const runs = [await make(kernel, `${folder}/kmod`)];
  for (const client of CLIENTS) {
    const symbols = `KBUILD_EXTRA_SYMBOLS=${folder}/kmod/Module.symvers`;
    runs.push(await make(kernel, `${folder}/${client.folder}`, [symbols]));
  }
  const output = runs.map((run) => run.output).join("");
  const warnings = findWarnings(output);
  const names = CLIENTS.flatMap(({ folder, modules }) =>
    modules.map((name) => `${folder}/${name}`)
  );
  const modules = [...OWN, ...names].map((name) => `${folder}/${name}`);
  const built = await Promise.all(modules.map(exists));
  const ok = runs.every((run) => run.code === 0) && warnings.length === 0 &&
    !built.includes(false);
  if (!ok) await Deno.remove(folder, { recursive: true });
  return { ok, modules, warnings, output };
}

/** Builds one folder's modules, with the compiler that Debian built the kernel with. */
function make(kernel: Kernel, folder: string, variables: readonly string[] = []) {
  return capture([
    "make",
    "-j2",
    "-C",
    kernel.headers,
    `M=${folder}`,
    "CC=gcc-12",
    "W=1",
    ...variables,
    "modules",
  ]);
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
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(to, fresh);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
