// SPDX-License-Identifier: BSD-3-Clause
/** The table of contexts in kup.h has every call, and every call is made where the table allows. */

import { assertEquals, assertGreater } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);

/** The groups of the table: the context, and the names of calls. */
async function table(): Promise<(readonly [where: string, names: string[]])[]> {
  const [, text = ""] =
    (await read("kmod/kup.h")).match(/ \* Contexts\.(.*?)\n \* "Any context"/s) ??
      [];
  const groups = text.split(/^ \* {3}(?=A)/m).slice(1);
  return groups.map((group) => [
    group.match(/^[A-Z0 ]+[A-Z0]/)![0],
    [...group.matchAll(/\bkup_\w+/g)].map(([name]) => name),
  ]);
}

async function declared(): Promise<string[]> {
  const pattern = /^(?:int|void|kup_u32|kup_u64|const|struct)\b[^;={}]*?\b(kup\w*)\(/gm;
  const headers = ["kup.h", "kup_client.h", "layers/turn.h", "layers/call.h"];
  const texts = await Promise.all(headers.map((name) => read(`kmod/${name}`)));
  return texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name]) => name!)).sort();
}

/** Calls on devices of calls, which the echo client makes in interrupts, too. */
const CALLS = /^kup_(calls?_|reply)/;

/** Calls on devices of turns, and for layers, of which the engine's tests make the rest. */
const TURNS = /^kup_(turn_|commit_control$)/;

/** The calls that these files make, in neither comments nor strings. */
async function called(...paths: string[]): Promise<Set<string>> {
  const texts = (await Promise.all(paths.map(read)))
    .map((text) => text.replaceAll(/\/\*.*?\*\/|"[^"\n]*"/gs, ""));
  return new Set(texts.flatMap((text) => [...text.matchAll(/\bkup_\w+(?=\()/g)].map(([n]) => n)));
}

Deno.test("kup.h's table of contexts has each call exactly once", async () => {
  const names = (await table()).flatMap(([, names]) => names);
  assertGreater(names.length, 50);
  assertEquals(names.sort(), await declared());
});

Deno.test("kup.h's calls for any context are made by the echo client, or by the engine's tests", async () => {
  const groups = (await table()).filter(([where]) => where.startsWith("ANY CONTEXT"));
  assertEquals(groups.length, 3);
  const stream = await called("kmod/echo/contexts.c");
  const calls = await called("kmod/echo/calls.c");
  const turns = await called(
    "kmod/echo/turns.c",
    "tests/c/engine/turn_raw.c",
    "tests/c/engine/meeting.c",
  );
  const missing = groups.flatMap(([, names]) => names).filter((name) => {
    if (CALLS.test(name)) return !calls.has(name);
    return !(TURNS.test(name) ? turns : stream).has(name);
  });
  assertEquals(missing, []);
});

Deno.test("kup.h's calls for threads are made by the clients of the tests and examples", async () => {
  const [, threads = []] = (await table()).find(([where]) => where.startsWith("A THREAD")) ?? [];
  const folders = ["kmod/echo", "examples", "tests/c/engine", "tests/unit/clients"];
  const files = (await projectFiles(...folders)).filter((path) => path.endsWith(".c"));
  const made = await called(...files, "kmod/layers/kupdev.c");
  assertGreater(threads.length, 20);
  assertEquals(threads.filter((name) => !made.has(name)), []);
});
