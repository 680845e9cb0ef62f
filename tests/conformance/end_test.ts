// SPDX-License-Identifier: BSD-3-Clause
/** A direction that ends by Channel.end(), while the other one goes on. */

import { assertEquals, assertRejects } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { occupy, release } from "./lib/hindered.ts";
import { patience, sleep } from "../lib/until.ts";

async function attached(body: (channel: Channel) => Promise<void>): Promise<void> {
  using device = open(PATH);
  using channel = await device.attach();
  await body(channel);
}

/** Receives until the kernel's end, which the echo client sends behind its last echo. */
async function toTheEnd(channel: Channel): Promise<string[]> {
  const texts: string[] = [];
  const signal = AbortSignal.timeout(patience());
  for await (const message of channel.messages({ signal })) texts.push(message.text());
  assertEquals([channel.done, channel.peerEnded, channel.closed], [true, true, false]);
  return texts;
}

Deno.test("Channel.end() comes behind all messages, and this side still receives", () =>
  attached(async (channel) => {
    const texts = Array.from({ length: 100 }, (_, i) => `message ${i}`);
    for (const text of texts) await channel.send(text);
    await channel.end();
    assertEquals(channel.peerEnded, false);
    assertEquals(await toTheEnd(channel), texts);
  }));

Deno.test("Channel.end() makes each later send fail, and leaves an open reservation", () =>
  attached(async (channel) => {
    const room = await channel.reserve(4);
    await channel.end();
    await rejectsWith("closed", () => channel.send("x"));
    throwsWith("closed", () => channel.trySend("x"));
    throwsWith("closed", () => channel.sendSync("x"));
    await rejectsWith("closed", () => channel.sendBatch(["x", "y"]));
    await rejectsWith("closed", () => channel.reserve(1));
    throwsWith("closed", () => channel.tryReserve(1));
    await rejectsWith("closed", () => channel.end());
    room.bytes.set([75, 85, 80, 33]);
    room.commit();
    assertEquals(await toTheEnd(channel), ["KUP!"]);
  }));

Deno.test("Channel.end() waits for room behind the sends that wait", () =>
  attached(async (channel) => {
    await occupy(channel);
    let sent = 0;
    while (channel.trySend("x".repeat(1000))) sent++;
    const waiting = channel.send("y".repeat(2000));
    let ended = false;
    const ending = channel.end().then(() => ended = true);
    await rejectsWith("closed", () => channel.send("z"));
    await sleep(20);
    assertEquals(ended, false);
    await release(channel);
    const lengths = (await toTheEnd(channel)).map(({ length }) => length);
    await Promise.all([waiting, ending]);
    assertEquals(lengths, [...Array(sent).fill(1000), 2000]);
  }));

Deno.test("Channel.end() that is aborted leaves the direction open", () =>
  attached(async (channel) => {
    await occupy(channel);
    while (channel.trySend("x".repeat(1000)));
    while (channel.trySend(""));
    const stop = new AbortController();
    const ending = channel.end({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await assertRejects(() => ending, Error, "enough");
    await release(channel);
    await channel.send("last");
    await channel.end();
    assertEquals((await toTheEnd(channel)).at(-1), "last");
  }));
