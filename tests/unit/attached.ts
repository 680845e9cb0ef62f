// SPDX-License-Identifier: BSD-3-Clause
/** Tests on a channel whose kernel side they drive. */

import { assert, assertEquals } from "../../deps.ts";
import { type Channel, KupError, type KupErrorCode } from "../../mod.ts";
import { DrivenDevice, type DrivenOptions, type KernelSide } from "./driven.ts";

/**
 * Acts some turns of the event loop later, when calls that wait usually sleep already. A test may
 * rely neither on the sleep nor on its absence.
 */
export function later(action: () => void): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => {
      action();
      resolve();
    }, 5);
  });
}

export function assertCode(error: unknown, code: KupErrorCode): void {
  assert(error instanceof KupError, `not a KupError: ${error}`);
  assertEquals(error.code, code);
}

export async function assertRejectsWith(
  promise: Promise<unknown>,
  code: KupErrorCode,
): Promise<void> {
  assertCode(await promise.then(() => "no error", (error) => error), code);
}

export function assertThrowsWith(action: () => unknown, code: KupErrorCode): void {
  let caught: unknown = "no error";
  try {
    action();
  } catch (error) {
    caught = error;
  }
  assertCode(caught, code);
}

/** Runs a test on an attached channel. */
export function test(
  name: string,
  run: (channel: Channel, kernel: KernelSide, device: DrivenDevice) => Promise<void> | void,
  options: DrivenOptions & { spin?: number } = {},
): void {
  Deno.test(name, async () => {
    using driven = new DrivenDevice(options);
    {
      using device = driven.open();
      using channel = await device.attach({ spin: options.spin ?? 0 });
      await run(channel, driven.side(channel.number), driven);
    }
    assertEquals(driven.files, 0, "a file was left open");
  });
}

/** Sends until the ring is full. Returns how many messages it took. */
export function fill(channel: Channel, text: string): number {
  let count = 0;
  while (channel.trySend(text)) count++;
  return count;
}
