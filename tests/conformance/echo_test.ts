// SPDX-License-Identifier: BSD-3-Clause
/** Messages: sizes, numbers, wrap, and both directions at once. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, type Device, KupError, open } from "../../mod.ts";
import { PATH, withEcho } from "./lib/driver.ts";
import { fillSample, sampleNumber } from "./lib/echo.ts";
import { until } from "./lib/script.ts";

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + length) & 255;
  return bytes;
}

async function attached(body: (channel: Channel, device: Device) => Promise<void>): Promise<void> {
  using device = open(PATH);
  using channel = await device.attach();
  await body(channel, device);
}

Deno.test(
  "Channel.receive() gets messages of 0, 1, 7, 8, 4095, 65536 bytes and the largest " +
    "back unchanged",
  () =>
    attached(async (channel) => {
      const sizes = [0, 1, 7, 8, 4095, 65536, channel.maxMessage];
      for (const [index, size] of sizes.entries()) {
        await channel.send(pattern(size), { type: 100 + index });
        const message = await channel.receive();
        assert(message);
        assertEquals(message.type, 100 + index);
        assertEquals(message.length, size);
        assertEquals(message.bytes, pattern(size));
      }
    }),
);

Deno.test(
  "Channel.send() refuses a message that is one byte too long with the limit, and sends" +
    " nothing",
  () =>
    attached(async (channel) => {
      const long = new Uint8Array(channel.maxMessage + 1);
      const limit = String(channel.maxMessage);
      await assertRejects(() => channel.send(long), RangeError, limit);
      assertThrows(() => channel.trySend(long), RangeError, limit);
      assertThrows(() => channel.sendSync(long), RangeError, limit);
      assertThrows(() => channel.tryReserve(channel.maxMessage + 1), RangeError, limit);
      await channel.send("after");
      assertEquals((await channel.receive())?.text(), "after");
      // The kernel counts a message when it releases it, which is after the echo.
      await until(() => channel.stats().toKernelRecords > 0, "the message is read");
      assertEquals(channel.stats().toKernelRecords, 1);
    }),
);

Deno.test("Channel.send() accepts every type except the reserved commands", () =>
  attached(async (channel) => {
    for (const type of [0, 1, 0x7fffffff, 0x80000000, 0xfffeffff]) {
      channel.sendSync("x", { type });
      assertEquals((await channel.receive())?.type, type);
    }
  }));

Deno.test("Channel.receive() gets records at every offset of both rings back unchanged", () =>
  attached(async (channel, device) => {
    // A record takes 24 bytes of the ring, an odd number of 8-byte units: after ring/8 records each
    // offset was used once.
    const { toKernel, toUser } = device.info().ringBytes;
    const count = Math.max(toKernel, toUser) / 8 + 3;
    let received = 0;
    const check = () => {
      for (const message of channel.tryReceiveBatch()) {
        assertEquals(message.type, received);
        assertEquals(message.length, 9 + received % 8);
        assertEquals(message.bytes[0], received & 255);
        assertEquals(message.bytes[message.length - 1], received >> 8 & 255);
        received++;
      }
    };
    for (let i = 0; i < count; i++) {
      const bytes = new Uint8Array(9 + i % 8);
      bytes[0] = i;
      bytes[bytes.length - 1] = i >> 8;
      while (!channel.trySend(bytes, { type: i })) check();
      check();
    }
    while (received < count) {
      const message = await channel.receive();
      assertEquals(message?.type, received++);
    }
  }));

Deno.test(
  "Channel.send() and receive() carry 100,000 records both ways at once, in order and" +
    " undamaged",
  () =>
    attached(async (channel) => {
      const count = 100_000;
      const receiving = (async () => {
        let next = 0;
        while (next < count) {
          for (const message of await channel.receiveBatch()) {
            if (sampleNumber(message.bytes) !== next) throw new Error(`expected sample ${next}`);
            if (message.length !== 16 + next % 64) {
              throw new Error(`sample ${next} has another length`);
            }
            next++;
          }
        }
      })();
      const bytes = new Uint8Array(16 + 63);
      const views = Array.from({ length: 64 }, (_, length) => bytes.subarray(0, 16 + length));
      for (let number = 0; number < count; number++) {
        const sample = views[number % 64]!;
        fillSample(sample, number);
        if (!channel.trySend(sample)) await channel.send(sample);
      }
      await receiving;
      await until(() => channel.stats().toKernelRecords >= count, "the last sample is read");
      const { toKernelRecords, toUserRecords } = channel.stats();
      assertEquals([toKernelRecords, toUserRecords], [count, count]);
    }),
);

Deno.test("Channel.send() that is not awaited keeps the order of the calls", () =>
  attached(async (channel) => {
    const sends: Promise<void>[] = [];
    const one = new Uint8Array(1000);
    for (let i = 0; i < 1000; i++) {
      one.fill(i);
      sends.push(channel.send(one, { type: i }));
    }
    for (let i = 0; i < 1000; i++) {
      const message = await channel.receive();
      assertEquals(message?.type, i);
      // The message has the bytes at the time of the call, though the array has been reused since.
      assertEquals(message?.bytes[999], i & 255);
    }
    await Promise.all(sends);
  }));

Deno.test("Reservation.commit() sends the message, shortened or not, and discard() sends nothing", () =>
  attached(async (channel) => {
    const first = await channel.reserve(100);
    const second = await channel.reserve(8);
    const third = await channel.reserve(50);
    second.bytes.fill(2);
    second.commit({ type: 2 });
    assertEquals(channel.tryReceive(), undefined);
    first.bytes.fill(1);
    first.commit({ type: 1, length: 3 });
    third.discard();
    {
      using dropped = await channel.reserve(10);
      dropped.bytes.fill(9);
    }
    channel.sendSync("last");
    const seen: [number, number][] = [];
    for (let i = 0; i < 3; i++) {
      const message = await channel.receive();
      seen.push([message!.type, message!.length]);
    }
    assertEquals(seen, [[1, 3], [2, 8], [0, 4]]);
  }));

Deno.test(
  "Message.copy() stays valid, and Message.bytes throws when the message is no longer " +
    "valid",
  () =>
    attached(async (channel) => {
      channel.sendSync("first");
      channel.sendSync("second");
      const first = await channel.receive();
      const copy = first!.copy();
      assertEquals(first!.text(), "first");
      const second = await channel.receive();
      assertEquals(second!.text(), "second");
      assertEquals(new TextDecoder().decode(copy), "first");
      assertThrows(() => first!.bytes, KupError, "no longer");
    }),
);

Deno.test(
  "Channel.send() of a message that does not fit into the ring back gets no echo, but " +
    "all others do",
  () =>
    withEcho({ to_user_pages: 1 }, () =>
      attached(async (channel) => {
        assertEquals(channel.maxReceive, 4096 - 40);
        await channel.send(new Uint8Array(channel.maxReceive + 1), { type: 1 });
        await channel.send(pattern(channel.maxReceive), { type: 2 });
        const message = await channel.receive();
        assertEquals(message?.type, 2);
        assertEquals(message?.bytes, pattern(channel.maxReceive));
      })),
);
