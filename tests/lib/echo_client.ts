// SPDX-License-Identifier: BSD-3-Clause
/** The host driver's echo client with a test's own parameters. */

import { type Device, KupError, open, unload } from "../../mod.ts";

const PATH = "host:echo";

/** All test files run in one process, and another one may have left it loaded. */
function unloadIfLoaded(): void {
  try {
    unload(PATH);
  } catch (error) {
    if (!(error instanceof KupError) || error.code !== "not-found") throw error;
  }
}

/** Runs `body` with an echo client that nothing else uses. */
export async function withEcho(
  parameters: Readonly<Record<string, number>>,
  body: (device: Device) => Promise<void>,
): Promise<void> {
  unloadIfLoaded();
  try {
    using device = open(PATH, { parameters });
    await body(device);
  } finally {
    unloadIfLoaded();
  }
}
