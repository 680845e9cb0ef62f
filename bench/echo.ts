// SPDX-License-Identifier: BSD-3-Clause
/**
 * Round trips to the echo client. The peer is `cat`, at the other end of two pipes.
 *
 *     deno run -A bench/echo.ts [host:echo | /dev/kup/echo]
 */

import { type Channel, KupError, open } from "../mod.ts";
import { withUsage } from "../scripts/usage.ts";
import { heading, measure } from "./measure.ts";

const USAGE = {
  text: `usage: deno run -A bench/echo.ts [DEVICE]

Measures messages to the echo client and back; its peer is cat, over two pipes.

  DEVICE   host:echo if not given; /dev/kup/echo is the kernel's`,
  words: 1,
};

/** How many messages are in flight in the streams. */
const WINDOW = 32;

async function roundTrip(channel: Channel, data: Uint8Array): Promise<void> {
  await channel.send(data);
  await channel.receive();
}

/** Sends a window of messages and receives it again. */
async function window(channel: Channel, data: Uint8Array): Promise<void> {
  for (let i = 0; i < WINDOW; i++) await channel.send(data);
  for (let left = WINDOW; left > 0;) left -= (await channel.receiveBatch()).length;
}

async function measureKup(path: string): Promise<void> {
  using device = open(path);
  for (const spin of [50, 0]) {
    using channel = await device.attach({ spin });
    const small = new Uint8Array(64);
    const name = (what: string) => `KUP, ${what}, spin ${spin} µs`;
    await measure(name("round trip, promises"), () => roundTrip(channel, small));
    await measure(name("round trip, blocking"), () => {
      channel.sendSync(small);
      channel.receiveSync();
    });
    await measure(name(`${WINDOW} of 64 bytes`), () => window(channel, small));
    const large = new Uint8Array(Math.min(2048, channel.maxMessage));
    await measure(name(`${WINDOW} of ${large.length} bytes`), () => window(channel, large));
  }
}

/** Sends the same bytes through another process, over pipes. */
async function measurePipes(): Promise<void> {
  await using cat = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
  const writer = cat.stdin.getWriter();
  const reader = cat.stdout.getReader({ mode: "byob" });
  const exchange = async (bytes: number) => {
    await writer.write(new Uint8Array(bytes));
    for (let left = bytes; left > 0;) {
      const { value } = await reader.read(new Uint8Array(left));
      left -= value?.length ?? left;
    }
  };
  await measure("peer: cat over pipes, round trip", () => exchange(64));
  await measure(`peer: cat over pipes, ${WINDOW} of 64 bytes`, () => exchange(WINDOW * 64));
  await writer.close();
  reader.releaseLock();
  await cat.stdout.cancel();
}

async function main(path: string): Promise<void> {
  heading(`Messages to ${path} and back`);
  await measureKup(path);
  try {
    await measurePipes();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("peer: cat is not here");
  }
}

try {
  await withUsage(USAGE, ({ words }) => main(words[0] ?? "host:echo"));
} catch (error) {
  if (!(error instanceof KupError)) throw error;
  console.error(`error: ${error.message}`);
  Deno.exit(1);
}
