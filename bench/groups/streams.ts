// SPDX-License-Identifier: BSD-3-Clause
/** Streams of 64 bytes on two processors. The kernel's side sends one message a call, or 64. */

import { ChannelRounds } from "../channel.ts";
import type { Group, Run, Side } from "../run.ts";

const BATCH = 64;
/** What fits into the ring. */
const BURST = 14_000;

/** About a millisecond or less, each. */
const FAST = 32_000;
const SLOW = 9_600;

function queueStreams(run: Run): Side[] {
  const place = run.twoProcessors;
  const order = { length: 64, count: run.items(SLOW) };
  return [
    ...run.inC("SPSC queue", "peer", "spsc stream", place, order),
    ...run.inC("boost::lockfree::spsc_queue", "peer", "boost stream", place, order),
    ...run.inC("ReaderWriterQueue", "peer", "readerwriterqueue stream", place, order),
  ];
}

function inC(run: Run): (name: string, round: string, count: number, batch?: number) => Side {
  const place = run.twoProcessors;
  const handle = run.openInC(place);
  return (name, round, count, batch = 1) => {
    const order = { length: 64, count: run.items(count), batch };
    return { name, kind: "kup", round: run.rounds.round(round, handle, place, order) };
  };
}

export const toUser: Group = {
  name: "to-user",
  title: "Stream to the user, 64 bytes, each message's first word read",
  rows: [2, 3],
  async run(run) {
    const c = inC(run);
    const channel = new ChannelRounds(await run.attach(run.twoProcessors), run.rounds);
    const [fast, slow, burst] = [FAST, SLOW, BURST].map((count) => run.items(count)) as [
      number,
      number,
      number,
    ];
    const kup = (name: string, round: Side["round"]): Side => ({ name, kind: "kup", round });
    await run.alternate([
      c("C, 64 a call", "kup to user", FAST, BATCH),
      c("C, one a call", "kup to user", SLOW),
      c("C, reader alone", "kup reader alone", BURST, BATCH),
      c("C, producer alone, 64 a call", "kup producer alone", BURST, BATCH),
      c("C, producer alone, one a call", "kup producer alone", BURST),
      kup("receiveBatch", () => channel.toUserBatches(fast, BATCH)),
      kup("drain", () => channel.drain(fast, BATCH)),
      kup("drain, one a call", () => channel.drain(slow, 1)),
      kup("tryReceive", () => channel.toUser(fast, BATCH)),
      kup("tryReceive, one a call", () => channel.toUser(slow, 1)),
      kup("for await", () => channel.forAwait(slow, BATCH, false)),
      kup("for await, burst", () => channel.forAwait(burst, BATCH, true)),
      ...queueStreams(run),
    ], 200);
  },
};

export const toKernel: Group = {
  name: "to-kernel",
  title: "Stream to the kernel, 64 bytes",
  rows: [4],
  async run(run) {
    const c = inC(run);
    const channel = new ChannelRounds(await run.attach(run.twoProcessors), run.rounds);
    const slow = run.items(SLOW);
    const burst = run.items(BURST);
    const kup = (name: string, round: Side["round"]): Side => ({ name, kind: "kup", round });
    await run.alternate([
      c("C", "kup to kernel", SLOW),
      c("C, 64 a call", "kup to kernel", FAST, BATCH),
      c("C, while the kernel's side sleeps", "kup sender alone", BURST),
      kup("trySend", () => channel.trySend(slow)),
      kup("trySend, while the kernel's side sleeps", () => channel.trySend(burst, 3000)),
      kup("sendBatch of 64", () => channel.sendBatch(slow, run.quick ? 16 : BATCH)),
      kup("reserve and commit", () => channel.reserve(slow)),
      ...queueStreams(run),
    ], 200);
  },
};

export const threads: Group = {
  name: "threads",
  title: "One and four kernel threads that send on one channel, 64 bytes",
  rows: [13],
  async run(run) {
    const place = run.twoProcessors;
    const handle = run.openInC(place);
    const side = (name: string, threads: number, batch: number): Side => {
      const order = { length: 64, count: run.items(2 * SLOW), batch, threads };
      return { name, kind: "kup", round: run.rounds.round("kup to user", handle, place, order) };
    };
    await run.alternate([
      side("one thread", 1, 1),
      side("four threads", 4, 1),
      side("one thread, 64 a call", 1, BATCH),
      side("four threads, 64 a call", 4, BATCH),
    ], 200);
  },
};
