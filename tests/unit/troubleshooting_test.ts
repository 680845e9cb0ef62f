// SPDX-License-Identifier: BSD-3-Clause
/** docs/troubleshooting.md has a row for all that a person may look up. */

import { assert, assertEquals } from "../../deps.ts";
import { errnoName } from "../../src/errno.ts";
import { ROOT } from "../lib/paths.ts";
import { stringsOf } from "../lib/sentences.ts";

const PAGE = await Deno.readTextFile(`${ROOT}/docs/troubleshooting.md`);

/** The text between a heading and the next one of the same level. */
function section(heading: string): string {
  const start = PAGE.indexOf(`\n${heading}\n`);
  assert(start >= 0, `no heading "${heading}"`);
  const level = heading.split(" ", 1)[0]!;
  const rest = PAGE.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{2,${level.length}} `, "m"));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The cells of the first column, under this title; one cell may have several entries. */
function entries(text: string, title: string): string[] {
  return text.split(/\n\n+/).flatMap((table) => {
    const [first = "", , ...rows] = table.trim().split("\n").map((line) =>
      line.slice(2).split(" | ", 1)[0]!.trim()
    );
    return first === title ? rows.flatMap((row) => row.split("<br>")) : [];
  });
}

async function read(...paths: string[]): Promise<string> {
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(`${ROOT}/${path}`)));
  return texts.join("\n");
}

async function sourcesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/${folder}`)) {
    if (name.endsWith(".ts")) found.push(`${folder}/${name}`);
  }
  return found;
}

/** Strings that name something inside of a message. */
const NAMES =
  /^(?:The (?:native library|device|file|channel)(?: …| in this module)|… messages are)$/;

/** A message begins as a sentence does, behind the device's path; lists of names do not. */
function isMessage(text: string): boolean {
  const words = text.match(/(?<![\w`])[A-Za-z']+[a-z](?![\w`])/g) ?? [];
  return /^[A-Z`…]/.test(text) && !/^…[,.]/.test(text) && words.length >= 2 && !NAMES.test(text);
}

async function messages(): Promise<string[]> {
  const strings = stringsOf(await read(...await sourcesOf("src")));
  const tidy = strings.map((text) => text.replace(/^…: /, "").replace(/\s+/g, " ").trim());
  return [...new Set(tidy.filter(isMessage))];
}

Deno.test("docs/troubleshooting.md has each message of the library, and no other", async () => {
  const all = await messages();
  assert(all.length > 100, `only ${all.length} messages were found`);
  const rows = entries(section("## Messages of the library"), "message");
  assertEquals(all.filter((message) => !rows.includes(message)), [], "without a row");
  const stale = rows.filter((row) => !all.includes(row));
  assertEquals(stale, [], "rows without a message");
});

Deno.test("docs/troubleshooting.md has each code of KupError", async () => {
  const source = await read("src/errors.ts");
  const codes = source.match(/export type KupErrorCode =[^;]*;/)![0].match(/"[a-z-]+"/g)!;
  const rows = entries(section("## `KupError`: the codes"), "code");
  assertEquals(rows.map((row) => row.replaceAll("`", "")), codes);
});

Deno.test("docs/troubleshooting.md has each errno that the headers name", async () => {
  const names = new Set(Array.from({ length: 133 }, (_, n) => errnoName(n + 1).split(" ")[0]));
  const apis = {
    "## The kernel API": [
      "kmod/kup.h",
      "kmod/kup_client.h",
      "kmod/layers/turn.h",
      "kmod/layers/call.h",
    ],
    "## The C API of processes": [
      "native/kup_user.h",
      "native/kup_user_turn.h",
      "native/kup_user_call.h",
    ],
    "## System calls: open, ioctl, mmap": ["kmod/uapi/kup_abi.h"],
  };
  for (const [heading, headers] of Object.entries(apis)) {
    let text = await read(...headers);
    if (heading.includes("System")) text = text.match(/Errors \(positive[\s\S]*?\*\//)![0];
    const named = new Set(
      text.match(/\bE[A-Z]{3,}\b/g)!.filter((name) => names.has(name) || name === "ENOATTR"),
    );
    const rows = new Set(entries(section(heading), "errno"));
    const missing = [...named].filter((name) => !rows.has(`\`${name}\``));
    assertEquals(missing, [], heading);
    const stale = [...rows].filter((row) => /^`E/.test(row) && !named.has(row.slice(1, -1)));
    assertEquals(stale, [], `${heading}: rows without an errno`);
  }
});

Deno.test("docs/troubleshooting.md has each KUP_ERROR and KUP_STATUS, and the words for it", async () => {
  const header = await read("kmod/uapi/kup_abi.h");
  const names = header.matchAll(/#define (KUP_(?:ERROR|STATUS)_(?!RESERVED)\w+)/g);
  for (const [, name] of names) assert(PAGE.includes(`\n| \`${name}\``), `no row for ${name}`);
  const reasons = stringsOf(await read("src/link.ts")).filter((text) => /^an? .* .* /.test(text));
  assertEquals(reasons.length, 7);
  for (const reason of reasons) assert(PAGE.includes(`| ${reason} `), `no row for "${reason}"`);
});

Deno.test("docs/troubleshooting.md has each code of the harness's errors", async () => {
  const codes = (await read("harness/error.ts")).match(/HarnessErrorCode =[^;]*/)![0];
  const rows = entries(section("## The command line and the harness"), "kind");
  for (const code of codes.match(/"[\w-]+"/g)!) {
    assert(rows.some((row) => row.startsWith(`\`${code}\``)), `no row for ${code}`);
  }
});

Deno.test("man/kup.4 has each errno of the contract", async () => {
  const errors = (await read("kmod/uapi/kup_abi.h")).match(/Errors \(positive[\s\S]*?\*\//)![0];
  const page = await read("man/kup.4");
  const named = new Set(errors.match(/\bE[A-Z]{3,}\b/g));
  const missing = [...named].filter((name) => !new RegExp(`\\bEr ${name}\\b`).test(page));
  assertEquals(missing, []);
});
