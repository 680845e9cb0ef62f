// SPDX-License-Identifier: BSD-3-Clause
/** The Makefile as people call it: targets, variables and mistakes. No test here boots a guest. */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

/** Runs make as from a shell, whichever make this test runs under. */
async function make(...args: string[]) {
  const env = Deno.env.toObject();
  for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "KUP_DRIVER"]) delete env[name];
  const { code, stdout, stderr } = await new Deno.Command("make", {
    args: ["--no-print-directory", ...args],
    cwd: ROOT,
    env: { ...env, LC_ALL: "C.UTF-8", NO_COLOR: "1" },
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

Deno.test("make names an unknown variable, and those that exist", async () => {
  const mistakes = [["test-vm", "KERNAL"], ["unit", "FIEL"], ["vm", "COMAND"], ["all", "kernel"]];
  for (const [target = "", name = ""] of mistakes) {
    const { code, out, error } = await make(target, `${name}=6.1 and b=c`);
    assertEquals([code, out], [2, ""], name);
    assertMatch(error, new RegExp(`make: unknown variable ${name}; known: KERNEL, FILE, FILTER,`));
  }
});

Deno.test("make accepts the variables of compilers, kernel builds and installations", async () => {
  const variables = [
    ...["CC=clang -m64", 'CFLAGS=-O3 -DA=\\"b\\"', "LDFLAGS=-s", "PREFIX=/a b", "DESTDIR=/c"],
    ...["V=1", "W=1", "KCFLAGS=-g", "KBUILD_MODPOST_WARN=1", "CONFIG_DEBUG_INFO=y", "LLVM=1"],
    ...["KERNEL=6.1", "FORCE=1", "SEED=2", "COMMAND=a B=c $(x) 'd'", "MODULE=/it's a folder"],
  ];
  const { code, out, error } = await make("help", ...variables);
  assertEquals([code, error], [0, ""]);
  assertMatch(out, /^To build\n {2}all /);
});

Deno.test("make help lists each target that is documented, and its variables", async () => {
  const { out } = await make("help");
  const makefile = await Deno.readTextFile(`${ROOT}/Makefile`);
  for (const [, target] of makefile.matchAll(/^([^\s:]+):.*## /gm)) {
    assertMatch(out, new RegExp(`^ {2}${target} +[A-Z]`, "m"));
  }
  for (const name of ["KERNEL", "FILE", "FILTER", "MODULE", "COMMAND", "FORCE", "VM_SILENCE"]) {
    assertMatch(out, new RegExp(`\\b${name}\\b`));
  }
});

Deno.test("make clean cleans each folder that has something to clean", async () => {
  const { code, out } = await make("-n", "clean");
  assertEquals(code, 0, out);
  const [, cleaned = ""] = out.replaceAll("\\\n", "").match(/for part in ([^;]*);/) ?? [];
  const parts = cleaned.split(/\s+/).map((part) => part.replace(/\/$/, ""));
  for (const makefile of await projectFiles("*/Makefile")) {
    // What `kup new` copies is not built here.
    if (makefile.startsWith("template/")) continue;
    if (!/^clean:/m.test(await Deno.readTextFile(`${ROOT}/${makefile}`))) continue;
    const folder = makefile.replace(/\/Makefile$/, "");
    assertEquals(parts.includes(folder), true, folder);
  }
});

Deno.test("make unit runs one file, and only the tests that the filter names", async () => {
  const filter = "FILTER=/newest|another series/";
  const { code, out } = await make("unit", "FILE=tests/unit/version_test.ts", filter);
  assertEquals(code, 0, out);
  assertMatch(out, /running \d+ tests? from \.\/tests\/unit\/version_test\.ts/);
  assertMatch(out, /\n[1-9]\d* passed, 0 failed, 0 skipped\n$/);
});

Deno.test("make unit runs a conformance file against the host driver", async () => {
  const file = `FILE=${ROOT}/tests/conformance/driver_test.ts`;
  const { code, out } = await make("unit", file, "FILTER=");
  assertEquals(code, 0, out);
  assertStringIncludes(out, "Conformance of the host driver");
  assertMatch(out, /\n[1-9]\d* passed, 0 failed, \d+ skipped\n$/);
});

Deno.test("make unit fails when no test was run", async () => {
  const { code, out } = await make(
    "unit",
    "FILE=tests/unit/version_test.ts",
    "FILTER=no such test",
  );
  assertEquals(code, 2);
  assertStringIncludes(out, `failed unit: no test was run; no test's name holds "no such test"\n`);
});

/** Command lines that end with one sentence, before anything is built for them. */
const SENTENCES: readonly [args: string[], sentence: string][] = [
  [["unit", "FILE=tests/unit/missing_test.ts"], "FILE=tests/unit/missing_test.ts is not there."],
  [["unit", "FILE=tests/kernel/node_test.ts"], "needs a kernel; run `make test-vm FILTER=…`."],
  [["unit", "FILE=tests/c/ring_vectors.c"], "is in C; run `make -C tests/c check`."],
  [["unit", "FILE=src"], "FILE=src is neither in tests/unit nor in tests/conformance."],
  [
    ["test-vm", "KERNEL=6.13"],
    '"6.13" is no kernel of the harness; name one of 6.1, 6.12, 7.x, ',
  ],
  [["vm", "KERNEL=five"], '"five" is no kernel of the harness; name one of 6.1, 6.12, 7.x, '],
  [["test-vm", "VM_SILENCE=5m"], "VM_SILENCE must be a number of seconds above 0"],
  [["vm", "MODULE=/no/such folder", "COMMAND=true"], '"/no/such folder" is not a folder'],
  [["vm", "MODULE=docs", "COMMAND=true"], 'docs" has no Kbuild and no Makefile'],
  [["stress", "MINUTES=many"], "MINUTES=many is not a number above 0."],
];

for (const [args, sentence] of SENTENCES) {
  Deno.test(`make ${args.join(" ")} ends with a sentence`, async () => {
    const { code, error } = await make(...args);
    assertEquals(code, 2);
    assertStringIncludes(error, sentence);
    assertMatch(error, /^(setup: .*\n)?error: .*\nmake: \*\*\* .*Error 2\n$/);
  });
}
