// SPDX-License-Identifier: BSD-3-Clause
/** Channels in turn mode. */

import { assertEquals } from "../../../deps.ts";
import { type Channel, type Device, open } from "../../../mod.ts";
import { PATH, withEcho } from "./driver.ts";
import { until } from "./script.ts";

/** A channel of an echo client in turn mode. */
export function turns(
  body: (channel: Channel, device: Device) => Promise<void>,
  parameters: Record<string, number> = {},
): Promise<void> {
  return withEcho({ mode: 2, ...parameters }, async () => {
    using device = open(PATH);
    using channel = await device.attach();
    await body(channel, device);
  });
}

/** Waits until the kernel's side has nothing more to send, and drops what it sent. */
export async function ownTurn(channel: Channel): Promise<void> {
  await until(() => channel.turn === "user", "it is the user's turn");
  try {
    while (channel.tryReceive() !== undefined);
  } catch (error) {
    assertEquals((error as { code?: string }).code, "turn");
  }
}
