// SPDX-License-Identifier: BSD-3-Clause
/** docs/protocol.md agrees with the shared header, and its example with the ring's code. */

import { assert, assertEquals, assertGreater } from "../../deps.ts";
import * as abi from "../../src/abi.ts";
import { Producer } from "../../src/ring.ts";
import { ROOT } from "../lib/paths.ts";

const PAGE = await Deno.readTextFile(`${ROOT}/docs/protocol.md`);
const NUMBERS: Readonly<Record<string, unknown>> = abi;

/** The cells of all rows of tables. */
const ROWS = PAGE.split("\n").filter((line) => line.startsWith("| ")).map((line) =>
  line.slice(2, -2).split(" | ").map((cell) => cell.trim())
);

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function offsets(struct: string): Readonly<Record<string, number>> {
  const found = NUMBERS[`${struct.toUpperCase()}_AT`];
  assert(typeof found === "object", `there is no struct kup_${struct}`);
  return found as Record<string, number>;
}

Deno.test("docs/protocol.md has the header's values of all constants that it names", () => {
  const constants = ROWS.filter(([name]) => /^`KUP_[A-Z_]+`$/.test(name!));
  assertGreater(constants.length, 30);
  for (const [name, value] of constants) {
    const actual = NUMBERS[name!.slice(5, -1)];
    assert(actual !== undefined, `the header has no ${name}`);
    assertEquals(BigInt(value!), BigInt(actual as number | bigint), name);
  }
});

Deno.test("docs/protocol.md has the header's sizes of structs, and offsets of fields", () => {
  const structs = ROWS.filter(([name]) => /^`kup_\w+`$/.test(name!));
  assertEquals(structs.length, 5);
  for (const [name, bytes, fields] of structs) {
    const at = offsets(name!.slice(5, -1));
    assertEquals(Number(bytes), at.SIZE, name);
    for (const [, field, offset] of fields!.matchAll(/`(\w+)` (\d+)/g)) {
      assertEquals(Number(offset), at[camel(field!)], `${name}.${field}`);
    }
  }
  const words = ROWS.filter(([page]) => page === "kernel" || page === "user");
  assertEquals(words.length, 11);
  for (const [page, offset, word] of words) {
    assertEquals(Number(offset), offsets(`${page}_page`)[camel(word!.slice(1, -1))], word);
  }
});

Deno.test("docs/protocol.md has each error and control record of the header", () => {
  const missing = Object.keys(NUMBERS).filter((name) =>
    /^(?:ERROR_(?!NONE)|CONTROL_|RECORD_[A-Z]+$|FEATURE_|CALL_(?!AT))/.test(name) &&
    !PAGE.includes(`| \`KUP_${name}\``)
  );
  assertEquals(missing, []);
});

Deno.test("docs/protocol.md shows the bytes that a producer writes", () => {
  const buffer = new ArrayBuffer(16 + 2 * 64 * 1024);
  const bytes = new Uint8Array(buffer);
  const producer = new Producer({
    words: new Int32Array(buffer),
    bytes,
    data: 16,
    size: 64 * 1024,
    head: 0,
    tail: 4,
    producerEvent: 8,
    consumerEvent: 12,
  });
  producer.put(new TextEncoder().encode("hello"), 7);
  producer.reserve(2);
  producer.put(new TextEncoder().encode("bye"), 8);
  const shown = [...PAGE.matchAll(/^(0[0-9a-f]{2}) {2}((?:[0-9a-f]{2} ){7}[0-9a-f]{2})/gm)];
  assertEquals(shown.length, 8);
  for (const [, offset, hex] of shown) {
    const at = 16 + Number.parseInt(offset!, 16);
    assertEquals(hex!.replaceAll(" ", ""), bytes.subarray(at, at + 8).toHex(), offset);
  }
});
