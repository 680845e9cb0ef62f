// SPDX-License-Identifier: BSD-3-Clause
/** Channels in turn mode. */

import { assertEquals } from "../../../deps.ts";
import { type Channel, type Device, open } from "../../../mod.ts";
import { PATH, withEcho } from "./driver.ts";
import * as echo from "./echo.ts";
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

/** The kernel's side keeps its turn for this long, or until the channel ends. */
export async function kernelKeeps(channel: Channel, milliseconds: number): Promise<void> {
  await ownTurn(channel);
  await echo.pause(channel, milliseconds);
}

/** How long the kernel keeps its turns in each attempt, in milliseconds. */
const ATTEMPTS = [500, 5000, 60_000];

/**
 * Runs a test whose checks must end while the kernel keeps its turn. If the test fails and its
 * checks ended later, it runs again on a new channel, with longer turns.
 *
 * @param body Calls `during` with the checks for each of the kernel's turns.
 */
export async function inTime(
  body: (
    channel: Channel,
    during: (checks: () => Promise<void>) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  for (const pause of ATTEMPTS) {
    let late = false;
    try {
      return await turns((channel) =>
        body(channel, async (checks) => {
          await ownTurn(channel);
          const end = performance.now() + pause;
          await echo.pause(channel, pause);
          try {
            await checks();
          } finally {
            late ||= performance.now() >= end;
          }
        })
      );
    } catch (error) {
      if (!late || pause === ATTEMPTS.at(-1)) throw error;
    }
  }
}
