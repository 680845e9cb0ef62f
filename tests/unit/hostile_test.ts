// SPDX-License-Identifier: BSD-3-Clause
/** Arguments that run code: getters, classes, iterators and signals that call back, or lie. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, KupError, type KupErrorCode } from "../../mod.ts";
import { test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";

async function rejectsWith(code: KupErrorCode, promise: Promise<unknown>): Promise<void> {
  assertEquals((await assertRejects(() => promise, KupError)).code, code);
}

/** One message of 4000 bytes, and empty ones until nothing fits. */
function fill(channel: Channel): void {
  assert(channel.trySend(new Uint8Array(4000)));
  while (channel.trySend(""));
}

/** The lengths of all messages that have come, except empty ones. */
function lengths(kernel: KernelSide): number[] {
  const all: number[] = [];
  for (let got; (got = kernel.receive()) !== undefined;) all.push(got.text.length);
  return all.filter((length) => length > 0);
}

/** Whatever a caller without a type checker may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

class Liar extends Uint8Array<ArrayBuffer> {
  constructor(length: number) {
    super(new ArrayBuffer(length));
  }
  static said = 0;
  override get length(): number {
    return Liar.said;
  }
}

class Foreign extends Uint8Array<ArrayBuffer> {
  constructor(length: number) {
    super(new ArrayBuffer(length));
  }
  static get [Symbol.species](): Uint8ArrayConstructor {
    return untyped(function () {
      throw new Error("the caller's code was run");
    });
  }
  override slice(): never {
    throw new Error("the caller's code was run");
  }
}

test("Channel.send() sends bytes that lie about their length as they are", (channel, kernel) => {
  for (const said of [0, 4, 5000, -1, 2 ** 31, NaN]) {
    Liar.said = said;
    assert(channel.trySend(new Liar(100)));
    assert(channel.trySend("next"));
    assertEquals(lengths(kernel), [100, 4]);
  }
  Liar.said = 4;
  assertThrows(() => channel.trySend(new Liar(5000)), RangeError);
  const own = Object.defineProperty(new Uint8Array(5000), "length", { value: 4 });
  assertThrows(() => channel.trySend(own), RangeError);
  assertEquals(lengths(kernel), []);
});

test(
  "Channel.send() that waits for room copies its bytes without running the caller's code",
  async (channel, kernel) => {
    fill(channel);
    const sends = [channel.send(new Foreign(10)), channel.sendBatch([new Foreign(20)])];
    assertEquals(lengths(kernel), [4000]);
    await Promise.all(sends);
    assertEquals(lengths(kernel), [10, 20]);
  },
);

test("Channel.send() refuses a view whose buffer has shrunk", async (channel, kernel) => {
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  const views = [new Uint8Array(buffer, 8), new Uint16Array(buffer, 8), new DataView(buffer, 8)];
  const fixed = [new Uint8Array(buffer, 8, 8), new Float64Array(buffer, 8, 1)];
  buffer.resize(4);
  for (const view of [...views, ...fixed]) {
    assertThrows(() => channel.trySend(view), TypeError);
    await assertRejects(() => channel.sendBatch(["ok", view]), TypeError);
  }
  assert(channel.trySend(new Uint8Array(buffer)));
  assertEquals(lengths(kernel), [4]);
});

test("Channel.sendBatch() refuses a batch that is no iterable", async (channel) => {
  for (const batch of [5, {}, { length: 2 }, undefined, null]) {
    await assertRejects(() => channel.sendBatch(untyped(batch)), TypeError);
  }
});

test(
  "Channel.sendBatch() accepts an iterator that uses one buffer for all its messages",
  async (channel, kernel) => {
    function* numbers() {
      const bytes = new Uint8Array(1);
      for (bytes[0] = 49; bytes[0] < 52; bytes[0]++) yield bytes;
      bytes.buffer.transfer();
    }
    await channel.sendBatch(numbers());
    assertEquals([1, 2, 3].map(() => kernel.receive()?.text), ["1", "2", "3"]);
  },
);

test(
  "Channel.sendBatch() checks a batch that grows while it is collected as it is in the end",
  async (channel, kernel) => {
    const buffer = new ArrayBuffer(8, { maxByteLength: 10_000 });
    function* growing() {
      yield new Uint8Array(buffer);
      buffer.resize(10_000);
      yield "two";
    }
    await channel.sendBatch(growing());
    assertEquals(lengths(kernel), [8, 3]);
    const array = untyped<string[]>(
      Object.defineProperty([new Uint8Array(buffer), 0], 1, { get: () => buffer.resize(9_000) }),
    );
    await assertRejects(() => channel.sendBatch(array), RangeError);
    assertEquals(lengths(kernel), []);
  },
);

test(
  "Channel.send() and others end when their options close the channel while they are read",
  async (channel, kernel) => {
    const type = { get: () => (channel.close(), 1) };
    const closing = () => Object.defineProperty({}, "type", type);
    const reservation = channel.tryReserve(8)!;
    assertThrows(() => reservation.commit(closing()), KupError);
    await rejectsWith("closed", channel.send("x", closing()));
    assertThrows(() => channel.trySend("x", closing()), KupError);
    assertThrows(() => channel.sendSync("x", closing()), KupError);
    assertEquals(kernel.number, 0);
  },
);

test(
  "Channel.sendBatch() survives an iterator that sends, receives and closes",
  async (channel, kernel) => {
    function* inner() {
      channel.trySend("inner");
      yield "first";
      yield "second";
    }
    await channel.sendBatch(inner());
    assertEquals([1, 2, 3].map(() => kernel.receive()?.text), ["inner", "first", "second"]);
    function* closing() {
      yield "never";
      channel.close();
      yield "sent";
    }
    await rejectsWith("closed", channel.sendBatch(closing()));
  },
);

test(
  "Channel.send() refuses what is no signal, and sends nothing later",
  async (channel, kernel) => {
    fill(channel);
    for (const signal of [{ aborted: false }, {}, 1, new EventTarget()]) {
      const options = untyped<{ signal: AbortSignal }>({ signal });
      await assertRejects(() => channel.send("never", options), TypeError);
      await assertRejects(() => channel.sendBatch(["never"], options), TypeError);
      await assertRejects(() => channel.reserve(8, options), TypeError);
      await assertRejects(() => channel.receive(options), TypeError);
      await assertRejects(() => channel.receiveBatch(options), TypeError);
    }
    assertEquals(lengths(kernel), [4000]);
    assert(channel.trySend("free"));
    assertEquals(lengths(kernel), [4]);
  },
);

test("Channel.send() and others reject when their options throw", async (channel) => {
  const options = Object.defineProperty({}, "signal", {
    get: () => {
      throw new Error("mine");
    },
  });
  for (
    const call of [
      () => channel.send("x", options),
      () => channel.sendBatch(["x"], options),
      () => channel.reserve(1, options),
      () => channel.receive(options),
      () => channel.receiveBatch(options),
    ]
  ) {
    const promise = call();
    await assertRejects(() => promise, Error, "mine");
  }
});

test("Channel.send() and others end when a signal is aborted while the arguments are read", async (channel) => {
  fill(channel);
  const aborting = () => {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    return Object.defineProperty(options, "type", { get: () => (controller.abort(), 1) });
  };
  await assertRejects(() => channel.send("x", aborting()), DOMException);
  await assertRejects(() => channel.sendBatch(["x"], aborting()), DOMException);
  const controller = new AbortController();
  function* messages() {
    controller.abort();
    yield "x";
  }
  const { signal } = controller;
  await assertRejects(() => channel.sendBatch(messages(), { signal }), DOMException);
});

test(
  "Channel.receive() and others allow listeners of a signal to call back into the channel",
  async (channel, kernel) => {
    fill(channel);
    const controller = new AbortController();
    const { signal } = controller;
    let rejected: Promise<void> | undefined;
    signal.addEventListener("abort", () => {
      rejected = assertRejects(() => channel.send("x", { signal }), DOMException).then(() => {});
      channel.close();
    });
    const calls = [
      channel.send("x", { signal }),
      channel.reserve(8, { signal }),
      channel.receive({ signal }),
    ];
    const settled = Promise.allSettled(calls);
    controller.abort();
    for (const { status } of await settled) assertEquals(status, "rejected");
    await rejected;
    assertEquals(kernel.number, 0);
  },
);

test(
  "Channel.send() and others refuse objects that only convert to numbers",
  async (channel, kernel, driven) => {
    const changing = { valueOf: () => (channel.trySend("from within"), 5) };
    for (const value of ["5", null, 5n, changing, [5], true]) {
      const number = untyped<number>(value);
      assertThrows(() => channel.receiveSync({ timeout: number }), TypeError);
      assertThrows(() => channel.sendSync("x", { timeout: number }), TypeError);
      assertThrows(() => channel.trySend("x", { type: number }), TypeError);
      assertThrows(() => channel.tryReserve(number), TypeError);
      assertThrows(() => channel.tryReceiveBatch({ max: number }), TypeError);
      using device = driven.open();
      await assertRejects(() => device.attach({ spin: number }), TypeError);
      await assertRejects(() => device.attach({ channel: number }), TypeError);
    }
    assertEquals(kernel.receive(), undefined);
  },
);

test("Channel.close() takes away a buffer that has methods of its own", (channel, kernel) => {
  kernel.send("one");
  const kept = channel.tryReceive()!.bytes;
  Object.defineProperties(kept.buffer, {
    transfer: { value: () => kept.buffer },
    detached: { value: true },
  });
  channel.close();
  assertEquals(kept.length, 0);
});

test(
  "Channel.close() closes the channel although a buffer hides its transfer",
  (channel, kernel) => {
    kernel.send("one");
    const { buffer } = channel.tryReceive()!.bytes;
    const taken = buffer.transfer();
    Object.defineProperty(buffer, "detached", { value: false });
    channel.close();
    assertEquals(new Uint8Array(taken).every((byte) => byte === 0), true);
  },
);

test("Message.bytes are valid again after they were transferred away", (channel, kernel) => {
  kernel.send("message");
  const message = channel.tryReceive()!;
  const reservation = channel.tryReserve(3)!;
  assertEquals([message.bytes.length, reservation.bytes.length], [7, 3]);
  structuredClone(0, { transfer: [message.bytes.buffer] });
  assertEquals(message.bytes, new TextEncoder().encode("message"));
  reservation.bytes.set([97, 98, 99]);
  reservation.commit();
  assertEquals(kernel.receive()?.text, "abc");
});

test("Channel.receiveBatch() reads `minBytes` once, and survives a getter that closes", async (channel) => {
  let reads = 0;
  const options = {
    get minBytes(): number {
      // A second read would be beyond the ring.
      if (reads++ === 0) channel.close();
      return reads === 1 ? 8 : 2 ** 40;
    },
  };
  await rejectsWith("closed", channel.receiveBatch(options));
  assertEquals(reads, 1);
  assertEquals(
    assertThrows(() => channel.receiveBatchSync({ minBytes: 8 }), KupError).code,
    "closed",
  );
});
