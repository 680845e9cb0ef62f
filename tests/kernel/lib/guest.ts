// SPDX-License-Identifier: BSD-3-Clause
/** How the tests change the guest: the conformance suite's driver for Linux, and its helpers. */

import { LinuxDriver } from "../../conformance/lib/linux.ts";

export { runScript, script, sleep, until } from "../../conformance/lib/script.ts";

const driver = new LinuxDriver();

export const PATH = driver.path;

/** How long channels and modules come and go in a test, in milliseconds. */
export const LASTING = 1000 * Number(Deno.env.get("KUP_SECONDS") || 3);

/** Runs `body` with an echo client that has these parameters, then loads the usual one again. */
export async function withEcho(
  parameters: Readonly<Record<string, string | number>>,
  body: () => Promise<void>,
): Promise<void> {
  await driver.unload();
  await driver.load(parameters);
  try {
    await body();
  } finally {
    await driver.unload();
    await driver.load();
  }
}
