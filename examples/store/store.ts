// SPDX-License-Identifier: BSD-3-Clause
/**
 * Asks the store client, which is a key-value store in a kernel module:
 *
 *     make -C examples/store
 *     deno run --allow-ffi examples/store/store.ts              # in this process
 *     deno run --allow-ffi examples/store/store.ts /dev/store   # in a kernel with store.ko
 */

import { CallStatus, type Channel, open, type Reply } from "jsr:@kup/kup@0";
import { program } from "../program.ts";

const HERE = import.meta.resolve("./store.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/store/store.ts [DEVICE]

Stores a hundred values, reads them back, and deletes them.

  DEVICE   host:${HERE} if not given, which \`make -C examples/store\` builds;
           /dev/store in a kernel that has store.ko`,
  words: 1,
};

/** The methods and statuses in store.h. */
const GET = 1;
const SET = 2;
const DELETE = 3;
const NOT_FOUND = 1;

const encoder = new TextEncoder();

/** A store with the calls of a Map. */
class Store {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async get(key: string): Promise<string | undefined> {
    const reply = await this.#ask(GET, encoder.encode(key));
    return reply.ok ? reply.text() : undefined;
  }

  async set(key: string, value: string): Promise<void> {
    const keyBytes = encoder.encode(key);
    const data = new Uint8Array(4 + keyBytes.length + encoder.encode(value).length);
    new DataView(data.buffer).setUint32(0, keyBytes.length, true);
    data.set(keyBytes, 4);
    data.set(encoder.encode(value), 4 + keyBytes.length);
    await this.#ask(SET, data);
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#ask(DELETE, encoder.encode(key))).ok;
  }

  /** Asks again while the ring has no room for the reply. */
  async #ask(method: number, data: Uint8Array): Promise<Reply> {
    for (;;) {
      const reply = await this.#channel.call(method, data, { timeout: 60_000 });
      if (reply.ok || reply.status === NOT_FOUND) return reply;
      if (reply.status !== CallStatus.noRoom) throw new Error(`store: status ${reply.status}`);
    }
  }
}

async function main(path: string): Promise<void> {
  using device = open(path);
  using channel = await device.attach();
  const store = new Store(channel);
  const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`);
  await Promise.all(keys.map((key, i) => store.set(key, `${i} `.repeat(100))));
  const values = await Promise.all(keys.map((key) => store.get(key)));
  console.log(`${device.name} has "${values[7]?.slice(0, 7)}..." under "key 7"`);
  const right = values.filter((value, i) => value === `${i} `.repeat(100));
  console.log(`${right.length} of ${keys.length} values are what was stored`);
  const deleted = await Promise.all(keys.map((key) => store.delete(key)));
  console.log(`${deleted.filter((was) => was).length} keys were deleted`);
  console.log(`"key 7" is ${await store.get("key 7")} now`);
}

await program(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
