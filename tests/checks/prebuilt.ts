// SPDX-License-Identifier: BSD-3-Clause
/** The prebuilt libraries: what each of them needs of a machine, and that it runs there. */

import { CACHE, ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";
import type { Tally } from "../lib/tally.ts";
import { runner, type Variant as LinuxVariant, VARIANTS } from "../prebuilt/machines.ts";
import type { Check } from "./check.ts";

/** The newest glibc that a library may ask for; see LIBCS in scripts/embed.ts. */
const GLIBC = [2, 28];

/** What 12.0 has; see `symbols` of FreeBSD's libc. */
const FREEBSD = [1, 5];

/** One prebuilt library. */
interface Variant {
  readonly arch: string;
  readonly libc: keyof typeof NEEDED;
}

/** The libraries that no machine here can run: there is no emulator of a FreeBSD. */
const FREEBSD_VARIANTS: readonly Variant[] = [
  { arch: "x86_64", libc: "freebsd" },
  { arch: "aarch64", libc: "freebsd" },
];

/** All of them are parts of the C library. */
const NEEDED = {
  gnu: /^(?:libc\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-(?:x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^libc\.so$/,
  freebsd: /^(?:libc\.so\.7|libthr\.so\.3)$/,
} as const;

function systemOf({ libc }: Variant): string {
  return libc === "freebsd" ? "freebsd" : "linux";
}

function fileOf(variant: Variant): string {
  const { arch, libc } = variant;
  return `${ROOT}/native/build/prebuilt/libkup-${systemOf(variant)}-${arch}-${libc}.so`;
}

/** What a generated file exports. */
type Embedded =
  & { readonly name: string }
  & {
    readonly [libc in Variant["libc"]]?: { readonly base64: string };
  };

async function importEmbedded(variant: Variant): Promise<Embedded> {
  return await import(`file://${ROOT}/src/embedded/${systemOf(variant)}-${variant.arch}.ts`);
}

/** The names in native/exports.map: whole ones, and beginnings of names. */
async function allowedExports(): Promise<{ names: string[]; prefixes: string[] }> {
  const map = await Deno.readTextFile(`${ROOT}/native/exports.map`);
  const [, exported = ""] = /global:(.*?)local:/s.exec(map) ?? [];
  const names = [...exported.matchAll(/(\w+\*?);/g)].map(([, name]) => name!);
  return {
    names: names.filter((name) => !name.endsWith("*")),
    prefixes: names.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1)),
  };
}

/** The calls that the headers for programs declare. */
function declaredCalls(): string[] {
  const headers = ["kup_user.h", "kup_user_turn.h", "kup_user_call.h"].map((name) =>
    Deno.readTextFileSync(`${ROOT}/native/${name}`)
  );
  return [...headers.join("").matchAll(/^KUP_USER_(?:DENO_)?CALL \w+ (\w+)\(/gm)]
    .map(([, name]) => name!);
}

async function checkExports(file: string): Promise<string[]> {
  const table = await must(["readelf", "--dyn-syms", "--wide", file]);
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/));
  const exported = rows.filter(([number, , , , binding, , section]) =>
    /^\d+:$/.test(number ?? "") && binding !== "LOCAL" && section !== "UND"
  );
  const names = exported.map((row) => row[7]!);
  const { names: wanted, prefixes } = await allowedExports();
  const problems: string[] = [];
  for (const name of [...wanted, ...declaredCalls()]) {
    if (!names.includes(name)) problems.push(`does not export ${name}`);
  }
  for (const name of names) {
    if (wanted.includes(name) || prefixes.some((prefix) => name.startsWith(prefix))) continue;
    problems.push(`exports ${name}, which exports.map does not`);
  }
  for (const [, , , , , visibility, , name] of exported) {
    if (wanted.includes(name!) && visibility !== "PROTECTED") problems.push(`${name}: unprotected`);
  }
  return problems;
}

async function checkDynamic(variant: Variant, name: string): Promise<string[]> {
  const file = fileOf(variant);
  const dynamic = await must(["readelf", "--dynamic", "--program-headers", "--wide", file]);
  const problems: string[] = [];
  for (const [, library] of dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
    if (!NEEDED[variant.libc].test(library!)) problems.push(`needs ${library}`);
  }
  if (!dynamic.includes(`soname: [${name}]`)) problems.push(`is not called ${name}`);
  if (!/Flags:.* NODELETE/.test(dynamic)) problems.push("can be unloaded");
  if (!/GNU_STACK .* RW +0/.test(dynamic)) problems.push("wants an executable stack");
  if (dynamic.includes("TEXTREL")) problems.push("has code that must be changed to be loaded");
  return problems;
}

/** The symbols that only newer systems have. */
async function checkVersions(file: string): Promise<string[]> {
  const versions = await must(["readelf", "--version-info", "--wide", file]);
  const found = new Set(versions.match(/(?:GLIBC|FBSD)_\w+(?:\.\d+)*/g));
  return [...found].filter((version) => {
    const [major, minor] = (version.startsWith("GLIBC_") ? GLIBC : FREEBSD) as [number, number];
    const [first, second] = version.split("_")[1]!.split(".").map(Number);
    return !(first! < major || first === major && second! <= minor);
  }).map((version) => `needs ${version}`);
}

async function checkLibrary(variant: Variant): Promise<string | undefined> {
  const embedded = await importEmbedded(variant);
  const file = fileOf(variant);
  const problems = [
    ...await checkDynamic(variant, embedded.name),
    ...await checkExports(file),
    ...await checkVersions(file),
  ];
  if (embedded[variant.libc]?.base64 !== (await Deno.readFile(file)).toBase64()) {
    problems.push("is not what src/embedded/ holds");
  }
  return problems.length === 0 ? undefined : problems.join("\n");
}

/** The static checks; `make prebuilt` comes before them. */
export function prebuiltChecks(): Check[] {
  return [...VARIANTS, ...FREEBSD_VARIANTS].map((variant) => ({
    name: `the prebuilt library for ${variant.arch} ${variant.libc} needs nothing but libc`,
    run: () => checkLibrary(variant),
  }));
}

/**
 * Compiles the program that loads a library and exchanges messages with it, and a client module.
 */
async function buildRoundTrip(
  { arch, libc }: LinuxVariant,
): Promise<[program: string, client: string]> {
  const zig = Deno.env.get("KUP_ZIG");
  if (zig === undefined) throw new Error("KUP_ZIG is not set; `make test` does that");
  const target = `${arch}-linux-${libc}`;
  const program = `${CACHE}/build/round_trip-${target}`;
  const client = `${CACHE}/build/client-${target}.so`;
  const env = {
    ZIG_GLOBAL_CACHE_DIR: `${CACHE}/zig-cache`,
    ZIG_LOCAL_CACHE_DIR: `${CACHE}/zig-cache`,
  };
  const include = (...paths: string[]) => paths.map((path) => `-I${ROOT}/${path}`);
  await Deno.mkdir(`${CACHE}/build`, { recursive: true });
  await must([
    // Not `zig cc`, which links everything for musl statically.
    // With the options of the libraries, whose compiling has left the runtime for each target.
    ...[zig, "build-exe", "-O", "ReleaseFast", "-target", target, "-dynamic", "-lc"],
    ...include("native", "kmod/uapi", "kmod/core"),
    ...["-cflags", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "--"],
    ...[`${ROOT}/tests/prebuilt/round_trip.c`, `${ROOT}/kmod/core/ring.c`],
    `-femit-bin=${program}`,
  ], { env });
  await must([
    ...[zig, "cc", "-target", target, "-shared", "-fPIC", "-O2", "-Wall"],
    ...include("kmod", "kmod/os/host"),
    ...["-o", client, `${ROOT}/tests/unit/clients/upper.c`],
  ], { env });
  return [program, client];
}

/** A minute is a hundred times what the slowest one needs. */
const SECONDS = "60";

async function runOne(tally: Tally, variant: LinuxVariant, name: string): Promise<void> {
  const [program, client] = await buildRoundTrip(variant);
  let command: readonly string[] | string;
  try {
    command = await runner(variant);
  } catch (error) {
    command = `its machine can't be fetched: ${(error as Error).message.split("\n", 1)[0]}`;
  }
  if (typeof command === "string") {
    tally.record("skipped", `${name}: ${command}`);
    console.log(`skipped ${name}: ${command}`);
    return;
  }
  const { code, output } = await capture([
    "timeout",
    SECONDS,
    ...command,
    program,
    fileOf(variant),
    client,
  ]);
  tally.record(code === 0 ? "passed" : "failed", name);
  console.log(code === 0 ? `ok ${name}` : `not ok ${name} (exit status ${code})\n${output}`);
}

/** Runs each prebuilt library on its own kind of machine. */
export async function runPrebuiltTests(tally: Tally): Promise<void> {
  for (const variant of VARIANTS) {
    const name = `the prebuilt library for ${variant.arch} ${variant.libc} runs`;
    try {
      await runOne(tally, variant, name);
    } catch (error) {
      console.log(error instanceof Error ? error.message : String(error));
      tally.record("failed", name);
    }
  }
}
