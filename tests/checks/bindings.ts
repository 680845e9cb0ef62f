// SPDX-License-Identifier: BSD-3-Clause
/**
 * `src/symbols.ts` against the native library's header: once by the program that generates it, and
 * once by a C compiler, which shares no line with that program.
 */

import { pathToFileURL } from "node:url";
import { generateSymbols, OUTPUT, Unavailable } from "../../scripts/gen_symbols.ts";
import { SYMBOLS } from "../../src/symbols.ts";
import { ROOT } from "../lib/paths.ts";
import { must, projectFiles } from "../lib/process.ts";
import { type Check, Skip } from "./check.ts";

const HEADER = `${ROOT}/native/kup_user.h`;
const MARK = "KUP_USER_DENO_CALL";

/** What is wrong, or undefined. */
function listed(problems: string[]): string | undefined {
  return problems.length === 0 ? undefined : problems.join("\n");
}

/** Generates the table again for a header and compares it with the committed one. */
export async function checkGenerated(header = HEADER): Promise<string | Skip | undefined> {
  let wanted: string;
  try {
    wanted = await generateSymbols(pathToFileURL(header));
  } catch (error) {
    if (error instanceof Unavailable) return new Skip(error.message);
    throw error;
  }
  const present = await Deno.readTextFile(OUTPUT);
  if (present === wanted) return undefined;
  const missing = (text: string, other: string) => {
    const there = new Set(other.split("\n"));
    return text.split("\n").filter((line) => !there.has(line)).map((line) => line.trim());
  };
  return listed([
    "src/symbols.ts is not what native/kup_user.h declares: run `make bindings` and commit it.",
    ...missing(present, wanted).map((line) => `  - ${line}`),
    ...missing(wanted, present).map((line) => `  + ${line}`),
  ]);
}

/** The parts of clang's JSON that are read. */
interface Node {
  readonly kind: string;
  readonly name?: string;
  readonly type?: { readonly qualType: string; readonly desugaredQualType?: string };
  readonly range?: {
    readonly begin: {
      readonly expansionLoc?: { readonly offset: number; readonly tokLen: number };
    };
  };
  readonly inner?: readonly Node[];
}

/** Deno's name for a type of C. A result has its name in the source, a parameter the basic one. */
const DENO_TYPES: Readonly<Record<string, string>> = {
  "void": "void",
  "int": "i32",
  "int32_t": "i32",
  "unsigned int": "u32",
  "uint32_t": "u32",
  "unsigned long": "u64",
  "uint64_t": "u64",
  "double": "f64",
};

function denoType(c: string): string {
  return c.endsWith("*") ? "buffer" : DENO_TYPES[c] ?? `? (${c})`;
}

/** A function as the table would have it. */
function signature({ type, inner = [] }: Node): string {
  const parameters = inner.filter(({ kind }) => kind === "ParmVarDecl").map(({ type }) =>
    denoType(type!.desugaredQualType ?? type!.qualType)
  );
  return `(${parameters.join(", ")}) ${denoType(type!.qualType.split(" (", 1)[0]!)}`;
}

/** The functions that a header marks, as clang parsed them. */
async function markedFunctions(header: string): Promise<Map<string, string>> {
  const zig = Deno.env.get("KUP_ZIG") ?? "zig";
  const include = ["native", "kmod/uapi"].map((folder) => `-I${ROOT}/${folder}`);
  const dump = ["-Xclang", "-ast-dump=json", "-fsyntax-only", "-x", "c"];
  // Not `zig cc`, which then misses the object file.
  const tree: Node = JSON.parse(await must([zig, "clang", ...include, ...dump, header]));
  const text = await Deno.readFile(header);
  const marked = (tree.inner ?? []).filter(({ kind, range }) => {
    const { offset, tokLen } = range?.begin.expansionLoc ?? { offset: 0, tokLen: 0 };
    const word = new TextDecoder().decode(text.subarray(offset, offset + tokLen));
    return kind === "FunctionDecl" && word === MARK;
  });
  return new Map(marked.map((node) => [node.name!, signature(node)]));
}

/** Compares names, parameter types and results of the committed table with the compiler's. */
export async function checkCompiled(header = HEADER): Promise<string | undefined> {
  const declared = await markedFunctions(header);
  const table = new Map(
    Object.entries(SYMBOLS).map(([name, { parameters, result }]) => [
      name,
      `(${parameters.join(", ")}) ${result}`,
    ]),
  );
  const names = [...new Set([...declared.keys(), ...table.keys()])].sort();
  return listed(
    names.filter((name) => declared.get(name) !== table.get(name)).map((name) =>
      `${name}: in C ${declared.get(name) ?? "not marked"}, in src/symbols.ts ${
        table.get(name) ?? "missing"
      }`
    ),
  );
}

/** The table has no call that only C makes: each would be looked up at every load. */
async function checkCalled(): Promise<string | undefined> {
  const sources = (await projectFiles("src/*.ts")).filter((path) => path !== "src/symbols.ts");
  const texts = await Promise.all(sources.map((path) => Deno.readTextFile(`${ROOT}/${path}`)));
  const words = new Set(texts.flatMap((text) => text.match(/\bkup_user_\w+/g) ?? []));
  return listed(
    Object.keys(SYMBOLS).filter((name) => !words.has(name)).map((name) =>
      `${name} is called nowhere in src/: declare it with KUP_USER_CALL, then \`make bindings\``
    ),
  );
}

/** The static checks of the symbol table. */
export function bindingsChecks(): Check[] {
  return [
    { name: "the symbol table is what bindgen reads in the header", run: () => checkGenerated() },
    { name: "the symbol table is what a C compiler reads there", run: () => checkCompiled() },
    { name: "TypeScript makes every call in the symbol table", run: checkCalled },
  ];
}
