// SPDX-License-Identifier: BSD-3-Clause
/** `kup bind`, the command: what it reads, and what it refuses. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../deps.ts";
import { readHeader } from "../../bind/header.ts";
import { CONFIG } from "../checks/static.ts";
import {
  BIND,
  COMPILERS,
  kupBind,
  kupBindHere,
  listFolder,
  PERMISSIONS,
  run,
  withFiles,
  ZIG,
} from "../lib/bind.ts";
import { ROOT } from "../lib/paths.ts";

Deno.test("kup bind reads the same from gcc and from clang, for both machines", async () => {
  const [first, ...others] = await Promise.all(
    [...COMPILERS, ...ZIG === undefined ? [] : [`${ZIG} cc -target aarch64-linux-gnu`]]
      .map((compiler) => readHeader(`${BIND}/every.h`, { compiler: compiler.split(" ") })),
  );
  for (const other of others) assertEquals(other, first);
});

Deno.test("kup bind --check finds each kind of change in the header or in a file", async () => {
  const header = await Deno.readTextFile(`${BIND}/every.h`);
  await withFiles({ "every.h": header }, async (folder) => {
    const check = () => kupBind(["every.h", "--check"], folder);
    assertMatch((await check()).error, /every\.ts is missing.*\n.*every_check\.h is missing/);
    assertEquals((await kupBind(["every.h"], folder)).code, 0);
    assertEquals(await check(), { code: 0, out: "", error: "" });
    await Deno.writeTextFile(`${folder}/every.ts`, "// another line\n", { append: true });
    assertMatch((await check()).error, /^kup bind: every\.ts differs .* run `kup bind every\.h`/);
    for (
      const [from, to] of [
        ["unsigned char u8;", "signed char u8;"],
        ["EVERY_MANY 5", "EVERY_MANY 6"],
        ["EVERY_STOP", "EVERY_STOP = 99"],
      ] as const
    ) {
      assertEquals((await kupBind(["every.h"], folder)).code, 0);
      assertStringIncludes(header, from);
      await Deno.writeTextFile(`${folder}/every.h`, header.replace(from, to));
      assertEquals((await check()).code, 1, to);
      await Deno.writeTextFile(`${folder}/every.h`, header);
    }
    const names = await listFolder(folder);
    assertEquals(names, ["every.h", "every.ts", "every_check.h"]);
  });
});

Deno.test("kup bind's checker ends the build when a field or a constant drifts", async () => {
  const header = await Deno.readTextFile(`${BIND}/every.h`);
  const checker = await Deno.readTextFile(`${BIND}/every_check.h`);
  await withFiles({ "every_check.h": checker }, async (folder) => {
    for (
      const [from, to] of [
        ["", ""],
        ["unsigned int u32;", "int u32;"], // its sign
        ["float f32;", "unsigned int f32;"], // its kind
        ["_Bool flag;", "unsigned char flag;"],
        ["short x;\n\tshort y;", "short y;\n\tshort x;"], // its place
        ["char name[16];", "char name[12];"],
        ["unsigned int matrix[2][3];", "unsigned int matrix[3][3];"], // its size
        ["unsigned char deep;", "unsigned short deep;"],
        ["EVERY_AUTO = 7", "EVERY_AUTO = 8"],
        ["EVERY_MINUS (-3)", "EVERY_MINUS 3"],
        ["EVERY_ORDER = 16", "EVERY_ORDER = 15"],
      ] as const
    ) {
      assertStringIncludes(header, from);
      await Deno.writeTextFile(`${folder}/every.h`, header.replace(from, to));
      const args = ["-fsyntax-only", "-x", "c", "-Wall", "-Wextra", "every_check.h"];
      const { code, error } = await run("cc", args, folder);
      if (from === "") assertEquals(code, 0, error);
      else assert(code !== 0 && /has changed: run kup bind/.test(error), to + error);
    }
  });
});

/** A header that is refused, with what its sentence must contain. */
const REFUSED: [header: string, sentence: RegExp][] = [
  ["struct a { unsigned int b : 3; };", /field "b" in struct a is a bit field.*use an integer/],
  ["struct a { char *b; };", /field "b" in struct a is a pointer.*send the bytes/],
  ["struct a { void *b; };", /field "b" in struct a is a pointer/],
  ["struct a { void (*b)(void); };", /field "b" in struct a is a pointer/],
  ["struct a { int n; int b[]; };", /field "b" in struct a is an array without a length/],
  ["struct a { int n; int b[0]; };", /field "b" in struct a is an array without a length/],
  ["struct a { long double b; };", /field "b" in struct a is a long double.*use an integer/],
  ["struct a { __int128 b; };", /field "b" in struct a is a __int128/],
  ["struct a { double _Complex b; };", /field "b" in struct a is a (complex|_Complex)/],
  ["struct a { union { int x; } b; };", /union "b" in struct a has no tag: put a field/],
  ["struct a { int kind; union { int x; }; };", /union in struct a has no tag.*KIND_X for "x"/],
  ["enum k { K_X };\nstruct a { enum k k; union { int x, y; } b; };", /union "b" .* has no tag/],
  ["enum k { K_X, K_Y = 0 };\nstruct a { enum k k; union { int x, y; } b; };", /has no tag/],
  ["union a { int x; };", /union a has no tag/],
  ["struct a { int constructor; };", /field "constructor" in struct a .*rename/],
  ["struct a { int record_type; };", /field "record_type" in struct a .*rename/],
  ["#define delete 1", /constant delete .*rename/],
  ["#define NOTHING 0", /constant NOTHING .*rename/],
  ["enum { whole };", /constant whole .*rename/],
  ["enum { yield };", /constant yield .*rename/],
  ["struct string { int a; };", /struct string would be "String".*rename/],
  ["struct a { int b_c; int bC; };", /Both field "b_c" and field "bC" would be "bC".*rename/],
  ["struct a_b { int c; };\nstruct aB { int c; };", /Both struct a_b and struct aB .*rename/],
  ["enum a_to_user { A = 1 };", /record type A has no struct: declare "struct a"/],
  [
    "struct a {};\nstruct b {};\nenum x_to_user { A = 1, B = 1 };",
    /record types A and B, to the user, are both 1: give each/,
  ],
  [
    "struct a {};\nstruct b {};\nenum x_to_kernel { A = 1 };\nenum x_both_ways { B = 1 };",
    /record types A and B, to the kernel, are both 1/,
  ],
  ["struct a {};\nenum x_to_user { A = -1 };", /record type A is -1: choose one from 0/],
  ["enum k { K = 1ull << 40 };\nstruct a { enum k k; };", /field "k" .* 64 bits: use an integer/],
  ["struct a { u32 b; };", /can't compile the header: .*a\.h:1:\d+: error: .*u32.*-I and -D/],
  ['#include "missing.h"', /can't compile the header: .*missing\.h.*-I and -D/],
  ["int a;", /declares no struct, enum or integer/],
];

Deno.test("kup bind refuses what TypeScript can't have with one sentence, and writes nothing", async () => {
  await withFiles({}, async (folder) => {
    for (const compiler of COMPILERS) {
      for (const [header, sentence] of REFUSED) {
        await Deno.writeTextFile(`${folder}/a.h`, `${header}\n`);
        const { code, out, error } = await kupBindHere([`${folder}/a.h`, "--cc", compiler]);
        assertEquals([code, out], [1, ""], header);
        assertMatch(error, sentence);
        assertMatch(error, /^kup bind: [^\n]+\.\n$/);
      }
    }
    assertEquals(await listFolder(folder), ["a.h"]);
  });
});

Deno.test("kup bind removes its temporary folder, also when it is interrupted", async () => {
  await withFiles({ "a.h": "int a b;\n", "cc": "" }, async (folder) => {
    const env = { TMPDIR: folder };
    const temporary = () =>
      [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory).length;
    const options = ["run", "--no-check", "--config", `${ROOT}/${CONFIG}`, ...PERMISSIONS];
    const args = [...options, `${ROOT}/bind/main.ts`, "a.h"];
    const failed = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: folder,
      env,
      stderr: "null",
    })
      .output();
    assertEquals([failed.code, temporary()], [1, 0]);
    // A compiler that answers to --version, and then waits.
    const script = '#!/bin/sh\n[ "$1" = --version ] || exec sleep 60\n';
    await Deno.writeTextFile(`${folder}/cc`, script, { mode: 0o755 });
    await Deno.chmod(`${folder}/cc`, 0o755);
    // The listener for signals is there as soon as the source is.
    const source = () =>
      [...Deno.readDirSync(folder)].some(({ name, isDirectory }) =>
        isDirectory && [...Deno.readDirSync(`${folder}/${name}`)].length > 0
      );
    for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [...args, "--cc", `${folder}/cc`],
        cwd: folder,
        env,
      }).spawn();
      while (!source()) await new Promise((resolve) => setTimeout(resolve, 10));
      child.kill(signal);
      const { code } = await child.status;
      assertEquals([code, temporary()], [status, 0]);
    }
  });
});

Deno.test("kup bind says what to do about files, permissions and compilers", async () => {
  await withFiles({ "a.h": "struct a { int b; };\n", "own.ts": "// mine\n" }, async (folder) => {
    const refuse = async (args: string[], code: number, sentence: RegExp) => {
      const result = await kupBind(args, folder);
      assertEquals([result.code, result.out], [code, ""], args.join(" "));
      assertMatch(result.error, sentence);
    };
    await refuse(["b.h"], 1, /^kup bind: There is no .*b\.h: check the path\.\n$/);
    await refuse(["a.h", "--out", "own.ts"], 1, /^kup bind: own\.ts was not written by kup bind: /);
    await refuse(["a.h", "--out", "no/a.ts"], 1, /^kup bind: There is no .*: check the path\.\n$/);
    await refuse(
      ["a.h", "--out", "."],
      1,
      /^kup bind: \. is a folder|^kup bind: [^\n]+folder[^\n]+\n$/,
    );
    await refuse(
      ["a.h", "--cc", "no-such-cc"],
      1,
      /^kup bind: The compiler "no-such-cc" can't be run/,
    );
    await refuse(["own.ts"], 2, /^kup bind: "own\.ts" is no C header/);
    await refuse([], 2, /^kup bind: Name a header to bind; [^\n]*\.\n$/);
    await refuse(["a.h", "b.h"], 2, /^kup bind: "b\.h" is one argument too many/);
    await refuse(["a.h", "--fast"], 2, /^kup bind: There is no option --fast\./);
    await refuse(["a.h", "--out=x", "--checker=x"], 2, /^kup bind: Give --out and --checker diff/);
    await refuse(["a.h", "--out"], 2, /^kup bind: --out needs a value\./);
    assertMatch((await kupBind(["--help"], folder)).out, /^usage: kup bind HEADER/);
    const { code, error } = await kupBind(["a.h"], folder, ["--allow-read"]);
    assertEquals(code, 1);
    assertMatch(
      error,
      /^kup bind: This command reads, .* run Deno with --allow-read --allow-write/,
    );
    const none = await kupBind(["a.h"], folder, PERMISSIONS, { PATH: folder });
    assertEquals(none.code, 1);
    assertMatch(none.error, /^kup bind: There is no C compiler: install gcc or clang/);
    const names = await listFolder(folder);
    assertEquals(names, ["a.h", "own.ts"]);
    // A permission for one compiler is enough.
    const one = ["--allow-read", "--allow-write", "--allow-run=gcc"];
    assertEquals((await kupBind(["a.h", "--no-checker"], folder, one)).error, "");
  });
});

Deno.test("kup bind takes -I and -D, and files in other folders", async () => {
  const files = {
    "a.h": '#pragma once\n#include "size.h"\n#ifdef WANTED\nstruct a { char b[SIZE]; };\n#endif\n',
  };
  await withFiles(files, async (folder) => {
    for (const name of ["include", "types", "c"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/include/size.h`, "#define SIZE 12\n");
    const args = ["a.h", "-I", "include", "-DWANTED", "--out=types/a.ts", "--checker", "c/a.h"];
    const { code, error } = await kupBind(args, folder);
    assertEquals([code, error], [0, ""]);
    assertStringIncludes(await Deno.readTextFile(`${folder}/types/a.ts`), "SIZE = 12;");
    const built = await run("cc", ["-fsyntax-only", "-Iinclude", "-DWANTED", "c/a.h"], folder);
    assertEquals(built.code, 0, built.error);
  });
});

Deno.test("kup bind notes padding that a kernel would send, and macros that it leaves out", async () => {
  const header = '#define TEXT "text"\nenum x_to_user { XA };\nstruct xa { char b; int c; };\n';
  await withFiles({ "x.h": header }, async (folder) => {
    const { code, error } = await kupBind(["x.h"], folder);
    assertEquals(code, 0);
    assertMatch(
      error,
      /^note: struct xa has 3 bytes of padding behind "b".*\nnote: TEXT is left out/,
    );
    assertEquals((await kupBind(["x.h", "--quiet"], folder)).error, "");
  });
});

Deno.test("kup bind notes a header without an include guard, which its checker includes", async () => {
  const files = {
    "bare.h": "struct bare { int a; };\n",
    "once.h": "#pragma once\nenum x { A };\n",
  };
  await withFiles(files, async (folder) => {
    for (const compiler of COMPILERS) {
      const { code, error } = await kupBind(["bare.h", "--cc", compiler], folder);
      assertEquals(code, 0);
      assertMatch(error, /^note: bare\.h has no include guard, .* begin the header with `#pragma/);
      assertEquals((await kupBind(["bare.h", "--no-checker"], folder)).error, "");
      assertEquals((await kupBind(["once.h", "--cc", compiler], folder)).error, "");
    }
  });
});

Deno.test("kup bind finds the macros of a header with any other path", async () => {
  await withFiles({}, async (folder) => {
    for (const [name, compilers] of [["ä's \u{1f41f}", COMPILERS], ["a\\b", ["cc"]]] as const) {
      await Deno.writeTextFile(`${folder}/${name}.h`, "#pragma once\n#define A 3\n");
      for (const compiler of compilers) {
        assertEquals((await kupBind([`${name}.h`, "--cc", compiler], folder)).error, "");
        assertStringIncludes(await Deno.readTextFile(`${folder}/${name}.ts`), "A = 3;", compiler);
      }
    }
  });
});

Deno.test("kup bind refuses paths that would end a comment or a line of what it writes", async () => {
  await withFiles({}, async (folder) => {
    for (const path of ["a\nb.h", 'a"b.h', "a*/b.h", "a\x01.h"]) {
      if (path.includes("/")) await Deno.mkdir(`${folder}/a*`);
      await Deno.writeTextFile(`${folder}/${path}`, "enum a { B };\n");
      const { code, error } = await kupBind([path], folder);
      assertEquals(code, 1, path);
      assertMatch(
        error,
        /^kup bind: The path "[^\n]*" can't stand in a C file: rename [^\n]*\.\n$/,
      );
      await Deno.remove(`${folder}/${path}`);
    }
    await Deno.remove(`${folder}/a*`);
    assertEquals(await listFolder(folder), []);
  });
});

Deno.test("kup bind refuses a compiler that writes no object file, or an odd one", async () => {
  const odd = `#!/bin/sh
cc "$@" && for last in "$@"; do [ "$object" = - ] && object=$last; [ "$last" = -o ] && object=-; done
[ -z "$object" ] || CHANGE
`;
  const changes = {
    none: 'rm "$object"',
    cut: 'truncate -s 700 "$object"',
    unlinked: 'printf "\\377" | dd of="$object" bs=1 seek=60 conv=notrunc status=none',
    text: 'objcopy --update-section .debug_line=a.h "$object"',
    bare: 'objcopy --update-section .debug_abbrev=a.h "$object"',
    same: "echo values:1: >&2 && exit 1",
  };
  await withFiles({ "a.h": "#define A 1\nstruct a { int b; };\n" }, async (folder) => {
    for (const [name, change] of Object.entries(changes)) {
      await Deno.writeTextFile(`${folder}/${name}`, odd.replace("CHANGE", change));
      await Deno.chmod(`${folder}/${name}`, 0o755);
      const { code, error } = await kupBind(["a.h", "--cc", `./${name}`], folder);
      assertEquals(code, 1, name);
      assertMatch(error, /^kup bind: [^\n]*(give another [^\n]* by --cc|by -I and -D)\.\n$/, name);
    }
  });
});

Deno.test("readHeader() rejects a folder and a file that is not there", async () => {
  await assertRejects(() => readHeader(`${BIND}/missing.h`), Deno.errors.NotFound);
});
