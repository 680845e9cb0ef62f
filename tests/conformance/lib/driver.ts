// SPDX-License-Identifier: BSD-3-Clause
/** The driver under test, which KUP_DRIVER names. */

import { type DifferenceId, differs } from "../differences.ts";
import { HostDriver } from "./host.ts";
import type { Driver, Parameters } from "./interface.ts";
import { LinuxDriver } from "./linux.ts";

export { ECHO_NAME } from "./interface.ts";

function chosen(): Driver {
  const name = Deno.env.get("KUP_DRIVER");
  switch (name) {
    case "host":
      return new HostDriver();
    case "linux":
      return new LinuxDriver();
    default:
      throw new Error(`KUP_DRIVER must be host or linux, not ${name}`);
  }
}

/** The driver under test. */
export const driver: Driver = chosen();

/** The echo device's path. */
export const PATH = driver.path;

/**
 * Whether the driver under test differs in this way. The test has an expectation for both answers.
 */
export function differsBy(id: DifferenceId): boolean {
  return differs(driver.name, id);
}

/** Runs `body` with an echo client that has these parameters, then loads the usual one again. */
export async function withEcho(parameters: Parameters, body: () => Promise<void>): Promise<void> {
  await driver.unload();
  await driver.load(parameters);
  try {
    await body();
  } finally {
    await driver.unload();
    await driver.load();
  }
}

/** Runs `body`, which unloads the echo client, and loads it again. */
export async function thenLoad(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } finally {
    await driver.load();
  }
}
