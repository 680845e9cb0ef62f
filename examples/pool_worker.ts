// SPDX-License-Identifier: BSD-3-Clause
/**
 * A worker of `pool.ts`. Objects of KUP belong to the isolate that made them, so each worker opens
 * the device itself, and attaches whatever channel is free.
 */

import { type Channel, open } from "jsr:@kup/kup@0";

// TypeScript knows no difference between this and a window here.
declare function postMessage(message: unknown): void;

interface Job {
  readonly job: number;
  readonly messages: number;
}

/** Sends the messages of a job, and returns how many came back as they were. */
async function work(channel: Channel, { job, messages }: Job): Promise<number> {
  const block = Array.from({ length: messages }, (_, i) => new Float64Array([job, i]));
  const sending = channel.sendBatch(block);
  let right = 0;
  for (let received = 0; received < messages;) {
    for (const message of await channel.receiveBatch()) {
      if (message.f64(0) === job && message.f64(8) === received) right++;
      received++;
    }
    if (channel.done) throw new Error("The module has closed the channel.");
  }
  await sending;
  return right;
}

let channel: Channel | undefined;

/** The first message is the device's path, and all others are jobs. */
addEventListener("message", async (event) => {
  const { data } = event as MessageEvent<string | Job>;
  if (typeof data !== "string") return postMessage(await work(channel!, data));
  using device = open(data); // the channel stays attached when the device is closed
  channel = await device.attach();
  postMessage(channel.number);
});
