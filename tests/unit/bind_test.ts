// SPDX-License-Identifier: BSD-3-Clause
/** `kup bind`: what it writes, between C and TypeScript. */

import { assert, assertEquals, assertMatch, assertThrows } from "../../deps.ts";
import { open } from "../../mod.ts";
import { BIND, run, withFiles } from "../lib/bind.ts";
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
