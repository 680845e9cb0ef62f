// SPDX-License-Identifier: BSD-3-Clause
/** Times, processors and numbers of messages: channels with stamps, and without. */

import { assert, assertEquals, assertThrows } from "../../deps.ts";
import type { Message } from "../../mod.ts";
import {
  ABI_VERSION,
  ATTACH_AT,
  CHANNEL_ANY,
  CLOCK_MONOTONIC,
  FEATURE_STAMPS,
  FEATURES,
  INFO_AT,
  RECORD_READY,
} from "../../src/abi.ts";
import { ROOT } from "../lib/paths.ts";
import { assertRejectsWith, assertThrowsWith, test } from "./attached.ts";
import { DrivenDevice } from "./driven.ts";

const RING = 4096;
const EOPNOTSUPP = 95;

const { os, arch } = Deno.build;
const library = Deno.dlopen(`${ROOT}/native/build/libkup-${os}-${arch}.so`, {
  kup_user_open: { parameters: ["buffer"], result: "i32" },
  kup_user_info: { parameters: ["i32", "buffer"], result: "i32" },
  kup_user_attach: { parameters: ["i32", "buffer"], result: "i32" },
  kup_user_close: { parameters: ["i32"], result: "i32" },
}).symbols;

function received(message: Message | undefined): [string, number | undefined] {
  if (message === undefined) return ["none", undefined];
  return [message.gap === undefined ? message.text() : "gap", message.sequence];
}

test("Message.sequence counts messages, and its bytes leave the stamp out", (channel, kernel) => {
  for (const text of ["one", "", "three"]) assert(kernel.send(text, 7));
  const batch = channel.tryReceiveBatch();
  assertEquals(batch.map(received), [["one", 0], ["", 1], ["three", 2]]);
  assertEquals(batch.map(({ length, type }) => [length, type]), [[3, 7], [0, 7], [5, 7]]);
  assertEquals(batch[2]!.bytes.byteOffset % 8, 0);
  assertEquals(channel.stats().toUserBytes, 8);
}, { stamps: 1 });

test("Message.timestamp is comparable with performance.now()", (channel, kernel) => {
  // For the rounding of the clocks. No stall of the machine makes it wrong.
  const slack = 50;
  const before = performance.now();
  kernel.send("x");
  kernel.send("y");
  const after = performance.now();
  const [x, y] = channel.tryReceiveBatch();
  assert(x!.timestamp! > before - slack && y!.timestamp! < after + slack);
  assert(x!.timestamp! <= y!.timestamp! && x!.timestampNs! <= y!.timestampNs!);
  const differs = Number(y!.timestampNs! - x!.timestampNs!) - (y!.timestamp! - x!.timestamp!) * 1e6;
  assert(Math.abs(differs) < 1000);
  assert(x!.cpu! >= 0 && x!.cpu! < 4096);
}, { stamps: 1 });

test("Message.sequence is kept when the message is released", (channel, kernel) => {
  kernel.send("x");
  const message = channel.tryReceive()!;
  channel.tryReceive();
  assertEquals([message.sequence, typeof message.timestampNs], [0, "bigint"]);
  assertThrowsWith(() => message.bytes, "released");
}, { stamps: 1 });

test("Message.sequence counts lost messages, and a gap has the first one's", (channel, kernel) => {
  kernel.send("0");
  // Number 4 is the discarded record that lets the gap come.
  kernel.gap(3, 15_000);
  kernel.send("5");
  const batch = channel.tryReceiveBatch();
  assertEquals(batch.map(received), [["0", 0], ["gap", 1], ["5", 5]]);
  assertEquals(batch[1]!.gap, { records: 3, bytes: 15_000 });
  assert(batch[0]!.timestampNs! <= batch[1]!.timestampNs!);
  assert(batch[1]!.timestampNs! <= batch[2]!.timestampNs!);
}, { stamps: 1 });

test("Message.sequence has a hole where a reservation was discarded", (channel, kernel) => {
  kernel.send("0");
  kernel.discard(10);
  kernel.send("2");
  assertEquals(channel.tryReceiveBatch().map(received), [["0", 0], ["2", 2]]);
}, { stamps: 1 });

test("Message.sequence and the other stamps are undefined without stamps", (channel, kernel) => {
  kernel.send("x");
  const { timestamp, timestampNs, cpu, sequence } = channel.tryReceive()!;
  assertEquals([timestamp, timestampNs, cpu, sequence], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  kernel.send("x");
  channel.drain((message) => assertEquals(message.sequence, undefined));
});

test("Cursor.sequence and its other stamps are those of its message", (channel, kernel) => {
  kernel.send("0");
  kernel.gap(1, 5000);
  kernel.send("3");
  const seen: unknown[] = [];
  let last = 0;
  let cursor: { readonly sequence: number | undefined };
  channel.drain((message) => {
    cursor = message;
    seen.push([message.gap === undefined ? message.text() : "gap", message.sequence]);
    assert(message.timestamp! >= last && message.timestampNs! > 0n && message.cpu! >= 0);
    last = message.timestamp!;
  });
  assertEquals(seen, [["0", 0], ["gap", 1], ["3", 3]]);
  assertThrowsWith(() => cursor!.sequence, "released");
}, { stamps: 1 });

test("Channel.maxReceive leaves room for stamps", (channel, kernel) => {
  assertEquals(channel.maxReceive, RING - 40 - 32);
  assert(kernel.send(new Uint8Array(channel.maxReceive)));
  assertEquals(channel.tryReceive()!.length, channel.maxReceive);
  channel.tryReceive();
  assertThrows(() => kernel.send(new Uint8Array(channel.maxReceive + 1)), Error, "-90");
  // The longest message, with the report of a loss before it, fits into an empty ring.
  kernel.gap(1, 5000);
  channel.tryReceiveBatch();
  channel.tryReceive();
  assert(kernel.send(new Uint8Array(channel.maxReceive)));
}, { stamps: 1 });

test("Channel.readable has no stamps in its chunks", async (channel, kernel) => {
  const reader = channel.readable.getReader();
  kernel.send("text");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "text");
}, { stamps: 1 });

test(
  "Channel.receive() refuses a record that is shorter than its stamp",
  async (channel, kernel) => {
    kernel.words[kernel.toUser.data >> 2] = 8 | RECORD_READY;
    await assertRejectsWith(channel.receive(), "broken");
  },
  { stamps: 1 },
);

Deno.test("ATTACH without the bit for stamps fails with EOPNOTSUPP", () => {
  using device = new DrivenDevice({ stamps: 1 });
  const path = new TextEncoder().encode(`${device.path}\0`);
  const file = library.kup_user_open(path);
  try {
    const info = new DataView(new ArrayBuffer(INFO_AT.SIZE));
    assertEquals(library.kup_user_info(file, new Uint8Array(info.buffer)), 0);
    assertEquals(info.getBigUint64(INFO_AT.required, true), FEATURE_STAMPS);
    assertEquals(info.getUint32(INFO_AT.clock, true), CLOCK_MONOTONIC);
    const attach = (understood: bigint) => {
      const request = new DataView(new ArrayBuffer(ATTACH_AT.SIZE));
      request.setUint32(ATTACH_AT.abiVersion, ABI_VERSION, true);
      request.setUint32(ATTACH_AT.channel, CHANNEL_ANY, true);
      request.setBigUint64(ATTACH_AT.understood, understood, true);
      return library.kup_user_attach(file, new Uint8Array(request.buffer));
    };
    assertEquals(attach(0n), -EOPNOTSUPP);
    assertEquals(attach(FEATURES & ~FEATURE_STAMPS), -EOPNOTSUPP);
    assertEquals(attach(FEATURES), 0);
  } finally {
    library.kup_user_close(file);
  }
});
