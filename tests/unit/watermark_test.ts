// SPDX-License-Identifier: BSD-3-Clause
/** Receiving with `minBytes` and `within`: what ends a wait, and what does not. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import type { AsyncBatchOptions, Channel, Message } from "../../mod.ts";
import { patience } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, later, test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";

/** No test waits as long. */
const LONG = 1e9;

function texts(messages: readonly Message[]): string[] {
  return messages.map((message) => message.gap === undefined ? message.text() : "gap");
}

/** Each takes 16 bytes. */
function send(kernel: KernelSide, count: number): void {
  for (let i = 0; i < count; i++) assert(kernel.send("12345678"));
}

/** A batch that waits, and whether it is there. */
function begin(channel: Channel, options: AsyncBatchOptions) {
  const state = { over: false, got: channel.receiveBatch(options) };
  state.got.then(() => state.over = true, () => state.over = true);
  return state;
}

test("Channel.receiveBatch() waits until `minBytes` can be read", async (channel, kernel) => {
  const batch = begin(channel, { minBytes: 160 });
  await later(() => send(kernel, 5));
  await later(() => send(kernel, 4));
  await later(() => {});
  const early = batch.over;
  send(kernel, 1);
  assertEquals([early, (await batch.got).length], [false, 10]);
});

test(
  "Channel.receiveBatch() takes at once what is there beyond `minBytes`",
  async (channel, kernel) => {
    send(kernel, 200);
    assertEquals((await channel.receiveBatch({ minBytes: 2048 })).length, 200);
    send(kernel, 20);
    assertEquals((await channel.receiveBatch({ minBytes: 1, max: 3 })).length, 3);
    // The other 17 records are fewer than this.
    const batch = begin(channel, { minBytes: 17 * 16 + 1 });
    await later(() => {});
    assert(!batch.over);
    send(kernel, 1);
    assertEquals((await batch.got).length, 18);
  },
);

test(
  "Channel.receiveBatch() takes what is there when `within` has passed",
  async (channel, kernel) => {
    send(kernel, 3);
    assertEquals((await channel.receiveBatch({ minBytes: 2048, within: 1 })).length, 3);
    const batch = channel.receiveBatch({ minBytes: 2048, within: 20 });
    send(kernel, 2);
    assertEquals((await batch).length, 2);
    send(kernel, 1);
    assertEquals((await channel.receiveBatch({ minBytes: 2048, within: 0 })).length, 1);
  },
);

test("Channel.receiveBatch() takes the first message after `within`", async (channel, kernel) => {
  const batch = begin(channel, { minBytes: 2048, within: 1 });
  await new Promise((resolve) => setTimeout(resolve, 30));
  const early = batch.over;
  send(kernel, 1);
  assertEquals([early, (await batch.got).length], [false, 1]);
});

test(
  "Channel.receiveBatch() with `within` alone waits for half the ring",
  async (channel, kernel) => {
    const batch = begin(channel, { within: LONG });
    await later(() => send(kernel, 127));
    await later(() => {});
    const early = batch.over;
    send(kernel, 1);
    assertEquals([early, (await batch.got).length], [false, 128]);
  },
);

test(
  "Channel.receiveBatch() that waits for `minBytes` ends with the channel",
  async (channel, kernel) => {
    const batch = begin(channel, { minBytes: 2048, within: LONG });
    await later(() => send(kernel, 2));
    await later(() => kernel.close());
    assertEquals(texts(await batch.got), ["12345678", "12345678"]);
    assertEquals(await channel.receiveBatch({ minBytes: 2048 }), []);
    assert(channel.done);
  },
);

test(
  "Channel.receiveBatch() that waits for `minBytes` rejects when the channel is broken",
  async (channel, kernel) => {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    await later(() => kernel.break());
    await assertRejectsWith(batch, "broken");
    await assertRejectsWith(channel.receiveBatch({ minBytes: 2048 }), "broken");
  },
);

test(
  "Channel.receiveBatch() that waits for `minBytes` rejects when it is closed",
  async (channel, kernel) => {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    send(kernel, 1);
    await later(() => channel.close());
    await assertRejectsWith(batch, "closed");
  },
);

test(
  "Channel.receiveBatch() that waits for `minBytes` is woken by a gap",
  async (channel, kernel) => {
    const batch = begin(channel, { minBytes: 2048, within: LONG });
    await later(() => kernel.gap(1, 5000));
    assertEquals(texts(await batch.got)[0], "gap");
  },
);

test(
  "Channel.receiveBatch() that waits for `minBytes` is woken by a sender without room",
  async (channel, kernel) => {
    assert(kernel.send("x".repeat(1000)));
    const batch = begin(channel, { minBytes: 2048, within: LONG });
    await later(() => {});
    const early = batch.over;
    const sent = kernel.sendWaiting("y".repeat(3200));
    assertEquals([early, (await batch.got).length], [false, 1]);
    assertEquals((await channel.receive())!.length, 3200);
    await sent;
  },
);

test("Channel.receiveBatch() that waits for `minBytes` can be aborted", async (channel, kernel) => {
  const controller = new AbortController();
  const { signal } = controller;
  const batch = channel.receiveBatch({ minBytes: 2048, within: LONG, signal });
  send(kernel, 2);
  await later(() => controller.abort("enough"));
  assertEquals(await batch.catch(String), "enough");
  assertEquals((await channel.receiveBatch()).length, 2);
});

test("Channel.receiveBatch() passes discarded records, and waits on", async (channel, kernel) => {
  const batch = begin(channel, { minBytes: 64, within: LONG });
  await later(() => kernel.discard(200));
  await later(() => {});
  const early = batch.over;
  send(kernel, 4);
  assertEquals([early, (await batch.got).length > 0], [false, true]);
});

test("Channel.receiveBatch() is woken once for many messages", async (channel, kernel) => {
  const before = channel.stats().wakeups;
  const messages = 20 * 128;
  let got = 0;
  let batches = 0;
  while (got < messages) {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    send(kernel, 128);
    got += (await batch).length;
    batches++;
  }
  const wakeups = channel.stats().wakeups - before;
  assertEquals(batches, 20);
  assert(wakeups <= batches + 1, `${wakeups} wake-ups for ${batches} batches`);
});

test("Channel.receiveBatch() refuses options that are out of range", async (channel) => {
  for (const options of [{ minBytes: 2049 }, { minBytes: 2 ** 40 }]) {
    const error = await assertRejects(() => channel.receiveBatch(options), RangeError, "2048");
    assertThrows(() => channel.receiveBatchSync(options), RangeError, error.message);
    assertThrows(() => channel.toReadable(options), RangeError, error.message);
  }
  for (const minBytes of [0, -1, 1.5, NaN]) {
    await assertRejects(() => channel.receiveBatch({ minBytes }), RangeError, "minBytes");
  }
  for (const within of [-1, NaN]) {
    await assertRejects(() => channel.receiveBatch({ within }), RangeError, "within");
  }
  const minBytes = "8" as unknown as number;
  await assertRejects(() => channel.receiveBatch({ minBytes }), TypeError, "minBytes");
});

test("Channel.receive() and other calls refuse `minBytes` and `within`", async (channel) => {
  for (const options of [{ minBytes: 8 }, { within: 8 }]) {
    const name = Object.keys(options)[0]!;
    await assertRejects(() => channel.receive(options as object), TypeError, name);
    assertThrows(() => channel.receiveSync(options as object), TypeError, name);
    assertThrows(() => channel.tryReceiveBatch(options as object), TypeError, name);
    assertThrows(() => channel.drain(() => {}, options as object), TypeError, name);
    assertThrows(() => channel.messages(options as object), TypeError, name);
  }
});

test(
  "Channel.receiveBatchSync() takes what is there when `within` has passed",
  (channel, kernel) => {
    send(kernel, 3);
    assertEquals(channel.receiveBatchSync({ minBytes: 2048, within: 1 }).length, 3);
    send(kernel, 128);
    assertEquals(channel.receiveBatchSync({ minBytes: 2048, within: LONG }).length, 128);
    send(kernel, 100);
    assertEquals(channel.receiveBatchSync().length, 100);
  },
);

test("Channel.receiveBatchSync() takes what is there at the timeout", (channel, kernel) => {
  send(kernel, 3);
  assertEquals(channel.receiveBatchSync({ minBytes: 2048, timeout: 1 }).length, 3);
  for (
    const options of [{ timeout: 0 }, { minBytes: 2048, timeout: 1 }, { within: 1, timeout: 5 }]
  ) {
    assertThrowsWith(() => channel.receiveBatchSync(options), "timed-out");
  }
  send(kernel, 3);
  assertEquals(channel.receiveBatchSync({ minBytes: 2048, timeout: 0 }).length, 3);
});

test(
  "Channel.receiveBatchSync() that waits for `minBytes` is woken by a sender",
  async (channel, kernel) => {
    assert(kernel.send("x".repeat(1000)));
    const sent = kernel.sendWaiting("y".repeat(1100));
    assertEquals(channel.receiveBatchSync({ minBytes: 2048, timeout: patience() }).length, 2);
    await sent;
  },
);

test(
  "Channel.toReadable() sleeps for `minBytes`, and then reads what is there",
  async (channel, kernel) => {
    const reader = channel.toReadable({ minBytes: 160, within: LONG }).getReader();
    let over = false;
    const first = reader.read().then((chunk) => {
      over = true;
      return chunk;
    });
    await later(() => send(kernel, 9));
    await later(() => {});
    const early = over;
    send(kernel, 1);
    assertEquals([early, (await first).value?.length], [false, 8]);
    for (let i = 0; i < 9; i++) assertEquals((await reader.read()).value?.length, 8);
    const last = reader.read();
    await later(() => send(kernel, 2));
    await later(() => kernel.close());
    assertEquals((await last).value?.length, 8);
    assertEquals([(await reader.read()).value?.length, (await reader.read()).done], [8, true]);
  },
);

test(
  "Channel.toReadable() reads what is there when `within` has passed",
  async (channel, kernel) => {
    const reader = channel.toReadable({ within: 1 }).getReader();
    const first = reader.read();
    send(kernel, 1);
    assertEquals((await first).value?.length, 8);
  },
);
