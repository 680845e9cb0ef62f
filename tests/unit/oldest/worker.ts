// SPDX-License-Identifier: BSD-3-Clause
/// <reference lib="deno.worker" />
/** Waits for one message, and passes it on. */

import { open } from "../../../mod.ts";

{
  using device = open("host:echo");
  using channel = await device.attach({ spin: 0 });
  const received = channel.receive();
  await channel.send("from a worker");
  self.postMessage((await received)?.text());
}
