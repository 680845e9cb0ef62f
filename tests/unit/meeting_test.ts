// SPDX-License-Identifier: BSD-3-Clause
/** Stamps, ends, watermarks and ring sizes on the same channel. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import type { Channel, Message } from "../../mod.ts";
import { CONTROL_END, CONTROL_GAP, RECORD_CONTROL, RECORD_READY, STAMP_AT } from "../../src/abi.ts";
import { patience } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, later, test } from "./attached.ts";
import { DrivenDevice, type KernelSide } from "./driven.ts";

const PAGE = 4096;
const KINDS = [["", 0], [" with stamps", 1]] as const;
/** No test waits as long. */
const LONG = 1e9;

function texts(messages: readonly Message[]): string[] {
  return messages.map((message) => message.gap === undefined ? message.text() : "gap");
}

/** Each way of receiving; returns the texts of what comes until the end. */
const WAYS: readonly [name: string, read: (channel: Channel) => string[] | Promise<string[]>][] = [
  ["receive()", async (channel) => {
    const all: string[] = [];
    for (let message; (message = await channel.receive()) !== undefined;) {
      all.push(...texts([message]));
    }
    return all;
  }],
  ["receiveSync()", (channel) => {
    const all: string[] = [];
    for (let message; (message = channel.receiveSync({ timeout: patience() })) !== undefined;) {
      all.push(...texts([message]));
    }
    return all;
  }],
  ["receiveBatch()", async (channel) => {
    const all: string[] = [];
    for (let batch; (batch = await channel.receiveBatch({ max: 2 })).length > 0;) {
      all.push(...texts(batch));
    }
    return all;
  }],
  ["receiveBatchSync()", (channel) => {
    const all: string[] = [];
    const options = { max: 2, timeout: patience() };
    for (let batch; (batch = channel.receiveBatchSync(options)).length > 0;) {
      all.push(...texts(batch));
    }
    return all;
  }],
  ["messages()", async (channel) => {
    const all: string[] = [];
    for await (const message of channel.messages()) all.push(...texts([message]));
    return all;
  }],
  ["readable", async (channel) => {
    const all: string[] = [];
    for await (const chunk of channel.readable) all.push(new TextDecoder().decode(chunk));
    return all;
  }],
  ["drain()", (channel) => {
    const all: string[] = [];
    do {
      channel.drain((cursor) => {
        all.push(cursor.gap === undefined ? cursor.text() : "gap");
      });
    } while (!channel.done);
    return all;
  }],
];

/** Calls that block throw instead of rejecting. */
async function readAll(read: typeof WAYS[number][1], channel: Channel): Promise<string[]> {
  return await read(channel);
}

/** Writes a finished record's header behind what the kernel's side has sent. */
function forge(kernel: KernelSide, position: number, word: number, type = 0): void {
  const at = (kernel.toUser.data + position) >> 2;
  kernel.words[at + 1] = type;
  kernel.words[at] = word | RECORD_READY;
}

for (const [kind, stamps] of KINDS) {
  for (const [way, read] of WAYS) {
    test(`Channel.${way} stops at the kernel's end${kind}`, async (channel, kernel) => {
      for (const text of ["one", "two", "three"]) assert(kernel.send(text));
      assertEquals(kernel.sendEnd(), 0);
      assertEquals(await read(channel), ["one", "two", "three"]);
      assertEquals([channel.done, channel.peerEnded, channel.closed], [true, true, false]);
      assertEquals(await read(channel), []);
      assertEquals(channel.trySend("an answer"), true);
      assertEquals(kernel.receive()?.text, "an answer");
    }, { stamps });

    test(`Channel.${way} breaks at a message behind the end${kind}`, async (channel, kernel) => {
      assert(kernel.send("one"));
      kernel.control(CONTROL_END);
      assert(kernel.send("late"));
      const seen: string[] = [];
      // A drain reports the lie when the end was all that it found.
      const error = await readAll(read, channel).then((all) => seen.push(...all), (error) => error);
      if (seen.length > 0) assertEquals(seen, ["one"]);
      else assertEquals(error.code, "broken");
      await assertRejectsWith(channel.receive(), "broken");
    }, { stamps });

    test(`Channel.${way} breaks at an end with a payload${kind}`, async (channel, kernel) => {
      kernel.control(CONTROL_END, 1);
      await assertRejectsWith(readAll(read, channel), "broken");
    }, { stamps });
  }
}

test("Channel.drain() hands out nothing behind the kernel's end", (channel, kernel) => {
  assert(kernel.send("one"));
  kernel.control(CONTROL_END);
  assert(kernel.send("late"));
  const seen: string[] = [];
  const drain = () => channel.drain((cursor) => void seen.push(cursor.text()));
  assertEquals([drain(), channel.peerEnded], [1, true]);
  assertThrowsWith(drain, "broken");
  assertEquals(seen, ["one"]);
});

test("Channel.end() has no stamp, which is for messages to the user", async (channel, kernel) => {
  channel.trySend("one");
  await channel.end();
  assertEquals([kernel.receive()?.text, kernel.end()], ["one", true]);
}, { stamps: 1 });

for (const [way, read] of WAYS) {
  for (const length of [0, 8, STAMP_AT.SIZE - 1]) {
    test(
      `Channel.${way} breaks at a record of ${length} bytes, shorter than its stamp`,
      async (channel, kernel) => {
        assert(kernel.send("12345678"));
        forge(kernel, 32, length);
        await assertRejectsWith(readAll(read, channel), "broken");
      },
      { stamps: 1 },
    );
  }

  test(`Channel.${way} breaks at a gap that is shorter than its content`, async (
    channel,
    kernel,
  ) => {
    assert(kernel.send("12345678"));
    forge(kernel, 32, (STAMP_AT.SIZE + 15) | RECORD_CONTROL, CONTROL_GAP);
    await assertRejectsWith(readAll(read, channel), "broken");
  }, { stamps: 1 });
}

test("Channel.drain() hands out no record that is shorter than its stamp", (channel, kernel) => {
  assert(kernel.send("12345678"));
  forge(kernel, 32, STAMP_AT.SIZE - 1);
  const lengths: number[] = [];
  const drain = () => channel.drain((cursor) => void lengths.push(cursor.length));
  assertEquals(drain(), 1);
  assertThrowsWith(drain, "broken");
  assertEquals(lengths, [8]);
}, { stamps: 1 });

test("Message.u32() and the other reads begin behind the stamp", (channel, kernel) => {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xf1f2f3f4, true);
  view.setFloat32(4, 1.5, true);
  view.setFloat64(8, Math.PI, true);
  view.setBigInt64(16, -2n, true);
  const read = (m: Message | Parameters<Parameters<Channel["drain"]>[0]>[0]) => [
    [m.u8(3), m.u16(2), m.u32(0), m.i32(0), m.u32(1) >>> 8],
    [m.f32(4), m.f64(8), m.i64(16), m.u64(16)],
    [m.sequence, m.copy(), m.length],
  ];
  const expected = (sequence: number) => [
    [0xf1, 0xf1f2, 0xf1f2f3f4, 0xf1f2f3f4 | 0, view.getUint32(1, true) >>> 8],
    [1.5, Math.PI, -2n, 2n ** 64n - 2n],
    [sequence, bytes, 24],
  ];
  assert(kernel.send(bytes) && kernel.send(bytes));
  const message = channel.tryReceive()!;
  assertEquals(read(message), expected(0));
  // The stamp of the next record lies behind this message.
  for (const end of [() => message.u8(24), () => message.u64(17), () => message.u32(-4)]) {
    assertThrows(end, RangeError);
  }
  channel.drain((cursor) => {
    assertEquals(read(cursor), expected(1));
    assertThrows(() => cursor.u32(21), RangeError);
  });
}, { stamps: 1 });

for (const [kind, stamps] of KINDS) {
  test(`Channel.receiveBatch() that waits for \`minBytes\` is woken by the end${kind}`, async (
    channel,
    kernel,
  ) => {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    assert(kernel.send("a"));
    await later(() => kernel.sendEnd());
    assertEquals([texts(await batch), channel.peerEnded], [["a"], true]);
    assertEquals(await channel.receiveBatch({ minBytes: 2048 }), []);
    assertEquals(channel.receiveBatchSync({ minBytes: 2048, within: LONG }), []);
  }, { stamps });

  test(`Channel.receiveBatch() with \`minBytes\` finds an end that was there before${kind}`, async (
    channel,
    kernel,
  ) => {
    kernel.sendEnd();
    assertEquals(await channel.receiveBatch({ minBytes: 2048, within: LONG }), []);
    assertEquals([channel.done, channel.peerEnded], [true, true]);
  }, { stamps });

  test(`Channel.receiveBatchSync() with \`minBytes\` takes what comes before the end${kind}`, (
    channel,
    kernel,
  ) => {
    assert(kernel.send("a"));
    kernel.sendEnd();
    const options = { minBytes: 2048, within: LONG, timeout: patience() };
    assertEquals(texts(channel.receiveBatchSync(options)), ["a"]);
    assertEquals(channel.receiveBatchSync(options), []);
  }, { stamps });

  test(`Channel.toReadable() that sleeps for \`minBytes\` ends at the kernel's end${kind}`, async (
    channel,
    kernel,
  ) => {
    const reader = channel.toReadable({ minBytes: 2048, within: LONG }).getReader();
    const first = reader.read();
    await later(() => kernel.send("a"));
    await later(() => kernel.sendEnd());
    assertEquals([(await first).value?.length, (await reader.read()).done], [1, true]);
  }, { stamps });

  test(`Channel.receiveBatch() that waits for \`minBytes\` is woken by a close${kind}`, async (
    channel,
    kernel,
  ) => {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    await later(() => kernel.close());
    assertEquals([await batch, channel.done, channel.peerEnded], [[], true, false]);
  }, { stamps });

  test(`Channel.receiveBatch() takes a loss before \`minBytes\` are there${kind}`, async (
    channel,
    kernel,
  ) => {
    const batch = channel.receiveBatch({ minBytes: 2048, within: LONG });
    await later(() => kernel.gap(2, 9000));
    const [gap] = await batch;
    assertEquals([gap?.gap, gap?.sequence], [
      { records: 2, bytes: 9000 },
      stamps === 0 ? undefined : 0,
    ]);
  }, { stamps });
}

test(
  "Channel.receiveBatch() counts stamps in `minBytes`",
  async (channel, kernel) => {
    let over = false;
    // Each takes 32 bytes with its stamp.
    const batch = channel.receiveBatch({ minBytes: 320, within: LONG }).finally(() => over = true);
    for (let i = 0; i < 9; i++) assert(kernel.send("12345678"));
    await later(() => {});
    const early = over;
    assert(kernel.send("12345678"));
    assertEquals([early, (await batch).length], [false, 10]);
  },
  { stamps: 1 },
);

Deno.test("Channel.receiveBatch() limits `minBytes` by the ring that was attached", async () => {
  using driven = new DrivenDevice({ ring: 4 * PAGE });
  using device = driven.open();
  for (const [toUser, half] of [[1, 2048], [2 * PAGE, PAGE], [0, 2 * PAGE]] as const) {
    using channel = await device.attach(toUser === 0 ? {} : { ringBytes: { toUser } });
    const minBytes = half + 1;
    await assertRejects(() => channel.receiveBatch({ minBytes }), RangeError, `${half},`);
    assertThrows(() => channel.receiveBatchSync({ minBytes }), RangeError, `${half},`);
    assertThrows(() => channel.toReadable({ minBytes }), RangeError, `${half},`);
    // Half the ring can be waited for, whatever its size.
    const kernel = driven.side(channel.number);
    for (const options of [{ minBytes: half, within: LONG }, { within: LONG }]) {
      let over = false;
      const batch = channel.receiveBatch(options).finally(() => over = true);
      for (let bytes = 16; bytes < half; bytes += 16) assert(kernel.send("12345678"));
      await later(() => {});
      const early = over;
      assert(kernel.send("12345678"));
      assertEquals([early, (await batch).length], [false, half / 16]);
    }
  }
});

for (const [name, mode] of [["turn", 2], ["call", 3]] as const) {
  Deno.test(`kup_device_create() refuses stamps on a ${name} device`, () => {
    const error = assertThrows(() => new DrivenDevice({ mode, stamps: 1 }), Error);
    assert(/stamps/.test(error.message), error.message);
  });
}
