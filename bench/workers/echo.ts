// SPDX-License-Identifier: BSD-3-Clause
/** The worker's side: sends back what it gets. */

/** How the two sides talk. */
export type Way = "messages" | "atomics" | "ringbuf";

/** A queue of ringbuf.js, as far as it is used here. */
export interface RingBuffer {
  /** Returns how many elements it has taken. */
  push(elements: Uint8Array): number;
  /** Returns how many elements it has stored. */
  pop(elements: Uint8Array): number;
}

/** The first message. */
export interface Start {
  readonly way: Way;
  readonly length: number;
  readonly words: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
  readonly out: SharedArrayBuffer;
  readonly in: SharedArrayBuffer;
  /** The URL of ringbuf.js. */
  readonly ringbuf: string | undefined;
}

interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;

/** Sleeps in `Atomics.wait`; the worker is terminated there. */
function answerAtomics(start: Start): never {
  const words = new Int32Array(start.words);
  const bytes = new Uint8Array(start.bytes);
  const own = new Uint8Array(start.length);
  for (let trip = 0;; trip++) {
    while (Atomics.load(words, 0) === trip) Atomics.wait(words, 0, trip);
    own.set(bytes);
    bytes.set(own);
    Atomics.store(words, 1, trip + 1);
    Atomics.notify(words, 1);
  }
}

/** Answers so many trips, looking all the time: the library has no wait. */
function answerRings(rings: { out: RingBuffer; in: RingBuffer }, trips: number, length: number) {
  const data = new Uint8Array(length);
  for (let i = 0; i < trips; i++) {
    for (let got = 0; got < length;) got += rings.out.pop(data.subarray(got));
    for (let sent = 0; sent < length;) sent += rings.in.push(data.subarray(sent));
  }
}

async function begin(start: Start): Promise<void> {
  if (start.way === "messages") scope.onmessage = ({ data }) => scope.postMessage(data);
  if (start.way === "ringbuf") {
    const { RingBuffer } = await import(start.ringbuf!);
    const rings = {
      out: new RingBuffer(start.out, Uint8Array),
      in: new RingBuffer(start.in, Uint8Array),
    };
    scope.onmessage = ({ data }) => answerRings(rings, data, start.length);
  }
  scope.postMessage("ready");
  if (start.way === "atomics") answerAtomics(start);
}

scope.onmessage = ({ data }) => void begin(data);
