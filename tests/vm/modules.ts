// SPDX-License-Identifier: BSD-3-Clause
/** Builds KUP's modules and the project's clients for one kernel, outside the source tree. */

import {
  buildFolder,
  buildModule,
  findWarnings,
  mirrorSources,
  runMake,
  tryBuildKup,
} from "../../harness/build.ts";
import type { Kernel } from "../../harness/kernel.ts";
import type { ModuleFolder } from "../../harness/module.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

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
  { folder: "examples/joblog", modules: ["joblog.ko"] },
  { folder: "examples/sampler", modules: ["sampler.ko"] },
  { folder: "tests/seed", modules: ["pingpong.ko", "courier.ko", "careless.ko", "mydev.ko"] },
  { folder: "tests/kernel/module", modules: ["deserter.ko", "beacon.ko"] },
];

/**
 * Builds the modules for a kernel. Only what has changed since the last time is compiled. A build
 * that failed or warned is removed, so that its warnings appear again in the next one.
 */
export async function buildModules(kernel: Kernel): Promise<ModuleBuild> {
  const folder = buildFolder(kernel);
  const kup = await tryBuildKup(kernel);
  const sources = await projectFiles(...CLIENTS.map((client) => client.folder));
  await mirrorSources(sources, { from: ROOT, to: folder });
  const runs = [kup.finished];
  for (const client of CLIENTS) {
    const symbols = `KBUILD_EXTRA_SYMBOLS=${folder}/kmod/Module.symvers`;
    runs.push(await runMake(kernel, `${folder}/${client.folder}`, ["W=1", symbols]));
  }
  const output = runs.map((run) => run.output).join("");
  const warnings = findWarnings(output);
  const names = CLIENTS.flatMap(({ folder, modules }) =>
    modules.map((name) => `${folder}/${name}`)
  );
  const modules = [...kup.modules, ...names.map((name) => `${folder}/${name}`)];
  const built = await Promise.all(modules.map(exists));
  const ok = runs.every((run) => run.code === 0) && warnings.length === 0 &&
    !built.includes(false);
  if (!ok) await Deno.remove(folder, { recursive: true });
  return { ok, modules, warnings, output };
}

/** A folder with a module, and the paths of its modules. */
export interface BuiltModule extends ModuleFolder {
  readonly modules: readonly string[];
}

/** Builds a module from outside the project. Its warnings are shown, and don't fail the build. */
export async function buildOwnModule(kernel: Kernel, own: ModuleFolder): Promise<BuiltModule> {
  return { ...own, modules: await buildModule(kernel, own, (text) => console.error(text)) };
}
