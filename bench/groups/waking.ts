// SPDX-License-Identifier: BSD-3-Clause
/**
 * How long it takes until a sleeping consumer has the message. The other side sleeps, reads the
 * clock and sends; the consumer reads the same clock when it has the message.
 */

import { Socket } from "node:net";
import type { Channel } from "../../mod.ts";
import { ChannelRounds } from "../channel.ts";
import { ROOT } from "../../tests/lib/paths.ts";
import { must } from "../../tests/lib/process.ts";
import type { Rounds } from "../native.ts";
import { DONE } from "../protocol.ts";
import { type Group, Missing, type Run } from "../run.ts";

const CONFIG = Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json";

/** Messages in a round. The ways alternate. */
const BATCH = 20;
const ROUNDS = 12;
/** Much longer than any side spins. */
const PAUSE_US = 1000;
const MANY = 1000;

/** One way to wait: it adds the times of one round. */
type Way = (times: number[]) => Promise<void> | void;

class Pipe implements Disposable {
  readonly reading: number;
  readonly #writing: number;
  readonly #rounds: Rounds;

  constructor(rounds: Rounds) {
    const ends = new Int32Array(2);
    if (rounds.symbols.pipe(ends) !== 0) throw new Missing("there is no pipe");
    this.reading = ends[0]!;
    this.#writing = ends[1]!;
    this.#rounds = rounds;
  }

  /** A thread writes the time, `count` times. */
  feed(count: number, theirs: number): void {
    const error = this.#rounds.symbols.bench_feed(this.#writing, count, PAUSE_US, theirs);
    if (error !== 0) throw new Missing(`there is no thread: errno ${-error}`);
  }

  [Symbol.dispose](): void {
    this.#rounds.symbols.close(this.#writing);
  }
}

const word = (view: DataView, at = 0) => Number(view.getBigUint64(at, true));

/** A bare pipe, read by the event loop. */
function pipeInLoop(run: Run, count: number): Way {
  const { symbols } = run.rounds;
  const { theirs } = run.twoProcessors;
  const pipe = run.keep(new Pipe(run.rounds));
  const socket = new Socket({ fd: pipe.reading, readable: true, writable: false });
  run.keep({ [Symbol.dispose]: () => void socket.destroy() });
  let arrived = (_: Uint8Array) => {};
  socket.on("data", (data) => arrived(data));
  return async (times) => {
    pipe.feed(count, theirs);
    let left = count;
    await new Promise<void>((resolve) => {
      arrived = (data) => {
        const now = symbols.bench_now();
        const view = new DataView(data.buffer, data.byteOffset, data.length);
        for (let at = 0; at < data.length; at += 8, left--) times.push(now - word(view, at));
        if (left <= 0) resolve();
      };
    });
    symbols.bench_feed_end();
  };
}

/** read(2) of a pipe, by FFI. */
function pipeBlocking(run: Run, count: number): Way {
  const { symbols } = run.rounds;
  const { theirs } = run.twoProcessors;
  const pipe = run.keep(new Pipe(run.rounds));
  run.keep({ [Symbol.dispose]: () => void symbols.close(pipe.reading) });
  const data = new Uint8Array(8);
  const view = new DataView(data.buffer);
  return (times) => {
    pipe.feed(count, theirs);
    for (let i = 0; i < count; i++) {
      symbols.read(pipe.reading, data, 8n);
      times.push(symbols.bench_now() - word(view));
    }
    symbols.bench_feed_end();
  };
}

function kupInLoop(run: Run, channel: Channel, count: number): Way {
  const rounds = new ChannelRounds(channel, run.rounds);
  const { symbols } = run.rounds;
  return async (times) => {
    rounds.command({ work: "wake", count, pause: PAUSE_US, length: 8 });
    for (let i = 0; i < count; i++) {
      const message = await channel.receive();
      times.push(symbols.bench_now() - word(message!.view));
    }
    rounds.done();
  };
}

function kupBlocking(run: Run, channel: Channel, count: number): Way {
  const rounds = new ChannelRounds(channel, run.rounds);
  const { symbols } = run.rounds;
  return (times) => {
    rounds.command({ work: "wake", count, pause: PAUSE_US, length: 8 });
    for (let i = 0; i < count; i++) {
      const message = channel.receiveSync();
      times.push(symbols.bench_now() - word(message!.view));
    }
    rounds.done();
  };
}

async function alternate(run: Run, ways: Readonly<Record<string, Way>>): Promise<void> {
  const all = Object.values(ways).map((): number[] => []);
  // The first wait of a process loads what waits.
  for (const way of Object.values(ways)) await way([]);
  for (let round = 0; round < (run.quick ? 1 : ROUNDS); round++) {
    for (const [index, way] of Object.values(ways).entries()) await way(all[index]!);
  }
  Object.keys(ways).forEach((name, index) => {
    const kind = name.startsWith("receive") ? "kup" : "peer";
    run.record({ name, kind }, all[index]!);
    run.recordLatencies(name, kind, all[index]!);
  });
}

export const waking: Group = {
  name: "waking",
  title: "Wake-up of a sleeping consumer, one channel",
  rows: [8],
  async run(run) {
    const place = run.twoProcessors;
    const count = run.quick ? 3 : BATCH;
    const device = run.device();
    await alternate(run, {
      "receive()": kupInLoop(run, await run.attach(place, device), count),
      "pipe in the event loop": pipeInLoop(run, count),
      "receiveSync()": kupBlocking(run, await run.attach(place, device), count),
      "read(2) of a pipe": pipeBlocking(run, count),
    });
  },
};

/** Every channel waits for a message of its own. */
function wakeOneOfMany(
  run: Run,
  leader: Channel,
  channels: readonly Channel[],
  count: number,
): Way {
  const { symbols } = run.rounds;
  const rounds = new ChannelRounds(leader, run.rounds);
  let arrived = (_: number) => {};
  for (const channel of channels) {
    const next = async (): Promise<void> => {
      for await (const { view } of channel) arrived(symbols.bench_now() - word(view));
    };
    next().catch((error) => console.error(`bench: ${error}`));
  }
  return async (times) => {
    let left = count;
    const all = new Promise<void>((resolve) => {
      arrived = (time) => {
        times.push(time);
        if (--left === 0) resolve();
      };
    });
    rounds.command({ work: "wakeMany", count, pause: PAUSE_US, length: 8 });
    await all;
    // Its own promise, so that this thread does not block while others are to be woken.
    const end = await leader.receive();
    if (end?.type !== DONE) throw new Error("the wake-ups have no end");
  };
}

/**
 * Memory of an attached channel that is not shared, of both sides together, in bytes: in a process
 * of its own, because this one's collector would disturb it.
 */
async function memoryOfChannel(run: Run): Promise<number> {
  const script = `${ROOT}/bench/workers/memory.ts`;
  const options = ["-A", "--no-check", "--v8-flags=--expose-gc", "--config", CONFIG];
  const device = run.path("bench_many");
  return Number(await must([Deno.execPath(), "run", ...options, script, device, String(MANY)]));
}

/** The processor time of this process, in ms. */
function processorTime(): number {
  // utime and stime are the 14th and 15th field; the second one may contain blanks.
  const fields = Deno.readTextFileSync("/proc/self/stat").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function attachMany(run: Run): Promise<Channel[]> {
  const device = run.device("bench_many");
  const channels: Channel[] = [];
  for (let i = 0; i < MANY; i++) {
    channels.push(run.keep(await device.attach({ channel: i, wait: false })));
  }
  return channels;
}

/** How long the process is watched while it has nothing to do. */
const IDLE_MS = 2000;

async function measureIdle(run: Run): Promise<void> {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  // What was begun by attaching ends first: spinning, compiling, collecting.
  await pause(run.quick ? 10 : 500);
  const start = processorTime();
  await pause(run.quick ? 10 : IDLE_MS);
  const used = processorTime() - start;
  run.record({ name: "processor time while idle, in ms", kind: "kup", unit: "count" }, [used]);
}

export const many: Group = {
  name: "many",
  title: "1,000 channels",
  rows: [8, 9],
  async run(run) {
    const place = run.twoProcessors;
    const leader = await run.attach(place);
    const memory = await memoryOfChannel(run);
    run.record({ name: "memory of an attached channel", kind: "kup", unit: "bytes" }, [memory]);
    const channels = await attachMany(run);
    const count = run.quick ? 3 : BATCH;
    const ways = {
      "receive(), 1,000 channels": wakeOneOfMany(run, leader, channels, count),
      "pipe in the event loop": pipeInLoop(run, count),
    };
    await measureIdle(run);
    await alternate(run, ways);
    for (const channel of channels) channel.close();
  },
};
