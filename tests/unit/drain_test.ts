// SPDX-License-Identifier: BSD-3-Clause
/** Channel.drain(), its cursor, and Message.copyInto(). */

import { assert, assertEquals, assertThrows } from "../../deps.ts";
import type { Channel, Cursor } from "../../mod.ts";
import { RECORD_READY } from "../../src/abi.ts";
import { assertRejectsWith, assertThrowsWith, test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";

function sendAll(kernel: KernelSide, ...texts: string[]): void {
  for (const text of texts) assert(kernel.send(text));
}

function drained(channel: Channel, max?: number): string[] {
  const texts: string[] = [];
  const count = channel.drain((message) => {
    texts.push(message.text());
  }, max === undefined ? undefined : { max });
  assertEquals(count, texts.length);
  return texts;
}

test("Channel.drain() hands out all that is there, in order", (channel, kernel) => {
  assertEquals(drained(channel), []);
  sendAll(kernel, "1", "22", "");
  assertEquals(drained(channel), ["1", "22", ""]);
  assertEquals([drained(channel), channel.done], [[], false]);
});

test("Channel.drain() stops after `max` messages", (channel, kernel) => {
  sendAll(kernel, "1", "2", "3");
  assertEquals(drained(channel, 2), ["1", "2"]);
  assertEquals(drained(channel, 2), ["3"]);
  for (const max of [0, 1.5, NaN, -1]) {
    assertThrows(() => channel.drain(() => {}, { max }), RangeError, "`max`");
  }
});

test("Channel.drain() gives all room back", (channel, kernel) => {
  for (let round = 1; round <= 40; round++) {
    for (let i = 0; i < 20; i++) assert(kernel.send("12345678"), "there is room");
    assertEquals([drained(channel).length, kernel.tail], [20, round * 20 * 16]);
  }
});

test("Channel.drain() releases what was received before", (channel, kernel) => {
  sendAll(kernel, "1", "2");
  const first = channel.tryReceive()!;
  assertEquals(drained(channel), ["2"]);
  assertThrowsWith(() => first.bytes, "released");
});

test(
  "Channel.drain() refuses receiving inside the callback, and allows sending",
  async (channel, kernel) => {
    sendAll(kernel, "1", "2");
    const refused: Promise<unknown>[] = [];
    const texts: string[] = [];
    channel.drain((message) => {
      for (
        const call of [
          () => channel.tryReceive(),
          () => channel.tryReceiveBatch(),
          () => channel.receiveSync({ timeout: 0 }),
          () => channel.drain(() => {}),
        ]
      ) assertThrowsWith(call, "busy");
      refused.push(channel.receive(), channel.receiveBatch(), channel.messages().next());
      refused.forEach((promise) => promise.catch(() => {}));
      texts.push(message.text());
      assert(channel.trySend("answer"));
    });
    for (const promise of refused) await assertRejectsWith(promise, "busy");
    assertEquals([texts, kernel.receive()?.text, kernel.receive()?.text], [
      ["1", "2"],
      "answer",
      "answer",
    ]);
    assertEquals(channel.tryReceive(), undefined);
  },
);

test("Channel.drain() is busy while a receive waits", async (channel, kernel) => {
  const received = channel.receive();
  assertThrowsWith(() => channel.drain(() => {}), "busy");
  sendAll(kernel, "1");
  assertEquals((await received)?.text(), "1");
});

test("Channel.drain() counts the message whose callback throws as received", (channel, kernel) => {
  sendAll(kernel, "1", "2", "3");
  const error = new Error("the callback's");
  let thrown: unknown;
  try {
    channel.drain((message) => {
      if (message.text() === "2") throw error;
    });
  } catch (caught) {
    thrown = caught;
  }
  assertEquals([thrown === error, kernel.tail], [true, 32]);
  assertEquals(drained(channel), ["3"]);
});

test(
  "Channel.drain() refuses a callback that returns a promise, and one that is none",
  (channel, kernel) => {
    sendAll(kernel, "1", "2");
    assertThrows(() => channel.drain(() => Promise.resolve()), TypeError, "promise");
    assertEquals(drained(channel), ["2"]);
    assertThrows(
      () => channel.drain(5 as unknown as () => void),
      TypeError,
      "`callback` must be a function",
    );
    assertThrows(
      () => channel.drain(() => {}, { timeout: 1 } as object),
      TypeError,
      "takes no `timeout`",
    );
  },
);

test("Channel.drain() ends when its callback closes the channel", (channel, kernel) => {
  sendAll(kernel, "1", "2");
  let cursor: Cursor | undefined;
  const count = channel.drain((message) => {
    channel.close();
    cursor = message;
    assertThrowsWith(() => message.u8(0), "released");
  });
  assertEquals(count, 1);
  assertThrowsWith(() => cursor!.text(), "released");
  assertThrowsWith(() => channel.drain(() => {}), "closed");
});

test("Channel.drain() reads what a kernel has left that has closed", (channel, kernel) => {
  sendAll(kernel, "1");
  kernel.close();
  assertEquals([drained(channel), channel.done], [["1"], false]);
  assertEquals([drained(channel), channel.done], [[], true]);
});

test("Channel.drain() finds what lies behind hundreds of discarded records", (channel, kernel) => {
  for (let i = 0; i < 900; i++) kernel.discard(0);
  sendAll(kernel, "1");
  assertEquals(drained(channel), ["1"]);
}, { ring: 65536 });

test(
  "Channel.drain() breaks over a forged header, after the messages before it",
  (channel, kernel) => {
    sendAll(kernel, "1");
    const next = (kernel.toUser.data + 16) >> 2;
    kernel.words[next] = RECORD_READY | 0x0fffffff;
    assertEquals(drained(channel), ["1"]);
    assertThrowsWith(() => channel.drain(() => {}), "broken");
  },
);

test("Channel.drain() breaks over a ring of forged headers", (channel, kernel) => {
  const first = kernel.toUser.data >> 2;
  for (let i = 0; i < 1024; i += 2) kernel.words[first + i] = RECORD_READY;
  let count = 0;
  assertThrowsWith(() => channel.drain(() => void count++), "broken");
  assert(count <= 4096 / 8 / 8 + 1, `${count} messages were read`);
});

test("Cursor: its reads see the bytes, and none beyond the message", (channel, kernel) => {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, Math.PI, true);
  view.setBigInt64(8, -2n, true);
  for (let i = 16; i < 24; i++) bytes[i] = 0xf0 + i - 16;
  kernel.send(bytes, 7);
  channel.drain((m) => {
    assertEquals([m.type, m.length, m.gap], [7, 24, undefined]);
    assertEquals([m.f64(0), m.i64(8), m.u64(8)], [Math.PI, -2n, 2n ** 64n - 2n]);
    assertEquals([m.u8(23), m.u16(16), m.u32(16), m.i32(20)], [
      0xf7,
      0xf1f0,
      0xf3f2f1f0,
      0xf7f6f5f4 | 0,
    ]);
    assertEquals([m.u32(17), m.i32(17)], [0xf4f3f2f1, 0xf4f3f2f1 | 0]);
    assertEquals(m.f32(0), view.getFloat32(0, true));
    assertEquals([m.copy(), m.copy(16), m.copy(16, 2)], [
      bytes,
      bytes.slice(16),
      bytes.slice(16, 18),
    ]);
    const reads: ((at: number) => unknown)[] = [
      m.u8,
      m.u16,
      m.u32,
      m.i32,
      m.f32,
      m.f64,
      m.u64,
      m.i64,
    ]
      .map((read) => read.bind(m));
    for (const read of reads) {
      for (const at of [24, -1, 1.5, NaN, 2 ** 32, 2 ** 31, Infinity]) {
        assertThrows(() => read(at), RangeError, "the message has 24 bytes");
      }
    }
    for (const [at, length] of [[20, 5], [25, 0], [0, -1], [0, 2 ** 32]] as const) {
      assertThrows(() => m.copy(at, length), RangeError);
      assertThrows(() => m.text(at, length), RangeError);
    }
    const target = new Uint8Array(30);
    assertEquals([m.copyInto(target, 6), target.subarray(6)], [24, bytes]);
    assertThrows(() => m.copyInto(target, 7), RangeError);
  });
});

test("Cursor: a gap can't be taken for a message", (channel, kernel) => {
  kernel.gap(3, 15_000);
  sendAll(kernel, "after");
  const seen: unknown[] = [];
  channel.drain((message) => {
    if (message.gap === undefined) return void seen.push(message.text());
    assertEquals([message.type, message.length], [0, 0]);
    for (const call of [() => message.u8(0), () => message.text(), () => message.copy()]) {
      assertThrowsWith(call, "gap");
    }
    seen.push(message.gap);
  });
  assertEquals(seen, [{ records: 3, bytes: 15000 }, "after"]);
});

test("Message.copyInto() copies into a place of the caller's", (channel, kernel) => {
  sendAll(kernel, "abc", "d");
  const message = channel.tryReceive()!;
  const target = new Uint8Array(5);
  assertEquals([message.copyInto(target), message.copyInto(target, 2)], [3, 3]);
  assertEquals(new TextDecoder().decode(target), "ababc");
  assertThrows(() => message.copyInto(target, 3), RangeError);
  channel.tryReceive();
  assertThrowsWith(() => message.copyInto(target), "released");
});
