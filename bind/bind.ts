// SPDX-License-Identifier: BSD-3-Clause
/** The command `kup bind`. */

import { basename, dirname, join, relative } from "node:path";

import { writeChecker } from "./checker.ts";
import { readHeader } from "./header.ts";
import { BindError } from "./mistake.ts";
import { makePlan } from "./plan.ts";
import { writeTypeScript } from "./typescript.ts";

/** What `--help` prints. */
export const USAGE = `usage: kup bind HEADER [OPTIONS] [-I FOLDER] [-D NAME[=VALUE]]

Writes TypeScript and a checker in C from the structs, enums and integers of a C header.

  --out FILE      the TypeScript module; by default HEADER with .ts instead of .h
  --checker FILE  the C header with the checks; by default HEADER with _check.h instead of .h
  --no-checker    write no checker
  --check         write nothing, and fail if the files differ from what would be written
  --cc COMMAND    the compiler, such as "zig cc"; by default cc, gcc, clang or zig cc
  --quiet         print no notes
  -I, -D          as the compiler takes them; may be given several times
  --help          print this

It needs --allow-read, --allow-write and --allow-run. docs/bind.md explains the header's rules.`;

interface Choice {
  header: string;
  out: string | undefined;
  checker: string | undefined;
  noChecker: boolean;
  check: boolean;
  quiet: boolean;
  help: boolean;
  compiler: string | undefined;
  readonly options: string[];
}

const TEXTS = { "--out": "out", "--checker": "checker", "--cc": "compiler" } as const;
const FLAGS = {
  "--no-checker": "noChecker",
  "--check": "check",
  "--quiet": "quiet",
  "--help": "help",
  "-h": "help",
} as const;

function parse(given: readonly string[]): Choice {
  const choice: Choice = {
    header: "",
    out: undefined,
    checker: undefined,
    noChecker: false,
    check: false,
    quiet: false,
    help: false,
    compiler: undefined,
    options: [],
  };
  const left = [...given];
  const value = (option: string) => {
    const next = left.shift();
    if (next === undefined || next === "") throw new BindError(`${option} needs a value.`, 2);
    return next;
  };
  while (left.length > 0) {
    const argument = left.shift()!;
    const [option = "", ...rest] = argument.split("=");
    if (Object.hasOwn(FLAGS, argument)) choice[FLAGS[argument as keyof typeof FLAGS]] = true;
    else if (Object.hasOwn(TEXTS, option)) {
      const text = rest.length > 0 ? rest.join("=") : value(option);
      if (text === "") throw new BindError(`${option} needs a value.`, 2);
      choice[TEXTS[option as keyof typeof TEXTS]] = text;
    } else if (argument === "-I" || argument === "-D") {
      choice.options.push(argument + value(argument));
    } else if (/^-[ID]/.test(argument)) choice.options.push(argument);
    else if (argument.startsWith("-")) throw new BindError(`There is no option ${argument}.`, 2);
    else if (choice.header !== "") {
      throw new BindError(`"${argument}" is one argument too many: bind one header at a time.`, 2);
    } else choice.header = argument;
  }
  if (choice.header === "" && !choice.help) {
    throw new BindError("Name a header to bind; `kup bind --help` has the options.", 2);
  }
  if (choice.noChecker && choice.checker !== undefined) {
    throw new BindError("Give either --checker or --no-checker.", 2);
  }
  return choice;
}

/** A file that is written, with its new content. */
interface Output {
  readonly path: string;
  readonly text: string;
}

async function generate(choice: Choice): Promise<{ outputs: Output[]; notes: readonly string[] }> {
  const { header, compiler, options } = choice;
  if (!header.endsWith(".h")) {
    throw new BindError(`"${header}" is no C header: its name has to end with ".h".`, 2);
  }
  const read = await readHeader(header, { compiler: compiler?.split(" "), options });
  const plan = makePlan(read);
  const stem = header.slice(0, -2);
  const out = choice.out ?? `${stem}.ts`;
  const checker = choice.checker ?? `${stem}_check.h`;
  const command = `kup bind ${basename(header)}`;
  const from = (path: string) => relative(dirname(path), header);
  if (!choice.noChecker && out === checker) {
    throw new BindError("Give --out and --checker different files.", 2);
  }
  const outputs = [{ path: out, text: writeTypeScript(plan, from(out), command) }];
  if (choice.noChecker) return { outputs, notes: plan.notes };
  const name = basename(stem).replace(/\W/g, "_");
  outputs.push({ path: checker, text: writeChecker(plan, from(checker), name, command) });
  const guard = `${header} has no include guard, and ${checker} includes it: begin the header ` +
    "with `#pragma once`, or include the checker alone.";
  return { outputs, notes: read.canRepeat ? plan.notes : [...plan.notes, guard] };
}

async function present(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const MARK = /^(?:.*\n)?(?:\/\/|\/\*) Generated from .* by `kup bind/;

/** Writes all files, or none if one of them can't be overwritten. */
async function write(outputs: readonly Output[]): Promise<void> {
  for (const { path } of outputs) {
    const old = await present(path);
    if (old === undefined || old === "" || MARK.test(old)) continue;
    throw new BindError(
      `${path} was not written by kup bind: name another file by --out or --checker, or remove it.`,
    );
  }
  const written: string[] = [];
  try {
    for (const { path, text } of outputs) {
      const unfinished = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
      written.push(unfinished);
      await Deno.writeTextFile(unfinished, text);
    }
    for (const { path } of outputs) await Deno.rename(written.shift()!, path);
  } finally {
    for (const path of written) await Deno.remove(path).catch(() => {});
  }
}

async function compare(outputs: readonly Output[], header: string): Promise<number> {
  let code = 0;
  for (const { path, text } of outputs) {
    const old = await present(path);
    if (old === text) continue;
    const what = old === undefined ? "is missing" : `differs from what ${header} gives`;
    console.error(`kup bind: ${path} ${what}: run \`kup bind ${header}\` with the same options.`);
    code = 1;
  }
  return code;
}

/** The sentence for an error of the system. */
function explain(error: unknown, header: string): string | undefined {
  if (error instanceof BindError) return error.message;
  if (!(error instanceof Error)) return undefined;
  if (error instanceof Deno.errors.NotCapable) {
    return "This command reads, writes and compiles files: run Deno with --allow-read " +
      "--allow-write --allow-run.";
  }
  const path = error.message.match(/'([^']+)'(?:\)?\.?$| ->)/)?.[1] ?? header;
  if (error instanceof Deno.errors.NotFound) return `There is no ${path}: check the path.`;
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${path} can't be used: check the permissions of the file and of its folder.`;
  }
  if (error.name === "IsADirectory" || /is a directory/i.test(error.message)) {
    return `${path} is a folder: name a file.`;
  }
  if (error.name === "NotADirectory") return `${path} is not in a folder: check the path.`;
  const [, reason] = /^(.*?) \(os error/s.exec(error.message) ?? [];
  return reason === undefined ? undefined : `The files can't be read or written: ${reason}.`;
}

/**
 * Runs `kup bind`. Writes to the standard output and error.
 *
 * @param args The arguments behind `bind`.
 * @returns The exit code: 0; 1 if the header can't be bound, or with `--check` a file differs; 2
 * for a wrong command line.
 */
export async function bind(args: readonly string[]): Promise<number> {
  let header = "the header";
  try {
    const choice = parse(args);
    if (choice.help) {
      console.log(USAGE);
      return 0;
    }
    header = choice.header;
    const { outputs, notes } = await generate(choice);
    if (choice.check) return await compare(outputs, header);
    await write(outputs);
    if (!choice.quiet) { for (const note of notes) console.error(`note: ${note}`); }
    return 0;
  } catch (error) {
    const sentence = explain(error, header);
    if (sentence === undefined) throw error;
    console.error(`kup bind: ${sentence}`);
    return error instanceof BindError ? error.code : 1;
  }
}
