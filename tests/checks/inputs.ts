// SPDX-License-Identifier: BSD-3-Clause
/**
 * All that a static check can depend on, so that a check that has passed need not run again. A
 * missing input would let a broken tree pass; an unneeded one costs a few seconds. Therefore each
 * list below names what is left out, and everything else counts.
 */

import { CACHE } from "../lib/paths.ts";
import { capture, checkoutFiles } from "../lib/process.ts";

/**
 * The files of the checkout that a check reads: all of them; all but TypeScript and documents, for
 * checks of C; or all but C, for checks of TypeScript. The checks' own code always counts.
 */
export type Scope = "all" | "c" | "typescript";

/** The code of the checks themselves, and its imports. */
const OWN_CODE =
  /^(?:deps\.ts$|cli\/(?:command_line|deps)\.ts$|tests\/run\.ts$|harness\/|tests\/(?:checks|lib|vm|prebuilt|std)\/|scripts\/|tools\/)/;

const LEFT_OUT: Readonly<Record<Scope, RegExp>> = {
  all: /^$/,
  c: /\.(?:ts|md)$/,
  typescript: /\.[chS]$/,
};

/** Built before the checks, and read by them; git ignores these. */
const GENERATED = [
  "src/embedded",
  "harness/embedded",
  "native/build/prebuilt",
  "deno.offline.json",
];

function isInScope(path: string, scope: Scope): boolean {
  return OWN_CODE.test(path) || !LEFT_OUT[scope].test(path);
}

async function hash(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function generatedFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of GENERATED) {
    const info = await Deno.stat(`${root}/${path}`).catch(() => undefined);
    if (info?.isFile) found.push(path);
    if (!info?.isDirectory) continue;
    for await (const { name, isFile } of Deno.readDir(`${root}/${path}`)) {
      if (isFile && name !== "lock") found.push(`${path}/${name}`);
    }
  }
  return found;
}

/** The files of a checkout by name and content, as one line each. */
export async function describeFiles(root: string, scope: Scope): Promise<string> {
  const paths = [...await checkoutFiles(root), ...await generatedFiles(root)]
    .filter((path) => isInScope(path, scope)).sort();
  const lines = await Promise.all(paths.map(async (path) => {
    const { mode } = await Deno.stat(`${root}/${path}`).catch(() => ({ mode: null }));
    const data = await Deno.readFile(`${root}/${path}`).catch(() => "unreadable");
    return `${path} ${mode} ${await hash(data)}`;
  }));
  return lines.join("\n");
}

/** Variables that name a session, a terminal or a person, or only change how output looks. */
const HARMLESS_VARIABLES = new RegExp(
  "^(?:PWD|OLDPWD|SHLVL|_|COLUMNS|LINES|COLORTERM|WINDOWID|DISPLAY|WAYLAND_DISPLAY|STY|MAIL" +
    "|LS_COLORS|NO_COLOR|FORCE_COLOR|EDITOR|VISUAL|PAGER|PS1|PROMPT_COMMAND|LOGNAME|USER" +
    "|HOSTNAME|INVOCATION_ID" +
    "|FORCE|MFLAGS|MAKELEVEL|MAKE_TERMOUT|MAKE_TERMERR|MAKE_RESTARTS" +
    "|(?:TERM|SSH|DBUS|TMUX|VTE|GPG|KONSOLE|ITERM|VSCODE)(?:_[A-Z_]*)?" +
    "|(?:LESS|HIST|CLICOLOR)[A-Z_]*|XDG_(?:SESSION|SEAT|VTNR|RUNTIME|CURRENT)[A-Z_]*)$",
);

/** Flags of make that only change what it prints, or how many jobs it runs. */
const HARMLESS_FLAG =
  /^(?:-j\d*|-l\S*|-O\S*|--jobserver-\S+|--output-sync\S*|--(?:no-)?print-directory|--|FORCE=.*)$/s;

/** Make's flags without those. Its single letters come first, as one word. */
export function describeMakeFlags(flags: string): string {
  const [letters = "", ...words] = flags.split(/(?<!\\)\s/);
  const kept = /^[A-Za-z]+$/.test(letters) ? [letters.replace(/[sw]/g, "")] : [letters];
  return [...kept, ...words].filter((word) => word !== "" && !HARMLESS_FLAG.test(word)).join(" ");
}

/** The environment, without what can't change a result. */
export function describeEnvironment(variables: Readonly<Record<string, string>>): string {
  return Object.keys(variables).filter((name) => !HARMLESS_VARIABLES.test(name)).sort()
    .map((name) => [name, variables[name] ?? ""])
    .map(([name, value = ""]) => [name, name === "MAKEFLAGS" ? describeMakeFlags(value) : value])
    .filter(([name, value]) => name !== "MAKEFLAGS" || value !== "")
    .map((pair) => pair.join("=")).join("\n");
}

/** What a machine's own compilers read, and where Debian records each change of its packages. */
const SYSTEM = ["/usr/include", "/usr/lib/gcc", "/usr/local/include", "/var/lib/dpkg/status"];

/** Each file with its size and time; a missing path is a difference like any other. */
async function list(places: readonly string[], options: readonly string[] = []): Promise<string> {
  if (places.length === 0) return "";
  const format = ["-printf", "%p %l %s %T@\\n"];
  const follow = options.length === 0 ? "-P" : "-L";
  const { stdout } = await capture(["find", follow, ...places, ...options, ...format]);
  return stdout.split("\n").sort().join("\n");
}

/** All programs that a check could run, their headers, and what was fetched. */
async function describeMachine(config: string): Promise<string> {
  const path = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  const fetched = (await Array.fromAsync(Deno.readDir(CACHE)))
    .map(({ name }) => `${CACHE}/${name}`).filter((place) =>
      /\/(?:zig-\d[^/]*|kernel)$/.test(place)
    );
  // The versions of the modules in deps.ts: no lock file pins them.
  const { stdout: modules } = await capture(
    [Deno.execPath(), "info", "--json", "--config", config, "deps.ts"],
  );
  return [
    JSON.stringify([Deno.version, Deno.build, Deno.osRelease()]),
    await list(path, ["-maxdepth", "1"]),
    await list(SYSTEM),
    await list(fetched),
    modules,
  ].join("\n");
}

/**
 * Returns a function that reads all inputs of a scope. It returns the same text if they are the
 * same.
 */
export async function inputsOf(
  root: string,
  config: string,
): Promise<(s: Scope) => Promise<string>> {
  const common = await hash([
    config,
    describeEnvironment(Deno.env.toObject()),
    await describeMachine(config),
  ].join("\n"));
  return async (scope) => await hash(`${common}\n${scope}\n${await describeFiles(root, scope)}`);
}
