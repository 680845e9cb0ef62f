// SPDX-License-Identifier: BSD-3-Clause
/** Expecting a KupError: its code, and its errno where an operating system's call said no. */

import { assertEquals, assertRejects, assertThrows } from "../../../deps.ts";
import { KupError, type KupErrorCode } from "../../../mod.ts";

export const ENOENT = 2;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;

/** Exactly this code and this errno; without one, the library found out by itself. */
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
