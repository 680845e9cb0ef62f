// SPDX-License-Identifier: BSD-3-Clause
/**
 * Three users of the chat client, one of them slow:
 *
 *     make -C examples/chat
 *     deno run --allow-ffi examples/chat/chat.ts              # in this process
 *     deno run --allow-ffi examples/chat/chat.ts /dev/chat    # in a kernel with chat.ko
 */

import { type Channel, open } from "jsr:@kup/kup@0";
import { program } from "../program.ts";

const HERE = import.meta.resolve("./chat.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/chat/chat.ts [DEVICE]

Three users of the chat client. One reads nothing until the end, and one gets a private line.

  DEVICE   host:${HERE} if not given, which \`make -C examples/chat\` builds;
           /dev/chat in a kernel that has chat.ko`,
  words: 1,
};

const ROUNDS = 20;
const LINES = 100;

/** Counts the lines and the losses of one user. */
class User {
  lines = 0;
  privateLines = 0;
  lost = 0;
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Receives until all users' lines have come, or are known to be lost, and the private ones. */
  async read(lines: number, privateLines = 0): Promise<void> {
    while (this.lines + this.lost < lines || this.privateLines < privateLines) {
      const message = await this.#channel.receive();
      if (message === undefined) return;
      if (message.gap !== undefined) this.lost += message.gap.records;
      else if (message.type === 0) this.lines++;
      else this.privateLines++;
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
  await bob.send("a line that only Ann gets", { type: 1 + ann.number });
  await users.ann.read(0, 1);
  for (let round = 1; round <= ROUNDS; round++) {
    await ann.sendBatch(Array(LINES).fill(line));
    await Promise.all([users.ann.read(round * LINES), users.bob.read(round * LINES)]);
  }
  // Sam has slept until now.
  await users.sam.read(ROUNDS * LINES);
  for (const [name, { lines, privateLines, lost }] of Object.entries(users)) {
    console.log(`${name} got ${lines} lines, ${privateLines} private, and lost ${lost}`);
  }
}

await program(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
