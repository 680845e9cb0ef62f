// SPDX-License-Identifier: BSD-3-Clause
/** Expects a KupError: its code, and the errno where a system call failed. */

import { assertEquals, assertRejects, assertThrows } from "../../../deps.ts";
import { KupError, type KupErrorCode } from "../../../mod.ts";

export const ENOENT = 2;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;

/**
 * Expects exactly this code and this errno; without an errno, the library itself found the error.
 */
export function throwsWith(code: KupErrorCode, body: () => unknown, errno?: number): KupError {
  const error = assertThrows(body, KupError);
  assertEquals([error.code, error.errno], [code, errno], error.message);
  return error;
}

/** The same for a promise. */
export async function rejectsWith(
  code: KupErrorCode,
  body: () => Promise<unknown>,
  errno?: number,
): Promise<KupError> {
  const error = await assertRejects(body, KupError);
  assertEquals([error.code, error.errno], [code, errno], error.message);
  return error;
}
