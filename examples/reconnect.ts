// SPDX-License-Identifier: BSD-3-Clause
/**
 * Follows a device whose module is unloaded and loaded again, while the program runs on:
 *
 *     deno run --allow-ffi examples/reconnect.ts                  # unloads its own module
 *     deno run --allow-ffi examples/reconnect.ts /dev/kup/echo    # rmmod and insmod do that
 */

import { type Device, KupError, unload, waitForDevice } from "jsr:@kup/kup@0";
import { program } from "./program.ts";

const USAGE = {
  text: `usage: deno run --allow-ffi examples/reconnect.ts [DEVICE]

Counts messages from a device, also after its module was loaded again, until Ctrl-C.

  DEVICE   host:echo if not given, which this program unloads each second;
           /dev/kup/echo, or another device that answers or sends, is the kernel's`,
  words: 1,
};

/** Attaches a channel, asks ten times a second, and counts until the device is gone. */
async function count(device: Device, signal: AbortSignal): Promise<void> {
  let messages = 0;
  using channel = await device.attach({ signal });
  const asking = setInterval(() => {
    try {
      channel.trySend("Are you there?");
    } catch {
      // The module is being unloaded; the loop below ends as well.
    }
  }, 100);
  try {
    console.log(`attached channel ${channel.number} of ${device.name}`);
    for await (const _ of channel.messages({ signal })) messages++;
  } finally {
    clearInterval(asking);
    console.log(`${messages} messages came`);
  }
}

await program(USAGE, async ({ words: [path = "host:echo"], signal }) => {
  console.log("Ctrl-C ends.");
  for (;;) {
    using device = await waitForDevice(path, { signal });
    // Only this process can do to its own modules what rmmod does to a kernel's.
    const unloading = path.startsWith("host:") ? setTimeout(() => unload(path), 1000) : undefined;
    try {
      await count(device, signal);
    } catch (error) {
      // The module was unloaded at that moment; any other error ends the program.
      if (!(error instanceof KupError && ["gone", "closed"].includes(error.code))) throw error;
    } finally {
      clearTimeout(unloading);
    }
    console.log(`${path} is gone; waiting for it to come back`);
  }
});
