// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls of kernel modules in contexts that may not sleep. If a call could sleep there, the host
 * driver ends the process, and the debug kernel reports it.
 */

import { assertEquals, assertGreater, assertRejects } from "../../deps.ts";
import { type Channel, KupError, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import { constant } from "./lib/echo.ts";
import { sleep } from "../lib/until.ts";

const CONTEXTS = constant("ECHO_CONTEXTS");
const ROUNDS = 20;

const contexts = {
  "an interrupt handler": constant("ECHO_INTERRUPT"),
  "code that runs after interrupts": constant("ECHO_DEFERRED"),
  "a thread": constant("ECHO_TRYING"),
  "a timer's callback": constant("ECHO_TIMER"),
  "the holder of a spinlock": constant("ECHO_LOCKED"),
};

/** Asks for the calls; records that the calls may receive follow. */
async function ask(channel: Channel, context: number, ends: number): Promise<void> {
  await channel.send(new Uint32Array([context, ends]), { type: CONTEXTS });
  for (let i = 0; i < 4; i++) await channel.send("", { type: CONTEXTS });
}

/** The line of the first call with a wrong result, or 0; and the records that were received. */
async function answer(channel: Channel): Promise<readonly [wrong: number, received: number]> {
  for await (const message of channel) {
    assertEquals(message.type, CONTEXTS);
    if (message.bytes.length !== 8) continue;
    return [message.view.getUint32(0, true), message.view.getUint32(4, true)];
  }
  throw new Error("The channel has ended without an answer");
}

for (const [name, context] of Object.entries(contexts)) {
  Deno.test(`kup.h's calls for any context work in ${name}`, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    let received = 0;
    for (let round = 0; round < ROUNDS || received === 0; round++) {
      await ask(channel, context, 0);
      const [wrong, count] = await answer(channel);
      assertEquals(wrong, 0, "the line in kmod/echo/contexts.c");
      received += count;
    }
    assertGreater(received, 0);
  });

  Deno.test(`kup_channel_break() works in ${name}`, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await channel.send(new Uint32Array([context, 1]), { type: CONTEXTS });
    const error = await assertRejects(async () => {
      // The kernel's side ends its direction first, so a loop may end before the channel breaks.
      for (;; await sleep(1)) for await (const _ of channel);
    }, KupError);
    assertEquals(error.code, "broken");
  });
}
