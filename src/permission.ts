// SPDX-License-Identifier: BSD-3-Clause
/**
 * Deno's permission for FFI. A permission for some files only is not enough: with it Deno loads the
 * library, and then refuses the buffers over a channel's memory. So this library asks for the whole
 * permission, once, before the first call that needs it.
 *
 * @module
 */

import { KupError } from "./errors.ts";

// Saved here, because a program may replace them. Other runtimes have none.
const permissions = globalThis.Deno?.permissions;
const { querySync, requestSync } = permissions ?? {};

const FFI = { name: "ffi" } as const;

/** The error for a permission that is missing or was revoked. */
export function permissionError(subject: string, cause?: unknown): KupError {
  return new KupError(
    "no-ffi-permission",
    `${subject}: The whole permission for FFI is needed; run Deno with --allow-ffi, without a ` +
      "list of files, and do not revoke it before the last attach.",
    cause === undefined ? {} : { cause },
  );
}

/**
 * Whether FFI is allowed as a whole; with `file`, whether this file may be loaded. Never asks the
 * user.
 */
export function hasPermission(file?: string): boolean {
  if (querySync === undefined) return true;
  const wanted = file === undefined ? FFI : { ...FFI, path: file };
  return querySync.call(permissions, wanted).state === "granted";
}

/**
 * Checks that FFI is allowed as a whole. Never asks the user.
 *
 * @throws {KupError} `"no-ffi-permission"`.
 */
export function checkFfi(subject: string): void {
  if (!hasPermission()) throw permissionError(subject);
}

/**
 * Asks the user for the whole permission if it is neither granted nor denied. Without a terminal,
 * and with `--no-prompt`, Deno refuses at once.
 *
 * @throws {KupError} `"no-ffi-permission"`.
 */
export function requireFfi(subject: string): void {
  if (hasPermission()) return;
  if (requestSync?.call(permissions, FFI).state !== "granted") throw permissionError(subject);
}
