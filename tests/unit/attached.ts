// SPDX-License-Identifier: BSD-3-Clause
/** Tests on a channel of the kernel's double, whose kernel side they drive. */

import { assert, assertEquals } from "../../deps.ts";
import { type Channel, KupError, type KupErrorCode } from "../../mod.ts";
import { type DoubleOptions, KernelDouble, type KernelSide } from "./kernel_double.ts";

/** Gives the event loop some turns first. */
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

/** Runs a test on an attached channel, and with all sanitizers. */
export function test(
  name: string,
  run: (channel: Channel, kernel: KernelSide) => Promise<void> | void,
  options: DoubleOptions & { spin?: number } = {},
): void {
  Deno.test({
    name,
    sanitizeOps: true,
    sanitizeResources: true,
    async fn() {
      const double = new KernelDouble(options);
      {
        using device = double.open();
        using channel = await device.attach({ spin: options.spin ?? 0 });
        await run(channel, double.side(channel.number));
      }
      assertEquals(double.handles, 0, "a file was left open");
    },
  });
}

/** Sends until the ring is full; how many it took. */
export function fill(channel: Channel, text: string): number {
  let count = 0;
  while (channel.trySend(text)) count++;
  return count;
}
