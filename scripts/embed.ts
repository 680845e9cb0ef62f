// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds the native library for every supported machine, and writes it as TypeScript into
 * `src/embedded/`, so that it is a part of the module graph: one file for each machine, and one
 * that imports them. Does nothing if all of it is up to date.
 *
 *     deno run -A --no-config scripts/embed.ts ZIG
 *
 * ZIG is the cross-compiler. The libraries themselves stay in `native/build/prebuilt/`.
 */

import { checksum } from "../src/checksum.ts";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { hash, nameContract } from "./contract.ts";
import { librarySources } from "./library_sources.ts";

const ROOT = new URL("../", import.meta.url);
const NATIVE = new URL("native/", ROOT);
const PREBUILT = new URL("native/build/prebuilt/", ROOT);
const OUTPUT = new URL("src/embedded/", ROOT);
/** The generated file that `src/embedded.ts` imports. */
const INDEX = new URL("built_by_make.ts", OUTPUT);

const ARCHES = ["x86_64", "aarch64"] as const;

/**
 * One variant for each C library, and Zig's name for it. A program that needs glibc 2.28 runs with
 * every newer version: Debian 10, RHEL 8 and Ubuntu 18.10 have it. musl and FreeBSD are compatible
 * in the same way, without numbers.
 */
const TARGETS = { gnu: "linux-gnu.2.28", musl: "linux-musl", freebsd: "freebsd" } as const;

const TITLES = { gnu: "glibc", musl: "musl", freebsd: "FreeBSD" } as const;

/** The variants, by `Deno.build.os`. */
const VARIANTS = { linux: ["gnu", "musl"], freebsd: ["freebsd"] } as const;

type Arch = typeof ARCHES[number];
type Variant = keyof typeof TARGETS;

/** One generated file: the libraries for a system and an architecture. */
interface Machine {
  readonly os: keyof typeof VARIANTS;
  readonly arch: Arch;
}

const MACHINES: readonly Machine[] = (Object.keys(VARIANTS) as Machine["os"][]).flatMap((os) =>
  ARCHES.map((arch) => ({ os, arch }))
);

/** What decides how the sources become files. */
const OWN_SOURCES = [
  "scripts/embed.ts",
  "scripts/contract.ts",
  "scripts/library_sources.ts",
  "src/checksum.ts",
];

/** A hash of everything that a build depends on. */
async function identify(compiler: string): Promise<string> {
  const parts: string[] = [compiler];
  for (const path of [...OWN_SOURCES, ...await librarySources()]) {
    parts.push(path, await Deno.readTextFile(new URL(path, ROOT)));
  }
  return await hash(parts);
}

function libraryFile({ os, arch }: Machine, variant: Variant): URL {
  return new URL(`libkup-${os}-${arch}-${variant}.so`, PREBUILT);
}

function outputFile({ os, arch }: Machine): URL {
  return new URL(`${os}-${arch}.ts`, OUTPUT);
}

async function isThere(file: URL): Promise<boolean> {
  return await Deno.stat(file).then(() => true, () => false);
}

/**
 * A generated file begins with the name of its sources, and ends with a mark that shows that it is
 * complete.
 */
async function isUpToDate(soname: string, contract: string): Promise<boolean> {
  if (await Deno.readTextFile(INDEX).catch(() => "") !== spellIndex(contract)) return false;
  for (const machine of MACHINES) {
    const text = await Deno.readTextFile(outputFile(machine)).catch(() => "");
    if (!text.includes(`"${soname}";`) || !text.endsWith("};\n")) return false;
    for (const variant of VARIANTS[machine.os]) {
      if (!await isThere(libraryFile(machine, variant))) return false;
    }
  }
  return true;
}

async function run(command: string, args: string[], env: Record<string, string>): Promise<string> {
  const child = new Deno.Command(command, { args, env, stderr: "inherit" });
  const { success, stdout } = await child.output();
  const text = new TextDecoder().decode(stdout);
  if (success) return text.trim();
  console.error(text);
  throw new Error(`${command} ${args.join(" ")}: failed`);
}

/** The compiler's cache, which stays in the project. */
const ENVIRONMENT = {
  ZIG_GLOBAL_CACHE_DIR: fileURLToPath(new URL(".cache/zig-cache", ROOT)),
  ZIG_LOCAL_CACHE_DIR: fileURLToPath(new URL(".cache/zig-cache", ROOT)),
};

/** Quotes one word for the shell, in a variable of make. */
function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''").replaceAll("$", "$$$$")}'`;
}

async function build(
  zig: string,
  soname: string,
  machine: Machine,
  variant: Variant,
): Promise<void> {
  const { os, arch } = machine;
  const file = libraryFile(machine, variant);
  // A target of make can't contain a blank, but the checkout's own path may.
  const target = file.href.slice(NATIVE.href.length);
  const make = [
    "-s",
    `-j${navigator.hardwareConcurrency}`,
    "-C",
    fileURLToPath(NATIVE),
    `CC=${quote(zig)} cc -target ${arch}-${TARGETS[variant]}`,
    `SYSTEM=${os}`,
    `BUILD=build/prebuilt/${arch}-${variant}`,
    `LIBRARY=${target}`,
    `LDFLAGS=-s -Wl,-soname,${soname}`,
    target,
  ];
  await run("make", make, ENVIRONMENT);
  // make compares the ages of the files, which may lead to another result than their hash.
  if (!await names(file, soname)) await run("make", ["-B", ...make], ENVIRONMENT);
  if (!await names(file, soname)) throw new Error(`${target} is not named ${soname}`);
}

async function names(library: URL, soname: string): Promise<boolean> {
  const text = new TextDecoder("latin1").decode(await Deno.readFile(library));
  return text.includes(`\0${soname}\0`);
}

async function spell(machine: Machine, variant: Variant): Promise<string> {
  const bytes = await Deno.readFile(libraryFile(machine, variant));
  return `/** The library for ${TITLES[variant]}: ${bytes.length} bytes. */
export const ${variant}: { readonly checksum: number; readonly base64: string } = {
  checksum: ${checksum(bytes)},
  base64:
    "${bytes.toBase64()}",
};
`;
}

/** Writes a file so that it appears complete or not at all. */
async function write(file: URL, text: string): Promise<void> {
  const temporary = new URL(`${file.href}.${Deno.pid}`);
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, file);
}

async function spellLibraries(soname: string, machine: Machine): Promise<string> {
  const variants = VARIANTS[machine.os].map((variant) => spell(machine, variant));
  return `// SPDX-License-Identifier: BSD-3-Clause
// Generated from native/ and kmod/ by scripts/embed.ts (\`make prebuilt\`). Do not edit.

/**
 * The native library for ${machine.os} on ${machine.arch}. \`src/embedded.ts\` loads it.
 *
 * @module
 */

/** What it is called inside (its DT_SONAME). No other build has this name. */
export const name = "${soname}";

${(await Promise.all(variants)).join("\n")}`;
}

function spellIndex(contract: string): string {
  const imports = MACHINES.map(({ os, arch }) =>
    `import * as ${os}_${arch} from "./${os}-${arch}.ts";`
  );
  const entries = MACHINES.map(({ os, arch }) => `  "${os}-${arch}": ${os}_${arch},`);
  return `// SPDX-License-Identifier: BSD-3-Clause
// Generated by scripts/embed.ts (\`make prebuilt\`). Do not edit.

/**
 * The native libraries that are a part of this module.
 *
 * @module
 */

${imports.join("\n")}

/** The contract that they were built for; \`src/abi.ts\` has the module's. */
export const contract = "${contract}";

/** By \`Deno.build.os\` and \`Deno.build.arch\`. */
export const libraries = {
${entries.join("\n")}
};
`;
}

async function main(zig: string): Promise<void> {
  const soname = `libkup-${await identify(await run(zig, ["version"], ENVIRONMENT))}.so`;
  const contract = await nameContract();
  if (await isUpToDate(soname, contract)) return;
  await Deno.mkdir(PREBUILT, { recursive: true });
  await Deno.mkdir(OUTPUT, { recursive: true });
  // If two run at the same time, the second one finds that nothing is left to do.
  using lock = await Deno.open(new URL("lock", PREBUILT), { create: true, write: true });
  await lock.lock(true);
  if (await isUpToDate(soname, contract)) return;
  const titles = Object.values(TITLES).join(", ");
  console.log(`prebuilt: ${soname} for ${ARCHES.join(" and ")}: ${titles}`);
  for (const machine of MACHINES) {
    for (const variant of VARIANTS[machine.os]) await build(zig, soname, machine, variant);
    await write(outputFile(machine), await spellLibraries(soname, machine));
  }
  await write(INDEX, spellIndex(contract));
}

const [zig] = Deno.args;
if (zig === undefined) throw new Error("usage: scripts/embed.ts ZIG");
await main(resolve(fileURLToPath(ROOT), zig));
