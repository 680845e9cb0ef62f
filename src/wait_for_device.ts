// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waits for a device to appear. It tries to open the device repeatedly, with growing pauses.
 * Watching folders would need one more permission than `--allow-ffi`, and devices of the host
 * driver are not files.
 *
 * @module
 */

import { checkSignal, offAbort, onAbort } from "./arguments.ts";
import { open } from "./device.ts";
import { ENODEV, ENOENT, ENOTDIR, ENXIO, KupError } from "./errors.ts";
import { loadNative, releaseNative } from "./library.ts";
import { check, WAIT_FOR_DEVICE } from "./options.ts";
import { rememberPath, toPath } from "./paths.ts";
import { requireFfi } from "./permission.ts";
import { checkRuntime } from "./runtime.ts";
import type { Device, WaitForDeviceOptions } from "./types.ts";

// Saved here, because a test framework may replace them.
const { setTimeout, clearTimeout } = globalThis;

/** The pause between two tries, in milliseconds: the first one, and the longest. */
const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 200;

/**
 * How long a refusal is tolerated. A device's file appears before the system (udev, devd) has set
 * its owner and mode; a refusal that lasts longer is intended.
 */
const REFUSED_MS = 2000;

/** No file; a device that is being destroyed; a file whose driver is not loaded; no folder yet. */
const MISSING: readonly (number | undefined)[] = [ENOENT, ENXIO, ENODEV, ENOTDIR];

/** Whether a device may still appear. A path that can't lead anywhere is not waited for. */
function isMissing({ code, errno }: KupError): boolean {
  return (code === "not-found" || code === "gone" || code === "not-a-device") &&
    MISSING.includes(errno);
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      if (signal !== undefined) offAbort(signal, abort);
      resolve();
    }, milliseconds);
    if (signal !== undefined) onAbort(signal, abort);
  });
}

/**
 * Opens a device as soon as it exists: waits while {@linkcode open} finds none, for example before
 * a kernel module is loaded, or after it was unloaded. It tries at least five times a second, which
 * costs next to nothing, and keeps the event loop alive. Needs `--allow-ffi`, and no permission to
 * read.
 *
 * A program can use it to reconnect: a channel's `for await` ends when its device is destroyed, and
 * then the program waits for a new device.
 *
 * @param path As for {@linkcode open}. A client module of the host driver is loaded as `open` would
 * load it. The call waits for a file that doesn't exist yet, and for a device's name that no module
 * has made yet.
 * @param options The options of {@linkcode open}, and a signal that ends the wait.
 *
 * @returns The device, which the caller closes.
 * @throws {KupError} The errors of {@linkcode open}. `"not-found"` only for a path that can't lead
 * anywhere; `"not-permitted"` only after two seconds, since a device's file appears before its
 * owner and mode are set.
 * @throws {TypeError} As {@linkcode open}; and if `signal` is not an AbortSignal.
 * @throws The signal's reason.
 *
 * @example
 * ```ts
 * import { KupError, waitForDevice } from "jsr:@kup/kup";
 *
 * for (let lives = 0; lives < 2; lives++) {
 *   using device = await waitForDevice("host:echo");
 *   try {
 *     using channel = await device.attach();
 *     await channel.send("hello");
 *     await channel.end(); // otherwise the loop ends when the device is destroyed
 *     for await (const message of channel) console.log(message.text());
 *   } catch (error) { // the device was destroyed before the attach
 *     if (!(error instanceof KupError && error.code === "gone")) throw error;
 *   }
 * }
 * ```
 */
export async function waitForDevice(
  path: string | URL,
  options: WaitForDeviceOptions = {},
): Promise<Device> {
  check(WAIT_FOR_DEVICE, options);
  const { signal: given, ...others } = options;
  const signal = checkSignal(given);
  signal?.throwIfAborted();
  checkRuntime();
  requireFfi(typeof path === "string" ? path : "KUP");
  const whole = toPath(path);
  // The library is kept during the wait; loading it for each try would take longer than the try.
  const native = loadNative(others.library);
  try {
    let refusedFor = 0;
    for (let wait = SHORTEST_PAUSE_MS;; wait = Math.min(2 * wait, LONGEST_PAUSE_MS)) {
      try {
        const device = open(whole, others);
        rememberPath(path, whole);
        return device;
      } catch (error) {
        if (!(error instanceof KupError)) throw error;
        refusedFor = error.code === "not-permitted" ? refusedFor + wait : 0;
        if (refusedFor > 0 ? refusedFor > REFUSED_MS : !isMissing(error)) throw error;
      }
      await pause(wait, signal);
    }
  } finally {
    releaseNative(native);
  }
}
