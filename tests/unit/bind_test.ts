// SPDX-License-Identifier: BSD-3-Clause
/** `kup bind`: what it writes, between C and TypeScript, and what it refuses. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import { readHeader } from "../../bind/header.ts";
import { open } from "../../mod.ts";
import { CONFIG } from "../checks/static.ts";
import { ROOT } from "../lib/paths.ts";
import { assertThrowsWith, test } from "./attached.ts";
import {
  Bytes,
  EVERY_AUTO,
  EVERY_BLUE,
  EVERY_ECHO,
  EVERY_FIELD,
  EVERY_KIND_LONG_NUMBER,
  EVERY_LARGE,
  EVERY_MANY,
  EVERY_MINUS,
  EVERY_NEGATIVE,
  EVERY_ON,
  EVERY_ORDER,
  EVERY_POSITIVE,
  EVERY_STOP,
  EVERY_SUM,
  EVERY_TAG_NUMBER,
  EVERY_TAG_POINT,
  EveryEcho,
  EveryEchoWriter,
  EveryField,
  EveryFieldWriter,
  EveryOrderWriter,
  EveryStop,
  EveryToKernel,
  EveryToUser,
} from "./bind/every.ts";

const BIND = `${ROOT}/tests/unit/bind`;
const decoder = new TextDecoder();

interface Result {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function run(
  command: string,
  args: string[],
  cwd = ROOT,
  more: Record<string, string> = {},
): Promise<Result> {
  const env = { NO_COLOR: "1", ...more };
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd, env }).output();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-run"];

function kupBind(
  args: string[],
  cwd = ROOT,
  permissions = PERMISSIONS,
  env: Record<string, string> = {},
): Promise<Result> {
  const options = ["run", "--no-check", "--no-prompt", "--config", `${ROOT}/${CONFIG}`];
  const main = `${ROOT}/bind/main.ts`;
  return run(Deno.execPath(), [...options, ...permissions, main, ...args], cwd, env);
}

/** Runs `test` with a folder that has these files. */
async function withFiles<T>(
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

async function listFolder(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

/** Both kinds of compilers; zig's is clang. */
const ZIG = Deno.env.get("KUP_ZIG");
const COMPILERS = ["cc", ...ZIG === undefined ? [] : [`${ZIG} cc`]];

const FUNCTIONS = {
  every_fill: { parameters: ["buffer"], result: "void" },
  every_same: { parameters: ["buffer"], result: "i32" },
  every_checks: { parameters: ["u32", "buffer", "u32"], result: "i32" },
} as const;

type Functions = Deno.DynamicLibrary<typeof FUNCTIONS>["symbols"];

/** Runs `test` with C's side, which is compiled with everything that is generated. */
async function withC(test: (functions: Functions) => void | Promise<void>): Promise<void> {
  await withFiles({}, async (folder) => {
    const library = `${folder}/every.so`;
    const flags = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", library];
    const { code, error } = await run("cc", [...flags, `${BIND}/every.c`]);
    assertEquals(code, 0, error);
    const loaded = Deno.dlopen(library, FUNCTIONS);
    try {
      await test(loaded.symbols);
    } finally {
      loaded.close();
    }
  });
}

/** The values that every.c writes. */
function assertField(field: EveryField): void {
  assertEquals(
    [field.u8, field.i8, field.u16, field.i16, field.u32, field.i32],
    [200, -100, 60000, -30000, 4000000000, -2000000000],
  );
  assertEquals([field.u64, field.i64], [0xfedcba9876543210n, -9007199254740991n]);
  assertEquals([field.u64Number, field.i64Number], [0xfedcba9876543210, -9007199254740991]);
  assertEquals([field.f32, field.f64, field.flag], [1.5, -0.1, true]);
  assertEquals([field.mode, field.sign, field.small], [EVERY_AUTO, EVERY_NEGATIVE, EVERY_BLUE]);
  assertEquals(field.name, "grüß");
  assertEquals([field.be16, field.be32, field.be64], [0xabcd, 0x89abcdef, 0x0123456789abcdefn]);
  assertEquals(field.be64Number, 0x0123456789abcdef);
  assertEquals([field.point.x, field.point.y], [-1, 2]);
  assertEquals([0, 1, 2].map((i) => field.points(i).y), [10, 11, 12]);
  assertEquals([0, 1].map((i) => [0, 1, 2].map((k) => field.matrix(i, k))), [[0, 1, 2], [3, 4, 5]]);
  assertEquals([field.names(0), field.names(1)], ["one", "seven77"]);
  assertEquals([field.large(0), field.large(1), field.largeNumber(1)], [0n, -5n, -5]);
  assertEquals([field.unnamed.inner, field.unnamed.more.deep, field.flat], [6, 7, 8]);
  assertEquals([field.tag, field.value.point.x], [EVERY_TAG_POINT, 9]);
  assertEquals([field.kind, field.longNumber, field.longNumberNumber], [1, 10n, 10]);
  assertEquals(field.kind, EVERY_KIND_LONG_NUMBER);
}

function writeField(writer: EveryFieldWriter): void {
  writer.u8 = 200;
  writer.i8 = -100;
  writer.u16 = 60000;
  writer.i16 = -30000;
  writer.u32 = 4000000000;
  writer.i32 = -2000000000;
  writer.u64 = 0xfedcba9876543210n;
  writer.i64Number = -9007199254740991;
  writer.f32 = 1.5;
  writer.f64 = -0.1;
  writer.flag = true;
  writer.mode = EVERY_AUTO;
  writer.sign = EVERY_NEGATIVE;
  writer.small = EVERY_BLUE;
  writer.name = "grüß";
  writer.be16 = 0xabcd;
  writer.be32 = 0x89abcdef;
  writer.be64 = 0x0123456789abcdefn;
  writer.point.x = -1;
  writer.point.y = 2;
  for (let i = 0; i < 3; i++) writer.points(i).y = 10 + i;
  for (let i = 0; i < 6; i++) writer.setMatrix(Math.floor(i / 3), i % 3, i);
  writer.setNames(0, "one");
  writer.setNames(1, "seven77");
  writer.setLargeNumber(1, -5);
  writer.unnamed.inner = 6;
  writer.unnamed.more.deep = 7;
  writer.flat = 8;
  writer.value.point.x = 9;
  writer.longNumberNumber = 10;
}

Deno.test("kup bind's readers return each kind of field as C wrote it", async () => {
  await withC(({ every_fill }) => {
    const bytes = new Uint8Array(EveryField.SIZE + 3);
    every_fill(bytes);
    assertField(new EveryField().at(new Bytes(bytes)));
    // At an offset that is aligned to nothing, and of a view with an offset.
    bytes.copyWithin(3, 0);
    assertField(new EveryField().at(new Bytes(bytes), 3));
    assertField(new EveryField().at(new Bytes(bytes.subarray(3))));
  });
});

Deno.test("kup bind's writers write each kind of field as C reads it, and clear the rest", async () => {
  await withC(({ every_same }) => {
    const writer = new EveryFieldWriter();
    for (const offset of [0, 5]) {
      const bytes = new Uint8Array(EveryField.SIZE + 9).fill(0xff);
      writeField(writer.at(bytes, offset));
      assertEquals(every_same(bytes.slice(offset)), 1);
      assert([...bytes.subarray(0, offset), ...bytes.subarray(offset + EveryField.SIZE)]
        .every((byte) => byte === 0xff));
    }
  });
});

Deno.test("kup bind's readers and writers work on messages and reservations", async () => {
  using device = open("host:echo");
  using channel = await device.attach();
  const writer = new EveryFieldWriter();
  const records = new EveryToUser();
  for (let i = 0; i < 3; i++) {
    using room = await channel.reserve(EveryFieldWriter.SIZE);
    writeField(writer.at(room));
    room.commit({ type: writer.recordType });
    const record = records.read((await channel.receive())!);
    assert(record.recordType === EVERY_FIELD);
    assertField(record);
    await channel.send(new Uint8Array(EveryEcho.SIZE), { type: EVERY_ECHO });
    const seen: number[] = [];
    while (channel.drain((cursor) => seen.push(records.read(cursor).recordType)) === 0);
    assertEquals(seen, [EVERY_ECHO]);
  }
});

Deno.test("kup bind's records refuse an unknown type and a short message", () => {
  const bytes = new Uint8Array(EveryField.SIZE);
  const message = (type: number, length: number) =>
    Object.assign(new Bytes(bytes.subarray(0, length)), { type });
  const toUser = new EveryToUser();
  assertEquals(toUser.read(message(EVERY_FIELD, EveryField.SIZE)).recordType, EVERY_FIELD);
  assertThrows(() => toUser.read(message(EVERY_ORDER, 100)), RangeError, "no record of type 16");
  assertThrows(() => toUser.read(message(EVERY_FIELD, 10)), RangeError, "and there are 10");
  const toKernel = new EveryToKernel();
  assertEquals(toKernel.read(message(EVERY_STOP, 0)).recordType, EVERY_STOP);
  assertEquals(toKernel.read(message(EVERY_ECHO, 10)).recordType, EVERY_ECHO);
  assertThrows(() => toKernel.read(message(EVERY_FIELD, EveryField.SIZE)), RangeError);
});

test(
  'kup bind\'s records throw "gap" for a gap, in a message and in a cursor',
  (channel, kernel) => {
    const records = new EveryToUser();
    kernel.gap(3, 15_000);
    kernel.send("behind it");
    assertThrowsWith(() => records.read(channel.tryReceive()!), "gap");
    channel.tryReceive();
    kernel.gap(3, 15_000);
    kernel.send("behind it");
    assertThrowsWith(() => channel.drain((cursor) => void records.read(cursor)), "gap");
  },
);

test(
  'kup bind\'s readers throw "released" when their message is no longer valid',
  (channel, kernel) => {
    kernel.send(new Uint8Array(EveryEcho.SIZE), EVERY_ECHO);
    const reader = new EveryEcho().at(channel.tryReceive()!);
    assertEquals(reader.last, 0);
    channel.tryReceive();
    assertThrowsWith(() => reader.last, "released");
  },
);

Deno.test("kup bind's readers refuse what lies beyond the struct, its arrays and its tag", () => {
  const reader = new EveryField();
  const bytes = new Bytes(new ArrayBuffer(EveryField.SIZE));
  for (const offset of [1, -1, 0.5, NaN, Infinity]) {
    assertThrows(() => reader.at(bytes, offset).u8 + reader.f64, RangeError);
  }
  reader.at(bytes);
  for (const index of [-1, 3, 0.5, NaN, 2 ** 32]) {
    assertThrows(() => reader.points(index), RangeError, "points has no element");
  }
  assertThrows(() => reader.matrix(0, 3), RangeError, "use 0 to 2");
  assertThrows(() => reader.value.number, TypeError, "whether tag is EVERY_TAG_NUMBER");
  assertThrows(() => reader.spot, TypeError, "whether kind is EVERY_KIND_SPOT");
});

Deno.test("kup bind's writers refuse values that the field can't hold", () => {
  const writer = new EveryFieldWriter().at(new Uint8Array(EveryField.SIZE));
  for (const value of [-1, 256, 0.5, NaN, Infinity]) {
    assertThrows(() => writer.u8 = value, RangeError, "u8 takes an integer from 0 to 255");
  }
  assertThrows(() => writer.i16 = 0x8000, RangeError);
  assertThrows(() => writer.u64 = -1n, RangeError);
  assertThrows(() => writer.u64Number = -1, RangeError);
  assertThrows(() => writer.i64 = 2n ** 63n, RangeError);
  assertThrows(() => writer.i64Number = 2 ** 53, RangeError);
  for (const text of ["sixteen letters!", "ü".repeat(8), "a\0b"]) {
    assertThrows(() => writer.name = text, RangeError, "name takes at most 15 bytes");
  }
  writer.name = "fifteen letters";
  for (const offset of [-1, 1, 0.5, NaN]) {
    assertThrows(() => writer.at(new Uint8Array(EveryField.SIZE), offset), RangeError);
  }
  assertThrows(() => new EveryFieldWriter().u8 = 1, RangeError);
});

Deno.test("kup bind's constants are numbers, and bigints where C has 64 bits", () => {
  assertEquals([EVERY_MANY, EVERY_MINUS, EVERY_SUM], [5, -3, 2]);
  assertEquals(EVERY_LARGE, 0x123456789abcn);
  assertEquals([EveryStop.SIZE, EveryEcho.SIZE, EveryEcho.AT.last], [0, 10, 9]);
});

Deno.test("kup bind's checker accepts what the writers write, and refuses each field's lies", async () => {
  await withC(({ every_checks }) => {
    const bytes = new Uint8Array(EveryOrderWriter.SIZE);
    const order = new EveryOrderWriter();
    const fill = () => {
      order.at(bytes).mode = EVERY_AUTO;
      order.sign = EVERY_POSITIVE;
      order.small = EVERY_BLUE;
      order.on = true;
      order.name = "abcde";
      order.setFlags(1, 1, true);
      order.value.number = EVERY_ON;
    };
    const check = (type: number = EVERY_ORDER, data = bytes) =>
      every_checks(type, data, data.length);
    fill();
    assertEquals(check(), 0);
    // Where a byte makes the record a lie: the offsets are every.h's.
    const lies = { mode: 0, sign: 4, small: 8, on: 9, flag: 16, pad: 20, tag: 24, number: 28 };
    for (const [name, at] of Object.entries(lies)) {
      fill();
      bytes[at] = 3;
      assertEquals(check(), -22, name);
    }
    fill();
    bytes[15] = 1; // the name has no NUL
    assertEquals(check(), -22, "name");
    fill();
    bytes[24] = EVERY_TAG_POINT; // a number is no point, but each point is one
    bytes[28] = 3;
    assertEquals(check(), 0, "point");
    fill();
    assertEquals(check(EVERY_ORDER, bytes.slice(1)), -22);
    assertEquals(check(EVERY_ORDER, new Uint8Array(bytes.length + 1)), -22);
    assertEquals(check(EVERY_FIELD, new Uint8Array(EveryField.SIZE)), -22, "of the kernel");
    assertEquals([check(EVERY_STOP, new Uint8Array(0)), check(EVERY_STOP)], [0, -22]);
    const echo = new Uint8Array(EveryEcho.SIZE);
    new EveryEchoWriter().at(echo).last = 255;
    assertEquals(check(EVERY_ECHO, echo), 0);
    echo[8] = 1; // reserved
    assertEquals(check(EVERY_ECHO, echo), -22);
    assertEquals(EVERY_TAG_NUMBER, 1);
  });
});

Deno.test("kup bind's checker reads nothing beyond a record of any length and content", async () => {
  await withFiles({}, async (folder) => {
    const program = `${folder}/hostile`;
    const flags = ["-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"];
    flags.push("-fno-sanitize-recover=all", "-o", program, `${BIND}/hostile.c`);
    const built = await run("cc", flags);
    assertEquals(built.code, 0, built.error);
    for (const seed of [1, 2, 3]) {
      const { code, out, error } = await run(program, [String(seed)]);
      assertEquals(code, 0, out + error);
      assertMatch(out, /^\d+ accepted\n$/);
    }
  });
});

/* ---- The command ---- */

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
        const { code, out, error } = await kupBind(["a.h", "--cc", compiler], folder);
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
