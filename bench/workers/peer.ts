// SPDX-License-Identifier: BSD-3-Clause
/** A worker that sends back what it gets, and this side of it. */

import type { RingBuffer, Start, Way } from "./echo.ts";

/** Where the two words of `Atomics.wait` are. */
const PING = 0;
const PONG = 1;

const WARM_UP = 20;

/** The worker's other side. */
export class WorkerPeer implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./echo.ts"), { type: "module" });
  readonly #start: Start;
  readonly #now: () => number;
  #rings: { out: RingBuffer; in: RingBuffer } | undefined;
  #trips = 0;

  private constructor(start: Start, now: () => number) {
    this.#start = start;
    this.#now = now;
  }

  /** Starts a worker. */
  static async start(
    way: Way,
    length: number,
    ringbuf: string | undefined,
    now: () => number,
  ): Promise<WorkerPeer> {
    const start: Start = {
      way,
      length,
      words: new SharedArrayBuffer(256),
      bytes: new SharedArrayBuffer(length),
      out: new SharedArrayBuffer(64 * 1024 + 8),
      in: new SharedArrayBuffer(64 * 1024 + 8),
      ringbuf,
    };
    const peer = new WorkerPeer(start, now);
    const ready = new Promise((resolve, reject) => {
      peer.#worker.onmessage = resolve;
      peer.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    peer.#worker.postMessage(start);
    await ready;
    if (ringbuf !== undefined && way === "ringbuf") {
      const { RingBuffer } = await import(ringbuf);
      peer.#rings = {
        out: new RingBuffer(start.out, Uint8Array),
        in: new RingBuffer(start.in, Uint8Array),
      };
    }
    return peer;
  }

  /** Makes round trips. Returns ns per trip. */
  async round(count: number): Promise<number> {
    const data = new Uint8Array(this.#start.length);
    let start = 0;
    if (this.#start.way === "ringbuf") this.#worker.postMessage(count + WARM_UP);
    for (let i = 0; i < count + WARM_UP; i++) {
      if (i === WARM_UP) start = this.#now();
      data[0] = i;
      // What takes no promise must not pay for one.
      const back = this.#start.way === "messages" ? await this.#post(data) : this.#trip(data);
      if (back[0] !== (i & 255)) throw new Error(`${this.#start.way}: a wrong echo`);
    }
    return (this.#now() - start) / count;
  }

  #post(data: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.postMessage(data);
    });
  }

  #trip(data: Uint8Array): Uint8Array {
    if (this.#rings !== undefined) return this.#overRings(data, this.#rings);
    const words = new Int32Array(this.#start.words);
    const bytes = new Uint8Array(this.#start.bytes);
    const trip = ++this.#trips;
    bytes.set(data);
    Atomics.store(words, PING, trip);
    Atomics.notify(words, PING);
    while (Atomics.load(words, PONG) !== trip) Atomics.wait(words, PONG, trip - 1);
    return bytes;
  }

  #overRings(data: Uint8Array, rings: { out: RingBuffer; in: RingBuffer }): Uint8Array {
    for (let sent = 0; sent < data.length;) sent += rings.out.push(data.subarray(sent));
    for (let got = 0; got < data.length;) got += rings.in.pop(data.subarray(got));
    return data;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
