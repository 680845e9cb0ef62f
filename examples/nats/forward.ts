// SPDX-License-Identifier: BSD-3-Clause
/**
 * Forwards a channel to a NATS server, so that other machines can read it. A message leaves the
 * ring only after JetStream has acknowledged it, so nothing is lost while the server restarts:
 *
 *     nats-server --jetstream --store_dir /var/tmp/nats
 *     make -C examples/sampler
 *     deno run --allow-ffi --allow-net --allow-env --allow-sys examples/nats/forward.ts
 */

import { type Message, open } from "jsr:@kup/kup@0";
import { Failure, program } from "../program.ts";
import * as server from "./server.ts";

const HERE = import.meta.resolve("../sampler/sampler.so");

const USAGE = {
  text: `usage: deno run --allow-ffi --allow-net --allow-env --allow-sys examples/nats/forward.ts
           [--server ADDRESS] [--start FOLDER] [--ring BYTES] [DEVICE]

Forwards what comes from a device to the stream KUP of a NATS server, until Ctrl-C.

  --server ADDRESS  127.0.0.1:4222 if not given
  --start FOLDER    start that server here, storing in this folder, and end it at the end; Deno
                    needs --allow-run=nats-server
  --ring BYTES      the size of the ring, which has to last while the server is away; the largest
                    one that the device allows if not given
  DEVICE            host:${HERE} if not given, which
                    \`make -C examples/sampler\` builds`,
  values: ["server", "start", "ring"],
  words: 1,
};

/** Prints when the server goes and comes. */
async function report(nats: server.NatsConnection): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === "disconnect") console.log("the server is gone; messages wait in the ring");
    if (type === "reconnect") console.log("the server is back");
  }
}

/** Publishes what one channel receives. */
class Forwarder {
  /** The number of the next message. Messages that were lost have numbers, too. */
  #number = 0;
  lost = 0;
  /** With the number, this names a message: the server stores one that comes twice only once. */
  readonly #run = crypto.randomUUID();
  readonly #server: server.JetStreamClient;
  /** Why the server did not store a message at the first try; each reason is printed once. */
  #reason = "";

  constructor(nats: server.NatsConnection, readonly subject: string, readonly signal: AbortSignal) {
    this.#server = server.jetstream(nats);
  }

  get messages(): number {
    return this.#number - this.lost;
  }

  /** Resolves when the server has stored all these messages. Until then they stay in the ring. */
  async forward(batch: readonly Message[]): Promise<void> {
    await Promise.all(batch.map((message) => {
      const fields = server.headers();
      fields.set("Kup-Number", String(this.#number));
      fields.set("Kup-Type", String(message.type));
      if (message.gap !== undefined) fields.set("Kup-Gap", String(message.gap.records));
      const options = { headers: fields, msgID: `${this.#run} ${this.#number}`, timeout: 1000 };
      this.#number += message.gap?.records ?? 1;
      this.lost += message.gap?.records ?? 0;
      return this.#store(message, options);
    }));
  }

  /** Publishes again until the server acknowledges; after Ctrl-C, three times at most. */
  async #store(message: Message, options: Partial<server.JetStreamPublishOptions>): Promise<void> {
    const data = message.gap === undefined ? message.bytes : new Uint8Array();
    for (let triesLeft = 3;;) {
      try {
        await this.#server.publish(this.subject, data, options);
        return;
      } catch (error) {
        if (this.signal.aborted && --triesLeft === 0) {
          throw new Failure(`The last messages are not stored: ${error}`);
        }
        if (this.#reason !== `${error}`) console.log(`not stored yet: ${error}`);
        this.#reason = `${error}`;
        await new Promise((wake) => setTimeout(wake, 100));
      }
    }
  }
}

await program(USAGE, async (line) => {
  const { signal } = line;
  using device = open(line.words[0] ?? `host:${HERE}`);
  const most = device.info().maxRingBytes.toUser;
  const ring = line.number("ring", most, [1, most]);
  using channel = await device.attach({ ringBytes: { toUser: ring }, signal });
  const address = line.value("server", "127.0.0.1:4222");
  const folder = line.value("start", "");
  await using own = folder === "" ? undefined : new server.OwnServer(folder, address);
  const nats = await (own?.connect(signal) ?? server.connectTo(address));
  const reporting = report(nats);
  try {
    const subject = `kup.${device.name.replaceAll("/", ".")}.${channel.number}`;
    console.log(`Forwarding ${device.path} to ${subject}; Ctrl-C ends.`);
    const forwarder = new Forwarder(nats, subject, signal);
    while (!signal.aborted && !channel.done) {
      const batch = await channel.receiveBatch({ signal }).catch((error) => {
        if (error !== signal.reason) throw error;
        return channel.tryReceiveBatch({ max: 1e6 }); // what has come until Ctrl-C
      });
      await forwarder.forward(batch);
    }
    console.log(`forwarded ${forwarder.messages} messages; ${forwarder.lost} were lost before`);
  } finally {
    await nats.close();
    await reporting;
  }
});
