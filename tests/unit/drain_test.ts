// SPDX-License-Identifier: BSD-3-Clause
/** Channel.drain(), its cursor, and Message.copyInto(). */

import { assert, assertEquals, assertThrows } from "../../deps.ts";
import type { Channel, Cursor, Message, Reads } from "../../mod.ts";
import { KERNEL_PAGE_AT, RECORD_READY } from "../../src/abi.ts";
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

/** Drains `wanted` messages: one drain ends after 5 ms, in which a test may not have run. */
function drainAll(channel: Channel, callback: (message: Cursor) => void, wanted: number): number {
  let count = 0;
  for (let tries = 0; count < wanted && tries < 1000; tries++) count += channel.drain(callback);
  return count;
}

test("Channel.drain() passes on all that is there, in order", (channel, kernel) => {
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

test("Channel.drain() publishes all room", (channel, kernel) => {
  for (let round = 1; round <= 40; round++) {
    for (let i = 0; i < 20; i++) assert(kernel.send("12345678"), "there is room");
    assertEquals([drainAll(channel, () => {}, 20), kernel.tail], [20, round * 20 * 16]);
  }
});

test("Channel.drain() releases what was received before", (channel, kernel) => {
  sendAll(kernel, "1", "2");
  const first = channel.tryReceive()!;
  assertEquals(channel.drain(() => assertThrowsWith(() => first.bytes, "released")), 1);
  sendAll(kernel, "3");
  const last = channel.tryReceive()!;
  assertEquals([drained(channel), kernel.tail], [[], 48]);
  assertThrowsWith(() => last.bytes, "released");
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

test("Channel.drain() reads what a kernel that has closed left behind", (channel, kernel) => {
  sendAll(kernel, "1");
  kernel.close();
  assertEquals([drained(channel), channel.done], [["1"], false]);
  assertEquals([drained(channel), channel.done], [[], true]);
});

test("Channel.drain() finds what lies behind hundreds of discarded records", (channel, kernel) => {
  for (let i = 0; i < 900; i++) kernel.discard(0);
  sendAll(kernel, "1");
  const texts: string[] = [];
  drainAll(channel, (message) => void texts.push(message.text()), 1);
  assertEquals(texts, ["1"]);
}, { ring: 65536 });

test(
  "Channel.drain() breaks at a forged header, after the messages before it",
  (channel, kernel) => {
    sendAll(kernel, "1");
    const next = (kernel.toUser.data + 16) >> 2;
    kernel.words[next] = RECORD_READY | 0x0fffffff;
    assertEquals(drained(channel), ["1"]);
    assertThrowsWith(() => channel.drain(() => {}), "broken");
  },
);

test("Channel.drain() breaks at a ring of forged headers", (channel, kernel) => {
  const first = kernel.toUser.data >> 2;
  for (let i = 0; i < 1024; i += 2) kernel.words[first + i] = RECORD_READY;
  let count = 0;
  assertThrowsWith(() => drainAll(channel, () => void count++, 2 ** 32), "broken");
  assert(count <= 4096 / 8 / 8 + 1, `${count} messages were read`);
});

test("Channel.drain() loads a record's length once", (channel, kernel) => {
  sendAll(kernel, "1", "22", "333");
  const first = kernel.toUser.data >> 2;
  const texts: string[] = [];
  channel.drain((message) => {
    // The process has written over the headers of this record and of the one before it.
    for (let i = 0; i <= texts.length; i++) kernel.words[first + 4 * i] = RECORD_READY | 1000;
    texts.push(message.text());
  });
  assertEquals([texts, kernel.tail], [["1", "22", "333"], 48]);
});

test("Channel.drain() stops early if its callback is slow", (channel, kernel) => {
  for (let i = 0; i < 100; i++) sendAll(kernel, "1");
  let calls = 0;
  const count = channel.drain(() => {
    calls++;
    for (const start = performance.now(); performance.now() - start < 2;);
  });
  // It has looked at the clock after 4 messages, when 8 ms had gone.
  assertEquals([count, calls], [4, 4]);
  assertEquals(drainAll(channel, () => {}, 96), 96);
});

test(
  "Channel.drain() wakes a kernel that sleeps for room before it has read everything",
  (channel, kernel) => {
    for (let i = 0; i < 100; i++) sendAll(kernel, "1");
    // As a sender announces that it waits for the room of the second message.
    Atomics.store(kernel.words, KERNEL_PAGE_AT.toUserProducerEvent >> 2, 32);
    const { kicks } = kernel;
    const seen: number[] = [];
    channel.drain(() => void seen.push(kernel.tail, kernel.kicks - kicks), { max: 4 });
    assertEquals(seen, [0, 0, 0, 0, 32, 1, 32, 1]);
    assertEquals([kernel.tail, kernel.kicks - kicks], [64, 1]);
  },
);

test(
  "Channel.drain() gives room back while it reads, and not only at its end",
  (channel, kernel) => {
    const tails = new Set<number>();
    let count = 0;
    while (kernel.send("12345678")) count++;
    drainAll(channel, () => void tails.add(kernel.tail), count);
    assert(tails.size >= 8, `${tails.size} publications of a full ring`);
  },
);

test(
  "Channel.drain() leaves gaps and discarded records between messages in their places",
  (channel, kernel) => {
    const wanted: string[] = [];
    for (let i = 0; i < 40; i++) {
      if (i % 3 === 0) kernel.discard(i);
      if (i % 7 === 0) kernel.gap(i + 1, (i + 1) * 5000);
      sendAll(kernel, `${i}`);
      if (i % 7 === 0) wanted.push(`gap ${i + 1}`);
      wanted.push(`${i}`);
    }
    const seen: string[] = [];
    while (
      channel.drain((message) => {
        const { gap } = message;
        seen.push(gap === undefined ? message.text() : `gap ${gap.records}`);
      }, { max: 5 }) > 0
    );
    assertEquals(seen, wanted);
  },
);

test("Channel.drain() ends when a call in its callback finds a lie", (channel, kernel) => {
  sendAll(kernel, "1", "2", "3");
  const count = channel.drain(() => {
    kernel.words[KERNEL_PAGE_AT.toKernelTail >> 2] = 4;
    assertThrowsWith(() => {
      while (channel.trySend("12345678"));
    }, "broken");
  });
  assertEquals(count, 1);
  assertThrowsWith(() => channel.drain(() => {}), "broken");
});

test("Channel.drain() lets its callback wait for room", (channel, kernel) => {
  sendAll(kernel, "1", "2", "3");
  while (channel.trySend("12345678"));
  const results: string[] = [];
  channel.drain((message) => {
    assertThrowsWith(() => channel.sendSync("x", { timeout: 1 }), "timed-out");
    results.push(message.text(), `${kernel.tail}`);
  });
  // The wait has given back all that was read before, but not the message in the callback.
  assertEquals(results, ["1", "0", "2", "16", "3", "32"]);
});

/** Checks all reads of a message of 24 bytes. */
function checkReads(
  m: Reads & Pick<Message, "type" | "length" | "gap">,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  const view = new DataView(bytes.buffer);
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
}

function bytesToRead(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, Math.PI, true);
  view.setBigInt64(8, -2n, true);
  for (let i = 16; i < 24; i++) bytes[i] = 0xf0 + i - 16;
  return bytes;
}

test("Cursor reads the message's bytes, and none beyond them", (channel, kernel) => {
  const bytes = bytesToRead();
  kernel.send(bytes, 7);
  assertEquals(channel.drain((message) => checkReads(message, bytes)), 1);
});

test("Message reads its bytes, and none beyond them", (channel, kernel) => {
  const bytes = bytesToRead();
  kernel.send(bytes, 7);
  const message = channel.tryReceive()!;
  checkReads(message, bytes);
  channel.tryReceive();
  for (const read of [() => message.u8(0), () => message.f64(0), () => message.copy(0, 0)]) {
    assertThrowsWith(read, "released");
  }
});

test("Message and Cursor keep the private buffer to themselves", (channel, kernel) => {
  sendAll(kernel, "abc", "abc");
  const message = channel.tryReceive()! as unknown as Record<string | symbol, unknown>;
  const kinds = (object: object) =>
    Reflect.ownKeys(object).map((key) => typeof Reflect.get(object, key));
  assertEquals(kinds(message), ["number"]);
  assertThrows(() => message.length = 1000, TypeError);
  assertThrows(() => (message as unknown as Message).u8(3), RangeError);
  channel.drain((cursor) => {
    assertEquals(kinds(cursor), ["number", "number", "undefined"]);
    Object.assign(cursor, { length: 1000 });
    assertThrows(() => cursor.u8(3), RangeError);
  });
});

test("Cursor does not read a gap as a message", (channel, kernel) => {
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

test("Message.copyInto() copies into the caller's buffer", (channel, kernel) => {
  sendAll(kernel, "abc", "d");
  const message = channel.tryReceive()!;
  const target = new Uint8Array(5);
  assertEquals([message.copyInto(target), message.copyInto(target, 2)], [3, 3]);
  assertEquals(new TextDecoder().decode(target), "ababc");
  assertThrows(() => message.copyInto(target, 3), RangeError);
  channel.tryReceive();
  assertThrowsWith(() => message.copyInto(target), "released");
});

test("Message.copyInto() runs no code of the caller's", (channel, kernel) => {
  const views: unknown[] = [];
  class Thief extends Uint8Array<ArrayBuffer> {
    override set(view: ArrayLike<number>): void {
      views.push(view);
    }
    override get length(): number {
      return 1000;
    }
  }
  const thief = () => new Thief(new ArrayBuffer(4));
  sendAll(kernel, "abc", "abc", "12345");
  const message = channel.tryReceive()!;
  const copies = [thief(), thief()] as const;
  assertEquals(message.copyInto(copies[0]), 3);
  channel.drain((cursor) => void cursor.copyInto(copies[1], 1), { max: 1 });
  assertEquals([[...copies[0].values()], [...copies[1].values()], views], [
    [97, 98, 99, 0],
    [0, 97, 98, 99],
    [],
  ]);
  const long = channel.tryReceive()!;
  assertThrows(() => long.copyInto(thief()), RangeError, "room for 4 from index 0 on");
  assertThrows(() => long.copyInto(new Uint8Array(9), 10), RangeError, "room for 0");
  for (const at of [-1, 0.5, NaN, Infinity]) {
    assertThrows(() => long.copyInto(new Uint8Array(9), at), RangeError, "`at`");
  }
  for (const target of [[], {}, null, 5, new Uint16Array(9), new ArrayBuffer(9), { set() {} }]) {
    assertThrows(
      () => long.copyInto(target as unknown as Uint8Array),
      TypeError,
      "`target` must be a Uint8Array",
    );
  }
});
