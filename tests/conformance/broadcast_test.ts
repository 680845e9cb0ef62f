// SPDX-License-Identifier: BSD-3-Clause
/** Broadcasts to several readers, of which one is slow. */

import { assert, assertEquals } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import { constant, context } from "./lib/echo.ts";
import { patience, until } from "../lib/until.ts";

const CONTEXTS = constant("ECHO_CONTEXTS");

/** What the echo client broadcasts once for each command. */
const BROADCAST = "c";

/** Receives a message, within a limit that only a failure reaches. */
async function receive(channel: Channel): Promise<string | undefined> {
  return (await channel.receive({ signal: AbortSignal.timeout(patience()) }))?.text();
}

/** Makes the echo client broadcast, and waits until it has. */
async function broadcast(channel: Channel): Promise<void> {
  await channel.send(new Uint32Array([context.trying, 0]), { type: CONTEXTS });
  const signal = AbortSignal.timeout(patience());
  for await (const message of channel.messages({ signal })) {
    assertEquals(message.type, CONTEXTS);
    if (message.length === 8) return assertEquals(message.view.getUint32(0, true), 0);
  }
  throw new Error("The channel has ended without an answer");
}

Deno.test("kup_broadcast() sends all to fast readers, and a gap with its losses to a slow one", async () => {
  using device = open(PATH);
  using asking = await device.attach();
  using one = await device.attach();
  using two = await device.attach();
  using slow = await device.attach({ ringBytes: { toUser: 1 } });
  // A record of one byte takes 16 bytes of the ring. Echoes take all of it but the room for these.
  const fits = 32;
  const echoes = slow.ringBytes.toUser / 16 - fits;
  for (let i = 0; i < echoes; i++) await slow.send("x");
  await until(() => slow.stats().toUserRecords === echoes, "the echoes are there");
  const count = 1.25 * fits;
  for (let i = 0; i < count; i++) {
    await broadcast(asking);
    for (const fast of [one, two]) assertEquals(await receive(fast), BROADCAST);
  }
  for (const fast of [one, two]) assertEquals(fast.stats().droppedNoSpace, 0);
  let [got, lost] = [0, 0];
  for await (const message of slow.messages({ signal: AbortSignal.timeout(patience()) })) {
    if (message.gap !== undefined) lost += message.gap.records;
    else if (message.text() === "x") assertEquals(got, 0);
    else assertEquals([message.text(), ++got], [BROADCAST, got]);
    if (got + lost >= count) break;
  }
  assertEquals([got + lost, slow.stats().droppedNoSpace], [count, lost]);
  assert(got > fits / 2 && got <= fits, `${got} of ${fits} came`);
  // The slow reader gets the next ones.
  await broadcast(asking);
  for (const reader of [one, two, slow]) assertEquals(await receive(reader), BROADCAST);
});
