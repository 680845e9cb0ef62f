// SPDX-License-Identifier: BSD-3-Clause
/** The connection of `forward.ts` and `subscribe.ts` to a NATS server, and the stream there. */

import { jetstreamManager } from "npm:@nats-io/jetstream@3.4.0";
import { connect, type NatsConnection } from "npm:@nats-io/transport-node@3.4.0";
import { Failure } from "../program.ts";

export * from "npm:@nats-io/jetstream@3.4.0";
export { headers, type NatsConnection } from "npm:@nats-io/transport-node@3.4.0";

/** The stream that stores what is published below `kup`. */
export const STREAM = "KUP";

/** A server of this program's own, which ends with it. */
export class OwnServer implements AsyncDisposable {
  /** No other server at that address has this name. */
  readonly name = `kup-${crypto.randomUUID()}`;
  readonly #address: string;
  readonly #child: Deno.ChildProcess;
  #ended = false;

  /** @param folder Where the server stores. */
  constructor(folder: string, address: string) {
    this.#address = address;
    const { hostname, port } = new URL(`nats://${address}`);
    const where = ["--addr", hostname, "--port", port || "4222", "--name", this.name];
    const args = [...where, "--jetstream", "--store_dir", folder];
    try {
      // Ctrl-C must not reach it: what is left in the ring is stored after that.
      const options = { detached: true, stdin: "null", stdout: "null", stderr: "null" } as const;
      this.#child = new Deno.Command("nats-server", { args, ...options }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Failure("There is no nats-server; install it: apt-get install nats-server.");
    }
    this.#child.status.then(() => this.#ended = true);
  }

  /** Connects as soon as it answers. */
  async connect(signal: AbortSignal): Promise<NatsConnection> {
    while (!this.#ended) {
      signal.throwIfAborted();
      const nats = await connectTo(this.#address).catch(() => undefined);
      if (nats?.info?.server_name === this.name) return nats;
      await nats?.close();
      await new Promise((wake) => setTimeout(wake, 50));
    }
    throw new Failure(
      `nats-server can't run at ${this.#address}; choose another --start or --server.`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}

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
