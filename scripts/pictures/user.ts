// SPDX-License-Identifier: BSD-3-Clause
/// <reference lib="deno.worker" />
/** A worker that uses a channel of `host:echo` until its process ends; `kup.ts` starts it. */

import { open } from "../../mod.ts";

/** What it sends at a time: how many messages of which length, and the pause after that. */
export interface Work {
  readonly count: number;
  readonly length: number;
  readonly pauseMs: number;
}

async function work({ count, length, pauseMs }: Work): Promise<never> {
  using device = open("host:echo");
  using channel = await device.attach();
  const messages = Array.from({ length: count }, () => new Uint8Array(length));
  self.postMessage("attached");
  for (;;) {
    await channel.sendBatch(messages);
    for (let left = count; left > 0;) left -= (await channel.receiveBatch({ max: left })).length;
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

self.onmessage = ({ data }: MessageEvent<Work>) => void work(data);
