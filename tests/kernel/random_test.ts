// SPDX-License-Identifier: BSD-3-Clause
/**
 * Random calls: whatever a script does, its process ends by itself and its channels are free
 * afterwards.
 */

import { assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { CLOSE, PAUSE } from "./lib/echo.ts";
import { patience } from "../lib/until.ts";
import { PATH, until, withEcho } from "./lib/guest.ts";
import { randomCalls, seed } from "../random/run.ts";

async function callAndCheck(): Promise<void> {
  await randomCalls({
    path: PATH,
    seed,
    seconds: 3,
    ending: "exit",
    workers: 1,
    pause: PAUSE,
    close: CLOSE,
  });
  using device = open(PATH);
  await until(() => device.info().channelsFree === device.channels, "all channels are free");
  for (let number = 0; number < device.channels; number++) {
    using channel = await device.attach({ channel: number });
    channel.sendSync("still works");
    let message = channel.receiveSync({ timeout: patience() });
    // In turn mode the kernel has the first turn.
    if (message?.pass) message = channel.receiveSync({ timeout: patience() });
    assertEquals(message?.text(), "still works");
  }
}

Deno.test(`mod.ts survives random calls (KUP_SEED=${seed})`, callAndCheck);

Deno.test(`mod.ts survives random calls in turn mode (KUP_SEED=${seed})`, () =>
  withEcho({ mode: 2 }, callAndCheck));
