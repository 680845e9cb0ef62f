// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows what the ticker client sends:
 *
 *     make -C examples/ticker
 *     deno run --allow-ffi examples/ticker/ticker.ts               # in this process
 *     deno run --allow-ffi examples/ticker/ticker.ts /dev/ticker   # in a kernel with ticker.ko
 */

import { type Channel, open } from "jsr:@kup/kup@0";
import { program } from "../program.ts";

const HERE = import.meta.resolve("./ticker.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/ticker/ticker.ts [DEVICE]

Shows five ticks of the ticker client.

  DEVICE   host:${HERE} if not given, which \`make -C examples/ticker\` builds;
           /dev/ticker in a kernel that has ticker.ko`,
  words: 1,
};

/** The types in ticker.h. */
const START = 1;
const TICK = 2;

function start(channel: Channel, microseconds: number): Promise<void> {
  return channel.send(new Uint32Array([microseconds]), { type: START });
}

/** Reads `count` ticks, and prints their numbers. */
async function watch(channel: Channel, count: number): Promise<void> {
  let last = performance.now();
  for await (const message of channel) {
    if (message.gap !== undefined) console.log(`(${message.gap.records} ticks were dropped here)`);
    if (message.type !== TICK) continue;
    const { bytes } = message;
    const number = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(0, true);
    const now = performance.now();
    console.log(`tick ${number} after ${(now - last).toFixed(1)} ms`);
    last = now;
    if (--count <= 0) return;
  }
}

async function main(path: string): Promise<void> {
  using device = open(path);
  using channel = await device.attach();
  console.log(`${device.name}, channel ${channel.number} of ${device.channels}`);
  await start(channel, 20_000);
  await watch(channel, 5);
  await start(channel, 0);
}

await program(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
