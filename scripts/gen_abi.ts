// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes `src/abi.ts` from the shared header, so that TypeScript and C can't disagree:
 *
 *     deno run -A scripts/gen_abi.ts            # writes it
 *     deno run -A scripts/gen_abi.ts --check    # exits with 1 if it differs from the header
 *
 * It takes only names and comments from the header's text. Every number comes from the compiler: a
 * small C program that includes the header prints them.
 */

import { nameContract } from "./contract.ts";

const ROOT = new URL("../", import.meta.url);
const HEADER = new URL("kmod/uapi/kup_abi.h", ROOT);
const OUTPUT = new URL("src/abi.ts", ROOT);

interface Named {
  readonly name: string;
  readonly comment: string;
}

interface Struct {
  readonly name: string;
  readonly fields: Named[];
}

/** What TypeScript does not use: the header's own tools, and what only C calls. */
const SKIPPED_DEFINES = /^KUP_(ABI_(?!VERSION)|IOC_)/;
const SKIPPED_STRUCTS = new Set(["kup_word"]);
const SKIPPED_FIELDS = /^(pad|reserved)\d*$/;

/** A comment that ends on its first line. Longer ones stay in the header only. */
function trailingComment(text: string): string {
  return text.match(/\/\*\s*(.*?)\s*\*\//)?.[1] ?? "";
}

/** `#define NAME value`: neither function-like nor empty. */
function findDefines(header: string): Named[] {
  const found: Named[] = [];
  for (const [, name, rest] of header.matchAll(/^#define (KUP_\w+)[ \t]+([^\n]+)$/gm)) {
    if (SKIPPED_DEFINES.test(name!)) continue;
    found.push({ name: name!, comment: trailingComment(rest!) });
  }
  return found;
}

function findStructs(header: string): Struct[] {
  const found: Struct[] = [];
  for (const [, name, body] of header.matchAll(/^struct (kup_\w+) \{\n(.*?)^\};/gms)) {
    if (SKIPPED_STRUCTS.has(name!)) continue;
    const fields: Named[] = [];
    for (const [, field, rest] of body!.matchAll(/^\t[\w ]+ (\w+)(?:\[[^\]]*\])?;([^\n]*)$/gm)) {
      if (SKIPPED_FIELDS.test(field!)) continue;
      fields.push({ name: field!, comment: trailingComment(rest!) });
    }
    found.push({ name: name!, fields });
  }
  return found;
}

/** One line per number: its name, its size in bytes, its value. */
function probe(defines: Named[], structs: Struct[]): string {
  const lines = defines.map(({ name }) =>
    `\tprintf("${name} %zu %llu\\n", sizeof(${name}), (unsigned long long)(${name}));`
  );
  for (const { name, fields } of structs) {
    lines.push(`\tprintf("${name} 4 %zu\\n", sizeof(struct ${name}));`);
    for (const field of fields) {
      const at = `offsetof(struct ${name}, ${field.name})`;
      lines.push(`\tprintf("${name}.${field.name} 4 %zu\\n", ${at});`);
    }
  }
  return `#include <stddef.h>\n#include <stdio.h>\n#define KUP_ABI_NO_IOCTL\n` +
    `#include "kup_abi.h"\nint main(void)\n{\n${lines.join("\n")}\n\treturn 0;\n}\n`;
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command} failed:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** The numbers in TypeScript; a number with 64 bits in C is a bigint. */
async function askCompiler(program: string): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "kup-abi-" });
  try {
    await Deno.writeTextFile(`${folder}/probe.c`, program);
    const include = new URL(".", HEADER).pathname;
    await run("cc", ["-std=gnu11", "-I", include, "-o", `${folder}/probe`, `${folder}/probe.c`]);
    const values = new Map<string, string>();
    for (const line of (await run(`${folder}/probe`, [])).trim().split("\n")) {
      const [name, size, value] = line.split(" ");
      values.set(name!, size === "8" ? `${spell(BigInt(value!))}n` : spell(BigInt(value!)));
    }
    return values;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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

function write(
  contract: string,
  defines: Named[],
  structs: Struct[],
  values: Map<string, string>,
): string {
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
  for (const { name, comment } of defines) {
    out.push(...documented("", comment, `export const ${name.slice(4)} = ${values.get(name)};`));
  }
  for (const { name, fields } of structs) {
    out.push("", `/** Offsets in \`struct ${name}\`, and its size as \`bytes\`. */`);
    out.push(`export const ${name.slice(4).toUpperCase()}_AT = {`);
    for (const field of fields) {
      const value = values.get(`${name}.${field.name}`);
      out.push(...documented("  ", field.comment, `${camel(field.name)}: ${value},`));
    }
    out.push(`  SIZE: ${values.get(name)},`, "} as const;");
  }
  return out.join("\n") + "\n";
}

async function main(): Promise<number> {
  const header = await Deno.readTextFile(HEADER);
  const defines = findDefines(header);
  const structs = findStructs(header);
  if (defines.length === 0 || structs.length === 0) {
    throw new Error(
      "The header was read, but no names were found in it: is it still written alike?",
    );
  }
  const values = await askCompiler(probe(defines, structs));
  const text = write(await nameContract(), defines, structs, values);
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
