// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes `src/abi.ts` from the shared header, so that TypeScript and C can't disagree:
 *
 *     deno run -A scripts/gen_abi.ts            # writes it
 *     deno run -A scripts/gen_abi.ts --check    # exits with 1 if it differs from the header
 *
 * The numbers come from the compiler, by the same code that `kup bind` uses.
 */

import { readHeader } from "../bind/header.ts";
import type { Constant, Field, Header } from "../bind/model.ts";
import { nameContract } from "./contract.ts";

const ROOT = new URL("../", import.meta.url);
const HEADER = new URL("kmod/uapi/kup_abi.h", ROOT);
const OUTPUT = new URL("src/abi.ts", ROOT);

/** What TypeScript does not use: the header's own tools, and what only C calls. */
const SKIPPED_DEFINES = /^KUP_(ABI_(?!VERSION)|IOC_)/;
const SKIPPED_STRUCTS = new Set(["kup_word"]);
const SKIPPED_FIELDS = /^(pad|reserved)\d*$/;

/** The number in TypeScript; a number with 64 bits in C is a bigint. */
function number({ value, size }: Constant): string {
  return size === 8 ? `${spell(value)}n` : spell(value);
}

/** Small numbers are counts and sizes; large ones are bit patterns. */
function spell(value: bigint): string {
  return value < 0x10000n ? `${value}` : `0x${value.toString(16)}`;
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function documented(indent: string, comment: string, line: string): string[] {
  return comment === "" ? [indent + line] : [`${indent}/** ${comment} */`, indent + line];
}

function offsets(fields: readonly Field[]): string[] {
  return fields.filter(({ name }) => !SKIPPED_FIELDS.test(name)).flatMap((field) =>
    documented("  ", field.comment, `${camel(field.name)}: ${spell(BigInt(field.offset))},`)
  );
}

function write(contract: string, { macros, structs }: Header): string {
  const out = [
    "// SPDX-License-Identifier: BSD-3-Clause",
    "// Generated from kmod/uapi/kup_abi.h by scripts/gen_abi.ts (`make abi`). Do not edit.",
    "",
    "/**",
    " * The contract's numbers. The header explains what they mean, and which side writes which word.",
    " * Offsets and sizes are in bytes.",
    " *",
    " * @module",
    " */",
    "",
    "/** A hash of both headers and the version; each library contains the one it was built for. */",
    `export const CONTRACT = "${contract}";`,
  ];
  for (const macro of macros.filter(({ name }) => !SKIPPED_DEFINES.test(name))) {
    const line = `export const ${macro.name.slice(4)} = ${number(macro)};`;
    out.push(...documented("", macro.comment, line));
  }
  for (const { name, size, fields } of structs.filter(({ name }) => !SKIPPED_STRUCTS.has(name))) {
    out.push("", `/** Offsets in \`struct ${name}\`, and its size as \`bytes\`. */`);
    out.push(`export const ${name.slice(4).toUpperCase()}_AT = {`, ...offsets(fields));
    out.push(`  SIZE: ${spell(BigInt(size))},`, "} as const;");
  }
  return out.join("\n") + "\n";
}

async function main(): Promise<number> {
  const options = ["-std=gnu11", "-DKUP_ABI_NO_IOCTL"];
  const header = await readHeader(decodeURIComponent(HEADER.pathname), { options });
  if (header.macros.length === 0 || header.structs.length === 0) {
    throw new Error("The header was read, but nothing was found in it: is it still a C header?");
  }
  const text = write(await nameContract(), header);
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(OUTPUT, text);
    return 0;
  }
  const present = await Deno.readTextFile(OUTPUT).catch(() => "");
  if (present === text) return 0;
  console.error(
    "src/abi.ts does not match the headers or the version. Run `make abi` and commit it.",
  );
  const old = present.split("\n");
  for (const line of text.split("\n")) {
    if (!old.includes(line)) console.error(`  expected: ${line}`);
  }
  return 1;
}

if (import.meta.main) Deno.exit(await main());
