// SPDX-License-Identifier: BSD-3-Clause
/** Runs a C compiler on a header. Nothing that it compiles is run. */

import { SIGNALS } from "../harness/interrupt.ts";
import { type Descriptions, readDescriptions } from "./dwarf.ts";
import { readSections } from "./elf.ts";
import { BindError } from "./mistake.ts";

/** How the header is compiled. */
export interface CompilerOptions {
  /** The compiler, with its first arguments: `["zig", "cc"]`. Otherwise one is looked for. */
  readonly compiler?: readonly string[] | undefined;
  /** Options such as `-Ifolder` and `-DNAME`. */
  readonly options?: readonly string[] | undefined;
}

/** Both gcc and clang know these. The last ones decide, so they are behind the user's. */
const DEBUGGING = [
  "-w",
  "-O0",
  "-g",
  "-gdwarf-4",
  "-gz=none",
  "-fno-eliminate-unused-debug-types",
  "-fno-lto",
];

const COMPILERS: readonly (readonly string[])[] = [["cc"], ["gcc"], ["clang"], ["zig", "cc"]];

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: readonly string[]): Promise<Output> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    // The messages are searched for "error:".
    env: { LC_ALL: "C", LANGUAGE: "C" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Whether the compiler can be run; or the error if this program may not run it. */
async function answers(compiler: readonly string[]): Promise<boolean | Error> {
  try {
    return (await run([...compiler, "--version"])).code === 0;
  } catch (error) {
    const { NotFound, PermissionDenied, NotCapable } = Deno.errors;
    if (error instanceof NotCapable) return error;
    if (error instanceof NotFound || error instanceof PermissionDenied) return false;
    throw error;
  }
}

async function find(given: readonly string[] | undefined): Promise<readonly string[]> {
  let refused: Error | undefined;
  for (const compiler of given === undefined ? COMPILERS : [given]) {
    const answer = await answers(compiler);
    if (answer === true) return compiler;
    // Perhaps --allow-run names another one.
    if (answer !== false) refused ??= answer;
  }
  if (refused !== undefined) throw refused;
  if (given !== undefined) {
    throw new BindError(
      `The compiler "${given.join(" ")}" can't be run: give another one by --cc.`,
    );
  }
  throw new BindError(
    "There is no C compiler: install gcc or clang (`apt-get install gcc`), or name one by --cc.",
  );
}

/** The number of the first computed name's line. */
const FIRST_LINE = 1_000_000;

/** A constant as the compiler computes it. */
export interface Computed {
  readonly value: bigint;
  readonly size: number;
}

/** A compiler with a header. It has a temporary folder, which `using` removes. */
export class Compiler implements AsyncDisposable {
  readonly #command: readonly string[];
  readonly #header: string;
  readonly #folder: string;
  readonly #listeners = Object.entries(SIGNALS).map(([name, status]) => {
    const stop = () => {
      Deno.removeSync(this.#folder, { recursive: true });
      Deno.exit(status);
    };
    return [name as keyof typeof SIGNALS, stop] as const;
  });

  private constructor(command: readonly string[], header: string, folder: string) {
    this.#command = command;
    this.#header = header;
    this.#folder = folder;
    for (const [name, stop] of this.#listeners) Deno.addSignalListener(name, stop);
  }

  /** Finds the compiler. `header` is an absolute path. */
  static async start(header: string, options: CompilerOptions): Promise<Compiler> {
    const compiler = await find(options.compiler);
    const folder = await Deno.makeTempDir({ prefix: "kup-bind-" });
    return new Compiler([...compiler, ...options.options ?? []], header, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, stop] of this.#listeners) Deno.removeSignalListener(name, stop);
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #run(source: string, ...args: string[]): Promise<Output> {
    const path = `${this.#folder}/bind.c`;
    await Deno.writeTextFile(path, `#include "${this.#header}"\n${source}`);
    return await run([...this.#command, ...args, "-x", "c", path]);
  }

  /** The sentence for a header that does not compile: the compiler's first error. */
  #refused(stderr: string): BindError {
    const lines = stderr.split("\n");
    const first = lines.find((line) => /error:/.test(line)) ?? lines.find((line) => line !== "") ??
      "no reason given";
    return new BindError(
      `${this.#command[0]} can't compile the header: ${first.trim().replace(/\.$/, "")}. Correct ` +
        "the header, or give what it needs by -I and -D.",
    );
  }

  /** Returns what the header declares. */
  async describe(): Promise<Descriptions> {
    const object = `${this.#folder}/bind.o`;
    // A header of macros alone would have no debugging information.
    const source = "int kup_bind_unit;\n";
    const { code, stderr } = await this.#run(source, ...DEBUGGING, "-c", "-o", object);
    if (code !== 0) throw this.#refused(stderr);
    return await readObject(object, readDescriptions);
  }

  /** Returns whether a file may include the header twice. */
  async canRepeat(): Promise<boolean> {
    const source = `#include "${this.#header}"\n`;
    // `zig cc` knows no -fsyntax-only.
    return (await this.#run(source, "-w", "-c", "-o", `${this.#folder}/twice.o`)).code === 0;
  }

  /** Returns the names of the macros that the header itself defines, and not as functions. */
  async findMacros(): Promise<string[]> {
    const { code, stdout, stderr } = await this.#run("", "-w", "-E", "-dD");
    if (code !== 0) throw this.#refused(stderr);
    const found = new Set<string>();
    const own = spellings(this.#header);
    let file = "";
    for (const line of stdout.split("\n")) {
      file = line.match(/^# \d+ "(.*?)"/)?.[1] ?? file;
      if (!own.includes(file)) continue;
      const [, name, rest] = line.match(/^#define (\w+) +(\S.*)$/) ?? [];
      if (name !== undefined && rest !== undefined) found.add(name);
      const removed = line.match(/^#undef (\w+)/)?.[1];
      if (removed !== undefined) found.delete(removed);
    }
    return [...found];
  }

  /**
   * Computes the names that are integers. Each has a line of its own, so that the compiler's errors
   * show which ones are none.
   */
  async compute(names: readonly string[]): Promise<Map<string, Computed>> {
    const object = `${this.#folder}/values.o`;
    const left = new Set(names);
    while (left.size > 0) {
      const all = [...left];
      // `| 0` is an error for a number with a fraction, a pointer and a text.
      const lines = all.map((name, i) =>
        `#line ${FIRST_LINE + i} "values"\n{ (unsigned long long)((${name}) | 0), ` +
        `sizeof((${name}) | 0), ((__typeof__((${name}) | 0))-1 < 1) },\n`
      );
      const source = '__attribute__((section(".kup_values"), used)) ' +
        `static const unsigned long long kup_values[][3] = {\n${lines.join("")}};\n`;
      const limits = ["-fmax-errors=0", "-ferror-limit=0"];
      let { code, stderr } = await this.#run(source, "-w", limits[0]!, "-c", "-o", object);
      if (code !== 0 && stderr.includes(limits[0]!)) {
        ({ code, stderr } = await this.#run(source, "-w", limits[1]!, "-c", "-o", object));
      }
      if (code === 0) return await readObject(object, (file) => readValues(file, all));
      const wrong = [...stderr.matchAll(/^values:(\d+):/gm)];
      if (wrong.length === 0) throw this.#refused(stderr);
      for (const [, line] of wrong) left.delete(all[Number(line) - FIRST_LINE]!);
      if (left.size === all.length) throw this.#refused(stderr);
    }
    return new Map();
  }
}

/** How gcc and clang write a path in the marker of a line: clang has octal bytes beyond ASCII. */
function spellings(path: string): readonly [gcc: string, clang: string] {
  const gcc = path.replaceAll("\\", "\\\\");
  const octal = (text: string) =>
    Array.from(new TextEncoder().encode(text), (byte) => `\\${byte.toString(8)}`).join("");
  return [gcc, gcc.replace(/\P{ASCII}/gu, octal)];
}

/** Reads an object file, which an odd program behind --cc may not have written as it should. */
async function readObject<T>(path: string, read: (file: Uint8Array) => T): Promise<T> {
  try {
    return read(await Deno.readFile(path));
  } catch (error) {
    const isOdd = error instanceof RangeError || error instanceof TypeError ||
      error instanceof Deno.errors.NotFound;
    if (!isOdd) throw error;
    throw new BindError(
      "The compiler writes no object file as gcc and clang do: give another one by --cc.",
    );
  }
}

function readValues(file: Uint8Array, names: readonly string[]): Map<string, Computed> {
  const bytes = readSections(file).get(".kup_values")!;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return new Map(names.map((name, i) => {
    const size = Number(data.getBigUint64(i * 24 + 8, true));
    const signed = data.getBigUint64(i * 24 + 16, true) !== 0n;
    const value = data.getBigUint64(i * 24, true);
    return [name, { size, value: signed ? BigInt.asIntN(64, value) : value }];
  }));
}
