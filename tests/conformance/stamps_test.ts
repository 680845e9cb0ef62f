// SPDX-License-Identifier: BSD-3-Clause
/** Times and numbers of messages that several producers send at once. */

import { assert, assertEquals, assertGreater } from "../../deps.ts";
import { type Channel, type Message, open } from "../../mod.ts";
import { PATH, withEcho } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { sleep, until } from "./lib/script.ts";

const PRODUCERS = [
  echo.context.interrupt,
  echo.context.deferred,
  echo.context.trying,
  echo.context.timer,
];

/** Adds up the numbers of all messages and gaps. */
class Sum {
  /** The number of the next message. */
  next = 0;
  lost = 0;
  gaps = 0;
  readonly #received = new Map(PRODUCERS.map((producer) => [producer, 0]));
  readonly #newest = new Map(PRODUCERS.map((producer) => [producer, -1]));
  #time = 0n;

  get received(): number {
    return [...this.#received.values()].reduce((sum, count) => sum + count);
  }

  add(message: Message): void {
    assertEquals(message.sequence, this.next);
    assert(message.timestampNs! >= this.#time, "a time goes back");
    this.#time = message.timestampNs!;
    if (message.gap !== undefined) {
      this.gaps++;
      this.lost += message.gap.records;
      this.next += message.gap.records;
      return;
    }
    this.next++;
    if (message.type !== echo.SAMPLE) return;
    const producer = echo.sampleProducer(message.bytes);
    const number = echo.sampleNumber(message.bytes);
    assertGreater(number, this.#newest.get(producer)!);
    this.#newest.set(producer, number);
    this.#received.set(producer, this.#received.get(producer)! + 1);
  }
}

/** Reads until the producers' report, with a pause after every `pauseAfter` messages. */
async function addUp(
  channel: Channel,
  pauseAfter: number,
): Promise<[Sum, { sent: number; lost: number }]> {
  const sum = new Sum();
  for await (const message of channel) {
    sum.add(message);
    if (message.type === echo.PRODUCE) return [sum, echo.produced(message)];
    if (sum.next % pauseAfter === 0) await sleep(1);
  }
  throw new Error("the channel has ended");
}

Deno.test("Message.sequence and timestampNs hold with four producers in different contexts", async () => {
  await withEcho({ stamps: 1, to_user_pages: 16 }, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    const count = 5000;
    await echo.produce(channel, count, 100, echo.context.together);
    await until(() => channel.stats().droppedNoSpace > 0, "the ring overflows");
    const [sum, last] = await addUp(channel, 300);
    assertEquals(last, { sent: sum.received, lost: sum.lost });
    assertEquals(sum.received + sum.lost, PRODUCERS.length * count);
    assertEquals(sum.next, PRODUCERS.length * count + 1);
    assertGreater(sum.gaps, 0);
    assertEquals(channel.stats().droppedNoSpace, sum.lost);
  });
});

Deno.test("Message.timestamp is the time at which the kernel's side sent", async () => {
  await withEcho({ stamps: 1 }, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    // For the rounding of the clocks. No stall of the machine makes it wrong.
    const slack = 50;
    const before = performance.now();
    await channel.send("x", { type: 1 });
    const message = await channel.receive();
    const after = performance.now();
    assert(message!.timestamp! > before - slack && message!.timestamp! < after + slack);
    assertEquals([message!.text(), message!.sequence], ["x", 0]);
    assert(message!.cpu! < 4096);
  });
});
