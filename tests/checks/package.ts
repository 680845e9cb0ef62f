// SPDX-License-Identifier: BSD-3-Clause
/** The package as `deno publish` would make it: exactly what its exports need, and not more. */

import { EXPORTS } from "../lib/doc_examples.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { publishedFiles } from "../lib/published.ts";
import type { Check } from "./check.ts";

/** What a person or a registry reads. */
const READ = ["LICENSE", "README.md", "deno.json"];

/** Limits in bytes, somewhat above the sizes now: growth is to be noticed, and decided. */
const MAX_PACKAGE = 4_000_000;
/** What Deno fetches for `import "jsr:@kup/kup"`: the libraries for all machines, mostly. */
const MAX_IMPORT = 2_000_000;

/** The own files of a module's graph, as Deno reads it: only they are fetched with it. */
async function graphOf(entry: string, config: string): Promise<string[]> {
  const command = [Deno.execPath(), "info", "--json", "--config", config, entry];
  const { modules } = JSON.parse(await must(command)) as {
    modules: { specifier: string; error?: string }[];
  };
  return modules.map(({ specifier, error }) => {
    if (error !== undefined) throw new Error(`${entry}: ${specifier}: ${error}`);
    return specifier.replace(`file://${ROOT}/`, "");
  }).filter((path) => !/^(?:\w+:|tests\/std\/)/.test(path));
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  const infos = await Promise.all(paths.map((path) => Deno.stat(`${ROOT}/${path}`)));
  return infos.reduce((sum, { size }) => sum + size, 0);
}

/** The differences between what is published and what the exports need. */
export function compareFiles(published: readonly string[], needed: readonly string[]): string[] {
  return [
    ...needed.filter((path) => !published.includes(path)).map((path) => `${path} isn't published`),
    ...published.filter((path) => !needed.includes(path))
      .map((path) => `${path} is published, and no export needs it`),
  ];
}

async function checkSize(paths: readonly string[], max: number, what: string): Promise<string[]> {
  const size = await sizeOf(paths);
  return size <= max ? [] : [`${what} has ${size} bytes, and ${max} are allowed`];
}

async function checkPackage(config: string): Promise<string | undefined> {
  const published = await publishedFiles({ check: true });
  const [library = [], ...others] = await Promise.all(EXPORTS.map((path) => graphOf(path, config)));
  const needed = new Set([...READ, ...library, ...others.flat()]);
  const problems = [
    ...compareFiles(published, [...needed]),
    ...library.filter((path) => path !== "mod.ts" && !path.startsWith("src/"))
      .map((path) => `mod.ts imports ${path}`),
    ...await checkSize(published, MAX_PACKAGE, "the package"),
    ...await checkSize(library, MAX_IMPORT, "the graph of mod.ts"),
  ];
  return problems.length === 0 ? undefined : problems.join("\n");
}

/** `make prebuilt` comes before it. */
export function packageChecks(config: string): Check[] {
  return [{
    name: "the package can be published, and contains exactly what its exports need",
    run: () => checkPackage(config),
  }];
}
