// SPDX-License-Identifier: BSD-3-Clause
/**
 * Client modules of the host driver: loading them with parameters, unloading them, and the errors
 * of both.
 *
 * @module
 */

import { checkBoolean, checkOptions, cString, kindOf } from "./arguments.ts";
import { ENOENT, KupError, systemError } from "./errors.ts";
import { hasPermission } from "./permission.ts";
import { loadNative, type Native, releaseNative } from "./library.ts";
import { formerPath, HOST, toPath } from "./paths.ts";
import type { UnloadOptions } from "./types.ts";

const MAX_ERROR_BYTES = 512;

/** The driver's own sentence about this thread's last call, or "". */
function sentence(native: Native): string {
  const bytes = new Uint8Array(MAX_ERROR_BYTES);
  native.kup_user_host_error(bytes, bytes.length);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/** The error for a failed open, load or unload of `path`, with the driver's own sentence. */
export function hostError(native: Native, result: number, path: string): KupError {
  return systemError("client", result, path, sentence(native));
}

/**
 * The error for a failed ATTACH of any device. If the host driver has a sentence about it, the
 * driver itself has failed, and not the kernel client.
 */
export function attachError(native: Native, result: number, path: string): KupError {
  const reason = path.startsWith(HOST) ? sentence(native) : "";
  return systemError(reason === "" ? "attach" : "memory", result, path, reason);
}

/**
 * Checks the permission to load a client module: loading one is loading a library, which
 * `--deny-ffi` may forbid.
 *
 * @throws {KupError} `"no-ffi-permission"`.
 */
export function checkPermission(path: string): void {
  const file = path.slice(HOST.length);
  if (!file.endsWith(".so")) return;
  if (hasPermission(file)) return;
  throw new KupError(
    "no-ffi-permission",
    `${path}: Deno may not load this file; run it with --allow-ffi, without --deny-ffi=${file}.`,
  );
}

/** The module's name as a C string. */
function clientOf(path: string): Uint8Array<ArrayBuffer> {
  cString("path", path);
  if (!path.startsWith(HOST)) {
    throw new TypeError(
      `Client modules are the host driver's: \`path\` must begin with "${HOST}", not be ${path}.`,
    );
  }
  return cString("path", path.slice(HOST.length));
}

/** "name=value ..." as a C string. */
function toParameters(
  parameters: Readonly<Record<string, string | number>>,
  checks: boolean | undefined,
): Uint8Array<ArrayBuffer> {
  if (typeof parameters !== "object" || parameters === null) {
    throw new TypeError("`parameters` must be an object of names and values.");
  }
  const words = Object.entries(parameters).map(([name, value]) => {
    if (!/^\w+$/.test(name)) throw new TypeError(`A parameter can't have the name ${name}.`);
    if (typeof value !== "string" && typeof value !== "number") {
      throw new TypeError(
        `The parameter \`${name}\` must be a string or a number, not ${kindOf(value)}.`,
      );
    }
    const text = String(value);
    if (/[\s\0]/.test(text)) {
      throw new TypeError(`The parameter \`${name}\` must be a value without blanks.`);
    }
    return `${name}=${text}`;
  });
  if (checks !== undefined) {
    checkBoolean("checks", checks);
    words.push(`kup.checks=${Number(checks)}`);
  }
  return new TextEncoder().encode(`${words.join(" ")}\0`);
}

/** Loads a client module, which must not be loaded yet. */
export function loadClient(
  native: Native,
  path: string,
  parameters: Readonly<Record<string, string | number>>,
  checks: boolean | undefined,
): void {
  const client = clientOf(path);
  checkPermission(path);
  const result = native.kup_user_host_load(client, toParameters(parameters, checks));
  if (result < 0) throw hostError(native, result, path);
}

/**
 * Unloads a client module of the host driver, as `rmmod` does in a kernel. Its devices are
 * destroyed, even if they are open, and this thread waits until the client has let go of every
 * channel. A device or channel that is still open sees that the device is gone; close it. Opening
 * the path again loads the module again.
 *
 * Calling this is optional: the modules that are still loaded end with the process. But only this
 * looks for what a module has left behind, and makes a test fail because of a mistake; see
 * {@linkcode mistakes}.
 *
 * @param path As for {@linkcode open}: `host:echo` or `host:FILE.so`. A relative path begins at the
 * current working directory; if no such module is loaded, at the working directory of the last
 * `open` with this path.
 * @throws {KupError} `"not-found"` if no such module is loaded; `"busy"` if the module has left a
 * device behind, or a `serve` does not return, and so can't be unloaded; `"mistakes"` if the module
 * was unloaded, and mistakes were found in it since it was loaded, which the message has;
 * `"no-ffi-permission"`, `"library"` and `"unsupported"`.
 * @throws {TypeError} If the path does not begin with `host:`.
 *
 * @example
 * ```ts
 * import { open, unload } from "jsr:@kup/kup";
 *
 * {
 *   using device = open("host:echo", { parameters: { channels: 2 } });
 *   console.log(device.channels);
 * }
 * unload("host:echo");
 * ```
 */
export function unload(path: string, options: UnloadOptions = {}): void {
  checkOptions(options);
  clientOf(path);
  const native = loadNative(options.library);
  try {
    const whole = toPath(path);
    const former = formerPath(path, whole);
    let result = native.kup_user_host_unload(clientOf(whole));
    if (result === -ENOENT && former !== undefined) {
      result = native.kup_user_host_unload(clientOf(former));
    }
    if (result < 0) throw hostError(native, result, whole);
    if (result > 0) throw mistakesError(whole, findMistakes(native, whole, former));
  } finally {
    releaseNative(native);
  }
}

/** The driver's sentences about a module, by its path now or at the time of its open. */
function findMistakes(native: Native, whole: string, former: string | undefined): string[] {
  for (const path of [whole, former]) {
    if (path === undefined) continue;
    const client = clientOf(path);
    const length = native.kup_user_host_mistakes(client, new Uint8Array(0), 0);
    // More may come between the two calls; the rest is cut off then.
    const bytes = new Uint8Array(length + 1);
    native.kup_user_host_mistakes(client, bytes, bytes.length);
    const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    if (text !== "") return text.split("\n").filter((line) => line !== "");
  }
  return [];
}

function mistakesError(path: string, found: readonly string[]): KupError {
  const what = found.length === 1 ? "a mistake" : `${found.length} mistakes`;
  return new KupError(
    "mistakes",
    `${path}: The host driver has found ${what} in this module, which is unloaded now:\n` +
      found.join("\n"),
  );
}

/**
 * The mistakes that the host driver has found in a client module since it was loaded, a sentence
 * each: records that are committed twice or never, bytes beyond a reservation, messages that are
 * not released, calls that may sleep where they must not, locks, memory, threads and timers that
 * are left, and a `serve` that does not return. `docs/mistakes.md` explains each. They are also
 * written to standard error when they are found.
 *
 * The module may be unloaded by now: {@linkcode unload} looks for what is left, and throws
 * `"mistakes"` if there are any, so a test that unloads its module fails because of them.
 *
 * @param path The path that {@linkcode open} was given: `host:FILE.so`, `host:echo`, or `host:NAME`
 * for the module that has made this device.
 * @returns The sentences, each one once; at most 64. None for a module that was never loaded, and
 * none without checks.
 * @throws {KupError} `"no-ffi-permission"`, `"library"` and `"unsupported"`.
 * @throws {TypeError} If the path does not begin with `host:`.
 *
 * @example
 * ```ts
 * import { mistakes, open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * console.log(mistakes(device.path)); // []
 * ```
 */
export function mistakes(path: string, options: UnloadOptions = {}): string[] {
  checkOptions(options);
  clientOf(path);
  const native = loadNative(options.library);
  try {
    const whole = toPath(path);
    return findMistakes(native, whole, formerPath(path, whole));
  } finally {
    releaseNative(native);
  }
}
