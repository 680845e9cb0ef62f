// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the harness's errors mean for a command.
 *
 * @module
 */

import { HarnessError } from "../harness/error.ts";
import { CommandError } from "../harness/process.ts";
import { Failure } from "./command.ts";
import { UsageError } from "./command_line.ts";

/** Waits for a call of the harness. */
export async function translate<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof HarnessError && error.code === "setting") {
      throw new UsageError(error.message, { cause: error });
    }
    if (error instanceof HarnessError || error instanceof CommandError) {
      throw new Failure(error.message, { cause: error });
    }
    throw error;
  }
}
