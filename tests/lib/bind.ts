// SPDX-License-Identifier: BSD-3-Clause
/** Runs `kup bind` and compilers, for the tests of both. */

import { bind } from "../../bind/bind.ts";
import { CONFIG } from "../checks/static.ts";
import { ROOT } from "./paths.ts";

/** The folder with the header that the tests bind. */
export const BIND = `${ROOT}/tests/unit/bind`;
const decoder = new TextDecoder();

/** What a program left. */
export interface Result {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: string[],
  cwd = ROOT,
  more: Record<string, string> = {},
): Promise<Result> {
  const env = { NO_COLOR: "1", ...more };
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, env }).output();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/** What the command needs of Deno. */
export const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-run"];

/** Runs `kup bind`. */
export function kupBind(
  args: string[],
  cwd = ROOT,
  permissions = PERMISSIONS,
  env: Record<string, string> = {},
): Promise<Result> {
  const options = ["run", "--no-check", "--no-prompt", "--config", `${ROOT}/${CONFIG}`];
  const main = `${ROOT}/bind/main.ts`;
  return run(Deno.execPath(), [...options, ...permissions, main, ...args], cwd, env);
}

/**
 * Runs `kup bind` in this process, with its folder and permissions. Nothing else may print
 * meanwhile.
 */
export async function kupBindHere(args: string[]): Promise<Result> {
  const printed = { log: "", error: "" };
  const { log, error } = console;
  console.log = (line: string) => printed.log += `${line}\n`;
  console.error = (line: string) => printed.error += `${line}\n`;
  try {
    const code = await bind(args);
    return { code, out: printed.log, error: printed.error };
  } finally {
    Object.assign(console, { log, error });
  }
}

/** Runs `test` with a folder that has these files. */
export async function withFiles<T>(
  files: Record<string, string>,
  test: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "kup-bind-test-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The names in a folder. */
export async function listFolder(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

/** Both kinds of compilers; zig's is clang. */
export const ZIG = Deno.env.get("KUP_ZIG");
export const COMPILERS = ["cc", ...ZIG === undefined ? [] : [`${ZIG} cc`]];
