// SPDX-License-Identifier: BSD-3-Clause
/** The checks that need no running kernel and no test: each has one result. */

import { EXPORTS, findMissing, readDocs } from "../lib/doc_examples.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { capture, projectFiles } from "../lib/process.ts";
import type { Checked } from "./cache.ts";
import { HarnessError } from "../../harness/error.ts";
import { fetchKernel, NEWEST_SERIES } from "../../harness/kernel.ts";
import { buildModules } from "../vm/modules.ts";
import { bindingsChecks } from "./bindings.ts";
import { type Check, Skip } from "./check.ts";
import { documentChecks } from "./documents.ts";
import { packageChecks } from "./package.ts";
import { prebuiltChecks } from "./prebuilt.ts";
import { referenceChecks } from "./reference.ts";
import { checkUnused } from "./unused.ts";
import { workflowsCheck } from "./workflows.ts";

/** The configuration that the Makefile chose for this machine. */
export const CONFIG = Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json";

/** Runs a program; the check fails with its output unless its exit status is 0. */
async function succeeds(command: readonly string[]): Promise<string | undefined> {
  const { code, output } = await capture(command, { env: { NO_COLOR: "1" } });
  return code === 0 ? undefined : output.trimEnd() || `exit status ${code}`;
}

function deno(verb: string, ...args: string[]): Promise<string | undefined> {
  return succeeds([Deno.execPath(), ...verb.split(" "), "--config", CONFIG, ...args]);
}

/** Files that can have a licence line, and need one. */
const SOURCES = /\.(?:[chS]|ts|sh|mk|rs|toml)$|(?:^|\/)(?:Makefile|Kbuild|init|run)$/;

const SPDX = /SPDX-License-Identifier: \S/;

/** The licence line is the first, or the second where the first names the interpreter. */
async function checkLicences(): Promise<string | undefined> {
  const sources = (await projectFiles()).filter((path) => SOURCES.test(path));
  if (sources.length === 0) return "there is no source file";
  const missing: string[] = [];
  for (const path of sources) {
    const [first = "", second = ""] = (await Deno.readTextFile(`${ROOT}/${path}`)).split("\n", 2);
    if (!SPDX.test(first.startsWith("#!") ? second : first)) missing.push(path);
  }
  return missing.length === 0 ? undefined : `no SPDX line in:\n${missing.join("\n")}`;
}

async function checkCFormat(): Promise<string | undefined> {
  const sources = await projectFiles("*.c", "*.h");
  if (sources.length === 0) return "there is no C file";
  return await succeeds(["clang-format", "--style=file", "--dry-run", "-Werror", ...sources]);
}

/** CONTRIBUTING.md has the rule; a unit test runs the examples. */
async function checkExamples(): Promise<string | undefined> {
  const missing = findMissing(await readDocs(CONFIG));
  return missing.length === 0 ? undefined : `no @example for:\n${missing.join("\n")}`;
}

/** A module of the graph that `deno info --json` prints. */
interface GraphModule {
  readonly specifier: string;
  readonly error?: string;
}

/** The library may import its own files and Node's built-ins, and nothing else. */
async function checkDependencies(): Promise<string | undefined> {
  const { code, stdout, output } = await capture([
    Deno.execPath(),
    "info",
    "--json",
    "--config",
    CONFIG,
    "mod.ts",
  ]);
  if (code !== 0) return output;
  const { modules = [] } = JSON.parse(stdout) as { modules?: GraphModule[] };
  if (modules.length === 0) return "mod.ts has no module graph";
  const foreign = modules.filter(({ specifier, error }) =>
    error !== undefined || !specifier.startsWith("node:") && !isOwnFile(specifier)
  );
  if (foreign.length === 0) return undefined;
  return foreign.map(({ specifier, error }) => `${specifier} ${error ?? ""}`).join("\n");
}

function isOwnFile(specifier: string): boolean {
  return specifier === `file://${ROOT}/mod.ts` || specifier.startsWith(`file://${ROOT}/src/`);
}

async function checkModules(series: string): Promise<string | Skip | undefined> {
  const kernel = await fetchKernel(series).catch((error: Error) => error);
  // Debian's archive keeps no old versions.
  if (kernel instanceof HarnessError && series === NEWEST_SERIES) return new Skip(kernel.message);
  if (kernel instanceof Error) throw kernel;
  const build = await buildModules(kernel);
  if (build.ok) return undefined;
  return build.warnings.length > 0 ? build.warnings.join("\n") : build.output;
}

/** The headers that files of this checkout were made from, with the options. */
const BOUND: readonly (readonly string[])[] = [
  ["examples/typed/messages.h"],
  ["tests/unit/bind/every.h"],
  ["bench/typed.h", "--no-checker"],
];

async function checkBound(): Promise<string | undefined> {
  for (const [header = "", ...options] of BOUND) {
    const wrong = await runScript(
      "bind/main.ts",
      () => deno("run -A", "bind/main.ts", header, "--check", ...options),
    );
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** With the cross-compiler that the Makefile fetched. */
function checkFreeBsd(): Promise<string | undefined> {
  const zig = Deno.env.get("KUP_ZIG") ?? "zig";
  return succeeds(["env", `ZIG=${zig}`, "sh", "scripts/check_freebsd.sh"]);
}

/** A script of the checkout, which has to exist. */
async function runScript(path: string, run: () => Promise<string | undefined>) {
  return await exists(`${ROOT}/${path}`) ? await run() : `${path} is missing`;
}

function c(name: string): Checked {
  return { name, scope: "c" };
}

function typescript(name: string): Checked {
  return { name, scope: "typescript" };
}

/** All static checks, for the given kernel series. */
export function staticChecks(series: readonly string[]): Check[] {
  return [
    { ...typescript("TypeScript is formatted"), run: () => deno("fmt", "--check") },
    { ...typescript("TypeScript has no lint"), run: () => deno("lint") },
    { ...typescript("TypeScript type-checks"), run: () => deno("check", ".") },
    {
      ...typescript("the public API is documented"),
      run: () => deno("doc --lint", ...EXPORTS),
    },
    { ...typescript("every public symbol has an example"), run: checkExamples },
    { ...typescript("the library depends on nothing"), run: checkDependencies },
    {
      name: "TypeScript's offsets match the shared header",
      run: () =>
        runScript("scripts/gen_abi.ts", () => deno("run -A", "scripts/gen_abi.ts", "--check")),
    },
    { name: "what `kup bind` wrote matches its headers", run: checkBound },
    ...bindingsChecks(),
    {
      name: "the pictures in docs match their scripts and figures",
      run: () => deno("run -A", "scripts/pictures/main.ts", "--check"),
    },
    workflowsCheck,
    { name: "deps.ts exports nothing that no file uses", run: checkUnused },
    { ...c("C is formatted"), run: checkCFormat },
    { name: "every source file names its licence", run: checkLicences },
    ...referenceChecks(CONFIG),
    {
      ...c("the core is free of any operating system"),
      run: () =>
        runScript("scripts/check_core.sh", () => succeeds(["sh", "scripts/check_core.sh"])),
    },
    {
      ...c("modules and library build for FreeBSD, and need nothing unknown of its kernel"),
      run: () => runScript("scripts/check_freebsd.sh", checkFreeBsd),
    },
    {
      name: "the native library builds",
      always: true,
      run: () => runScript("native/Makefile", () => succeeds(["make", "-C", "native"])),
    },
    ...documentChecks(),
    ...prebuiltChecks(),
    ...packageChecks(CONFIG),
    ...series.map((one) => ({
      ...c(`the modules build for Linux ${one} without a warning`),
      run: () => checkModules(one),
    })),
  ];
}
