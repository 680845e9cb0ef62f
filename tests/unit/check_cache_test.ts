// SPDX-License-Identifier: BSD-3-Clause
/** A check that has passed is run again when anything changes that it could depend on. */

import { assert, assertEquals, assertFalse } from "../../deps.ts";
import { PassedChecks } from "../checks/cache.ts";
import {
  describeEnvironment,
  describeFiles,
  describeMakeFlags,
  inputsOf,
  type Scope,
} from "../checks/inputs.ts";
import { CONFIG, staticChecks } from "../checks/static.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

const SCOPES: readonly Scope[] = ["all", "c", "typescript"];

/** A folder that is removed at the end. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kup-cache-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Inputs that a test sets. */
function fixed(inputs: Partial<Record<Scope, string>> = {}) {
  return (scope: Scope) => Promise.resolve(inputs[scope] ?? scope);
}

Deno.test("PassedChecks finds what it keeps for the same name and the same inputs only", async () => {
  await withFolder(async (folder) => {
    const first = await PassedChecks.open(folder, fixed());
    assertFalse(await first.has({ name: "a", scope: "c" }));
    await first.keep([{ name: "a", scope: "c" }, { name: "b" }], fixed());
    const second = await PassedChecks.open(folder, fixed());
    assert(await second.has({ name: "a", scope: "c" }));
    assert(await second.has({ name: "b" }));
    assertFalse(await second.has({ name: "c", scope: "c" }));
    const changed = await PassedChecks.open(folder, fixed({ c: "other" }));
    assertFalse(await changed.has({ name: "a", scope: "c" }));
    assert(await changed.has({ name: "b" }));
  });
});

Deno.test("PassedChecks keeps nothing when the inputs changed while the checks ran", async () => {
  await withFolder(async (folder) => {
    const checks = await PassedChecks.open(folder, fixed());
    await checks.keep([{ name: "a", scope: "c" }, { name: "b" }], fixed({ c: "saved meanwhile" }));
    for (const inputs of [fixed(), fixed({ c: "saved meanwhile" })]) {
      const later = await PassedChecks.open(folder, inputs);
      assertFalse(await later.has({ name: "a", scope: "c" }));
      assert(await later.has({ name: "b" }));
    }
  });
});

Deno.test("PassedChecks forgets what was not used for a month", async () => {
  await withFolder(async (folder) => {
    const checks = await PassedChecks.open(folder, fixed());
    await checks.keep([{ name: "a" }], fixed());
    const [entry] = await Array.fromAsync(Deno.readDir(folder));
    const old = new Date(Date.now() - 31 * 24 * 60 * 60 * 1000);
    await Deno.utime(`${folder}/${entry?.name}`, old, old);
    await checks.keep([{ name: "b" }], fixed());
    assertFalse(await checks.has({ name: "a" }));
    assert(await checks.has({ name: "b" }));
  });
});

/** A checkout that git tracks. */
async function withCheckout(body: (root: string) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    await must(["git", "init", "-q"], { cwd: root });
    for (const folder of ["kmod", "src/embedded", "scripts", "native/build/prebuilt"]) {
      await Deno.mkdir(`${root}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${root}/.gitignore`, "/src/embedded/\n/native/build/\n*.o\n");
    for (const name of FILES) await Deno.writeTextFile(`${root}/${name}`, "1");
    await body(root);
  });
}

const FILES = [
  ...["kmod/a.c", "kmod/a.h", "kmod/Kbuild", "a.ts", "README.md", "deno.json", "scripts/check.sh"],
  ...["scripts/gen.ts", "src/embedded/a.ts", "native/build/prebuilt/a.so"],
];

/** The scopes in which a change of a file is found. */
async function seenIn(root: string, change: () => Promise<void>): Promise<Scope[]> {
  const before = await Promise.all(SCOPES.map((scope) => describeFiles(root, scope)));
  await change();
  const after = await Promise.all(SCOPES.map((scope) => describeFiles(root, scope)));
  return SCOPES.filter((_, index) => before[index] !== after[index]);
}

Deno.test("describeFiles() includes each change of a file in each scope that reads it", async () => {
  await withCheckout(async (root) => {
    const expected: Record<string, readonly Scope[]> = {
      "kmod/a.c": ["all", "c"],
      "kmod/a.h": ["all", "c"],
      "a.ts": ["all", "typescript"],
      "README.md": ["all", "typescript"],
      "src/embedded/a.ts": ["all", "typescript"],
    };
    for (const name of FILES) {
      const seen = await seenIn(root, () => Deno.writeTextFile(`${root}/${name}`, "2"));
      assertEquals(seen, expected[name] ?? SCOPES, name);
    }
    assertEquals(await seenIn(root, () => Deno.writeTextFile(`${root}/kmod/a.o`, "2")), []);
  });
});

Deno.test("describeFiles() includes new, renamed and removed files, and their modes", async () => {
  await withCheckout(async (root) => {
    const inC = ["all", "c"];
    assertEquals(await seenIn(root, () => Deno.writeTextFile(`${root}/kmod/b.c`, "1")), inC);
    const move = () => Deno.rename(`${root}/kmod/b.c`, `${root}/kmod/c.c`);
    assertEquals(await seenIn(root, move), inC);
    assertEquals(await seenIn(root, () => Deno.remove(`${root}/kmod/c.c`)), inC);
    const run = () => Deno.chmod(`${root}/scripts/check.sh`, 0o755);
    assertEquals(await seenIn(root, run), SCOPES);
  });
});

Deno.test("describeEnvironment() leaves out sessions and terminals, and nothing else", () => {
  const base = { PATH: "/bin", HOME: "/root", MAKEFLAGS: "" };
  const same = [
    { TERM: "xterm", SSH_CLIENT: "1", PWD: "/", SHLVL: "3", MAKELEVEL: "1", FORCE: "1" },
    { MAKEFLAGS: "s" },
    { MAKEFLAGS: "w -j4 --jobserver-auth=3,4 -- FORCE=1" },
    { MAKEFLAGS: " --no-print-directory -- FORCE=1" },
  ];
  for (const more of same) {
    assertEquals(describeEnvironment({ ...base, ...more }), describeEnvironment(base));
  }
  const different: Record<string, string>[] = [
    { PATH: "/usr/bin" },
    { CC: "clang" },
    { CFLAGS: "-O3" },
    { CPATH: "/opt" },
    { TERMS: "x" },
    { MAKEFLAGS: "i" },
    { MAKEFLAGS: " -- CC=clang\\ -m32" },
    { KUP_DENO_CONFIG: "deno.json" },
  ];
  const seen = new Set(
    [base, ...different.map((more) => ({ ...base, ...more }))].map((variables) =>
      describeEnvironment(variables)
    ),
  );
  assertEquals(seen.size, different.length + 1);
  assertEquals(describeMakeFlags("sik -- A=b\\ s FORCE=1"), "ik A=b\\ s");
});

Deno.test("inputsOf() includes a program that appears in the path, or is replaced", async () => {
  await withFolder(async (folder) => {
    const path = Deno.env.get("PATH") ?? "";
    const look = async () => await (await inputsOf(ROOT, CONFIG))("c");
    try {
      Deno.env.set("PATH", `${folder}:${path}`);
      const looks = [await look()];
      assertEquals(await look(), looks[0]);
      await Deno.writeTextFile(`${folder}/cc`, "one");
      looks.push(await look());
      await Deno.writeTextFile(`${folder}/cc`, "another");
      looks.push(await look());
      assertEquals(new Set(looks).size, looks.length);
    } finally {
      Deno.env.set("PATH", path);
    }
  });
});

Deno.test("inputsOf() includes the configuration", async () => {
  const [one, other] = [await inputsOf(ROOT, CONFIG), await inputsOf(ROOT, "other.json")];
  assert(await one("all") !== await other("all"));
});

Deno.test("staticChecks() gives each check a name of its own", () => {
  const names = staticChecks(["6.1", "6.12"]).map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});
