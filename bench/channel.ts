// SPDX-License-Identifier: BSD-3-Clause
/** Rounds over a channel in TypeScript. Each returns ns per item, and checks what has arrived. */

import type { Channel, Cursor, Message, WatermarkOptions } from "../mod.ts";
import type { Rounds } from "./native.ts";
import {
  COMMAND,
  type Command,
  DATA,
  decodeDone,
  DONE,
  type Done,
  encodeCommand,
  sumBelow,
} from "./protocol.ts";

const WARM_UP = 20;

/** What a message of 64 bytes takes in a ring. */
export const MESSAGE_BYTES = 72;

/** What it took to read a work to its end. */
export interface Gathered {
  /** How often the kernel's side has woken this process. */
  readonly wakeups: number;
  /** How many batches there were; each wait ends with one, whatever has ended it. */
  readonly batches: number;
  readonly ms: number;
  /** The kernel's side's time for a message. */
  readonly ns: number;
}

/** What arrived is not what was sent. */
export class StreamError extends Error {
  override readonly name = "StreamError";
}

function expect(right: boolean, what: string): void {
  if (!right) throw new StreamError(`A benchmark has received the wrong ${what}.`);
}

/** A message's first word, as far as the benchmarks count. */
export function word(message: Message): number {
  return message.u32(0);
}

/**
 * How many messages a call of a hot loop takes. A loop that lasts for a whole round would be
 * compiled in its middle, and left at its end, in each round; a function that is called often is
 * compiled as a whole.
 */
const CHUNK = 100;

/** Sends messages whose words count from `from` to `to` - 1. */
function sendSome(
  channel: Channel,
  data: Uint8Array,
  words: Uint32Array,
  from: number,
  to: number,
  options: { type: number },
): void {
  for (let i = from; i < to; i++) {
    words[0] = i;
    while (!channel.trySend(data, options)) { /* The ring is full. */ }
  }
}

/** The same, written in place. */
function reserveSome(
  channel: Channel,
  data: Uint8Array,
  words: Uint32Array,
  from: number,
  to: number,
  options: { type: number },
): void {
  for (let i = from; i < to; i++) {
    let room;
    while ((room = channel.tryReserve(64)) === undefined) { /* The ring is full. */ }
    words[0] = i;
    room.bytes.set(data);
    room.commit(options);
  }
}

/** A channel, and the rounds over it. */
export class ChannelRounds {
  readonly #channel: Channel;
  readonly #now: () => number;
  readonly #sleep: (microseconds: number) => void;

  constructor(channel: Channel, rounds: Rounds) {
    this.#channel = channel;
    this.#now = () => rounds.symbols.bench_now();
    this.#sleep = (microseconds) => rounds.symbols.bench_sleep(microseconds);
  }

  /** Begins a work of the kernel's side. */
  command(command: Command): void {
    this.#channel.sendSync(encodeCommand(command), { type: COMMAND });
  }

  /** Receives the message that ends a work. */
  done(): Done {
    const message = this.#channel.receiveSync();
    expect(message?.type === DONE, "end of a work");
    return decodeDone(message!.view);
  }

  /* ---- Echo ---- */

  /** Round trips with `trySend` and `tryReceive`, which never sleep. */
  echo(length: number, count: number, each?: Float64Array): number {
    const channel = this.#channel;
    const data = new Uint8Array(length);
    const words = new Uint32Array(data.buffer);
    const trips = count + WARM_UP;
    let start = 0;
    let message: Message | undefined;
    this.command({ work: "echo", count: trips, length });
    for (let i = 0; i < trips; i++) {
      if (i === WARM_UP) start = this.#now();
      words[0] = i;
      while (!channel.trySend(data)) { /* The ring is full. */ }
      while ((message = channel.tryReceive()) === undefined) { /* Not yet. */ }
      expect(message.length === length, "length");
      if (each !== undefined && i >= WARM_UP) each[i - WARM_UP] = this.#now();
    }
    const end = this.#now();
    expect(word(message!) === trips - 1, "echo");
    if (each !== undefined) makeDifferences(each, start);
    return (end - start) / count;
  }

  /** Round trips with `sendSync` and `receiveSync`, which spin, then sleep. */
  echoBlocking(length: number, count: number): number {
    const channel = this.#channel;
    const data = new Uint8Array(length);
    const words = new Uint32Array(data.buffer);
    const trips = count + WARM_UP;
    let start = 0;
    let message: Message | undefined;
    this.command({ work: "echo", count: trips, length });
    for (let i = 0; i < trips; i++) {
      if (i === WARM_UP) start = this.#now();
      words[0] = i;
      channel.sendSync(data);
      message = channel.receiveSync();
    }
    const end = this.#now();
    expect(word(message!) === trips - 1, "echo");
    return (end - start) / count;
  }

  /** A question of 8 bytes, and an answer of `length` bytes that is read in place. */
  ask(length: number, count: number): number {
    const channel = this.#channel;
    const words = new Uint32Array(2);
    const data = new Uint8Array(words.buffer);
    const trips = count + WARM_UP;
    let start = 0;
    let message: Message | undefined;
    this.command({ work: "answerInPlace", count: trips, length });
    for (let i = 0; i < trips; i++) {
      if (i === WARM_UP) start = this.#now();
      words[0] = i;
      while (!channel.trySend(data)) { /* The ring is full. */ }
      while ((message = channel.tryReceive()) === undefined) { /* Not yet. */ }
      expect(message.length === length && word(message) === i, "answer");
    }
    return (this.#now() - start) / count;
  }

  /* ---- To the user ---- */

  /** Counts the messages of one stream, and adds up their words. */
  #check(count: number, sum: number, wanted: number): void {
    expect(count === wanted, "number of messages");
    expect(sum === sumBelow(wanted), "messages");
  }

  /** A live stream, read with `tryReceive` in a loop. */
  toUser(count: number, batch: number, length = 64): number {
    this.command({ work: "produce", count, batch, length });
    return this.#readAll(count);
  }

  #readAll(wanted: number): number {
    const channel = this.#channel;
    let [start, count, sum] = [0, 0, 0];
    for (;;) {
      const message = channel.tryReceive();
      if (message === undefined) continue;
      if (message.type === DONE) break;
      if (count++ === 0) start = this.#now();
      sum += word(message);
    }
    const end = this.#now();
    channel.tryReceive();
    this.#check(count, sum, wanted);
    return (end - start) / (count - 1);
  }

  /**
   * Lets the event loop run. It stood still in the rounds before, so the first call that can wait
   * would give it some milliseconds, which are not a part of the stream.
   */
  #settle(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** The same with `receiveBatch`. */
  async toUserBatches(wanted: number, batch: number): Promise<number> {
    const channel = this.#channel;
    await this.#settle();
    this.command({ work: "produce", count: wanted, batch });
    let [start, count, sum] = [0, 0, 0];
    for (let ended = false; !ended;) {
      for (const message of await channel.receiveBatch()) {
        if (message.type === DONE) ended = true;
        else {
          if (count++ === 0) start = this.#now();
          sum += word(message);
        }
      }
    }
    const end = this.#now();
    channel.tryReceive();
    this.#check(count, sum, wanted);
    return (end - start) / (count - 1);
  }

  /** The same with `drain`, in a loop. */
  drain(wanted: number, batch: number): number {
    const channel = this.#channel;
    this.command({ work: "produce", count: wanted, batch });
    let [start, count, sum] = [0, 0, 0];
    let ended = false;
    // For a closure, another module's constant is five loads away.
    const done = DONE;
    const take = (message: Cursor) => {
      if (message.type === done) ended = true;
      else {
        if (count++ === 0) start = this.#now();
        sum += message.u32(0);
      }
    };
    while (!ended) channel.drain(take);
    const end = this.#now();
    this.#check(count, sum, wanted);
    return (end - start) / (count - 1);
  }

  /** The same with `for await`; as a burst, the ring is full before the loop begins. */
  async forAwait(wanted: number, batch: number, burst: boolean): Promise<number> {
    const channel = this.#channel;
    await this.#settle();
    const before = channel.stats().toUserRecords;
    this.command({ work: "produce", count: wanted, batch });
    while (burst && channel.stats().toUserRecords < before + wanted + 1) this.#sleep(50);
    let [start, count, sum] = [0, 0, 0];
    for await (const message of channel) {
      if (message.type === DONE) break;
      if (count++ === 0) start = this.#now();
      sum += word(message);
    }
    const end = this.#now();
    channel.tryReceive();
    this.#check(count, sum, wanted);
    return (end - start) / (count - 1);
  }

  /** A burst that is in the ring before; `use` does something with each message. */
  burst(command: Command, use: (message: Message) => number): number {
    const channel = this.#channel;
    const before = channel.stats().toUserRecords;
    this.command(command);
    while (channel.stats().toUserRecords < before + command.count + 1) this.#sleep(50);
    let [count, sum] = [0, 0];
    const start = this.#now();
    for (;;) {
      const message = channel.tryReceive();
      if (message === undefined || message.type === DONE) break;
      sum += use(message);
      count++;
    }
    const end = this.#now();
    channel.tryReceive();
    this.#check(count, sum, command.count);
    return (end - start) / count;
  }

  /**
   * Reads a work to its end with `receiveBatch` and these options.
   *
   * @param rest How long to wait before that, in milliseconds.
   */
  async gather(command: Command, options: WatermarkOptions, rest = 0): Promise<Gathered> {
    const channel = this.#channel;
    await this.#settle();
    const before = channel.stats().wakeups;
    const start = this.#now();
    this.command(command);
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    let count = 0;
    for (let batches = 1;; batches++) {
      // The last messages may be too few for the watermark.
      const isLast = count + (options.minBytes ?? 0) / MESSAGE_BYTES > command.count;
      for (const message of await channel.receiveBatch(isLast ? {} : options)) {
        if (message.type !== DONE) {
          count++;
          continue;
        }
        const { ns } = decodeDone(message.view);
        expect(count === command.count, "number of messages");
        const wakeups = channel.stats().wakeups - before;
        return { wakeups, batches, ms: (this.#now() - start) / 1e6, ns: ns / count };
      }
    }
  }

  /* ---- To the kernel ---- */

  /** Begins the work, and waits until the kernel's side runs. */
  #beginConsuming(count: number, pause = 0): void {
    this.command({ work: "consume", count, pause });
    expect(this.#channel.receiveSync()?.type === DATA, "begin of a work");
  }

  #end(start: number, sent: number, count: number): number {
    const done = this.done();
    this.#check(done.count, done.sum, count);
    return ((sent === 0 ? this.#now() : sent) - start) / count;
  }

  /** With `trySend`. With a pause, the kernel's side sleeps while this side sends. */
  trySend(count: number, pause = 0): number {
    const channel = this.#channel;
    const data = new Uint8Array(64);
    const words = new Uint32Array(data.buffer);
    const options = { type: DATA };
    this.#beginConsuming(count, pause);
    const start = this.#now();
    for (let i = 0; i < count; i += CHUNK) {
      sendSome(channel, data, words, i, Math.min(i + CHUNK, count), options);
    }
    return this.#end(start, pause > 0 ? this.#now() : 0, count);
  }

  /** With `sendBatch`. */
  async sendBatch(count: number, batch: number): Promise<number> {
    const messages = Array.from({ length: batch }, () => new Uint8Array(64));
    const words = messages.map(({ buffer }) => new Uint32Array(buffer));
    const options = { type: DATA };
    await this.#settle();
    this.#beginConsuming(count);
    const start = this.#now();
    for (let i = 0; i < count; i += batch) {
      for (let k = 0; k < batch; k++) words[k]![0] = i + k;
      await this.#channel.sendBatch(messages, options);
    }
    return this.#end(start, 0, count);
  }

  /** With `tryReserve` and `commit`; the message is written in place. */
  reserve(count: number): number {
    const channel = this.#channel;
    const data = new Uint8Array(64);
    const words = new Uint32Array(data.buffer);
    const options = { type: DATA };
    this.#beginConsuming(count);
    const start = this.#now();
    for (let i = 0; i < count; i += CHUNK) {
      reserveSome(channel, data, words, i, Math.min(i + CHUNK, count), options);
    }
    return this.#end(start, 0, count);
  }
}

/** Turns the times at which events ended into how long each took. */
function makeDifferences(times: Float64Array, start: number): void {
  let last = start;
  for (let i = 0; i < times.length; i++) {
    const time = times[i]!;
    times[i] = time - last;
    last = time;
  }
}
