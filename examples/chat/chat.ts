// SPDX-License-Identifier: BSD-3-Clause
/**
 * Three users of the chat client, one of them slow:
 *
 *     make -C examples/chat
 *     deno run --allow-ffi examples/chat/chat.ts              # in this process
 *     deno run --allow-ffi examples/chat/chat.ts /dev/chat    # in a kernel with chat.ko
 */

import { type Channel, KupError, open } from "../../mod.ts";
import { withUsage } from "../../scripts/usage.ts";

const HERE = import.meta.resolve("./chat.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/chat/chat.ts [DEVICE]

Three users of the chat client, of which one reads nothing until the end.

  DEVICE   host:${HERE} if not given, which \`make -C examples/chat\` builds;
           /dev/chat in a kernel that has chat.ko`,
  words: 1,
};

const ROUNDS = 20;
const LINES = 100;

/** Counts the messages and the losses of one user. */
class User {
  messages = 0;
  lost = 0;
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Receives until this many messages have come, or are known to be lost. */
  async read(total: number): Promise<void> {
    while (this.messages + this.lost < total) {
      const message = await this.#channel.receive();
      if (message === undefined) return;
      if (message.gap === undefined) this.messages++;
      else this.lost += message.gap.records;
    }
  }
}

async function main(path: string): Promise<void> {
  using device = open(path);
  using ann = await device.attach();
  using bob = await device.attach();
  using sam = await device.attach();
  const users = { ann: new User(ann), bob: new User(bob), sam: new User(sam) };
  const line = "a line of about sixty bytes, which all users of the chat get";
  for (let round = 1; round <= ROUNDS; round++) {
    await ann.sendBatch(Array(LINES).fill(line));
    await Promise.all([users.ann.read(round * LINES), users.bob.read(round * LINES)]);
  }
  // Sam has slept until now.
  await users.sam.read(ROUNDS * LINES);
  for (const [name, { messages, lost }] of Object.entries(users)) {
    console.log(`${name} got ${messages} lines, and lost ${lost}`);
  }
}

try {
  await withUsage(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
} catch (error) {
  if (!(error instanceof KupError)) throw error;
  console.error(`error: ${error.message}`);
  Deno.exit(1);
}
