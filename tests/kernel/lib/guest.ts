// SPDX-License-Identifier: BSD-3-Clause
/** What the tests do to the guest: the conformance suite's driver for Linux, and its helpers. */

import { LinuxDriver } from "../../conformance/lib/linux.ts";

export { runScript, script, sleep, until } from "../../conformance/lib/script.ts";

const driver = new LinuxDriver();

export const PATH = driver.path;

/** Runs `body` with an echo client that has these parameters, and puts the usual one back. */
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
