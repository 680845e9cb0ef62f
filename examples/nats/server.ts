// SPDX-License-Identifier: BSD-3-Clause
/** The connection of `forward.ts` and `subscribe.ts` to a NATS server, and the stream there. */

import { jetstreamManager } from "npm:@nats-io/jetstream@3.4.0";
import { connect, type NatsConnection } from "npm:@nats-io/transport-node@3.4.0";
import { Failure } from "../program.ts";

export * from "npm:@nats-io/jetstream@3.4.0";
export { headers, type NatsConnection } from "npm:@nats-io/transport-node@3.4.0";

/** The stream that stores what is published below `kup`. */
export const STREAM = "KUP";

/** Connects to a server, again and again when it is gone later, and makes the stream. */
export async function connectTo(servers: string): Promise<NatsConnection> {
  let nats: NatsConnection | undefined;
  try {
    nats = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 200 });
    const { streams } = await jetstreamManager(nats);
    const make = () => streams.add({ name: STREAM, subjects: ["kup.>"] });
    await streams.info(STREAM).catch(make);
    return nats;
  } catch (error) {
    await nats?.close();
    const reason = error instanceof Error ? error.message : error;
    throw new Failure(`${servers}: ${reason}; nats-server --jetstream has to run there.`);
  }
}
