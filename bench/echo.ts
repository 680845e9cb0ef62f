// SPDX-License-Identifier: BSD-3-Clause
/**
 * The echo client, there and back; as a peer, `cat` at the other end of two pipes.
 *
 *     deno run -A bench/echo.ts [host:echo | /dev/kup/echo]
 */

import { type Channel, open } from "../mod.ts";
import { heading, measure } from "./measure.ts";

/** How many messages are in flight in the streams. */
const WINDOW = 32;

async function roundTrip(channel: Channel, data: Uint8Array): Promise<void> {
  await channel.send(data);
  await channel.receive();
}

/** Sends a window and receives it again. */
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

/** The same bytes through another process, over pipes. */
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

const path = Deno.args[0] ?? "host:echo";
heading(`Messages to ${path} and back`);
await measureKup(path);
try {
  await measurePipes();
} catch (error) {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
  console.log("peer: cat is not here");
}
