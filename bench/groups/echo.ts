// SPDX-License-Identifier: BSD-3-Clause
/** Round trips on two processors. */

import { ChannelRounds } from "../channel.ts";
import type { Group, Run, Side } from "../run.ts";

const TRIPS = 640;

async function sides(run: Run, length: number): Promise<Side[]> {
  const place = run.twoProcessors;
  const count = run.items(TRIPS);
  const channel = new ChannelRounds(await run.attach(place), run.rounds);
  const order = { length, count };
  const handle = run.openInC(place);
  const inC = (name: string, round: string) => run.inC(name, "peer", round, place, order);
  const limit = (name: string, round: string): Side => {
    return { name, kind: "limit", round: run.rounds.round(round, -1, place, order) };
  };
  return [
    { name: "TypeScript", kind: "kup", round: () => channel.echo(length, count) },
    { name: "C", kind: "kup", round: run.rounds.round("kup echo", handle, place, order) },
    ...inC("SPSC queue", "spsc echo"),
    ...inC("SPSC queue, slots on lines", "spsc aligned echo"),
    ...inC("predecessor", "predecessor echo"),
    limit("ping-pong", "ping-pong"),
    limit("bare records", "records echo"),
    ...length === 64
      ? [
        ...inC("boost::lockfree::spsc_queue", "boost echo"),
        ...inC("ReaderWriterQueue", "readerwriterqueue echo"),
        ...inC("iceoryx2", "iceoryx2 echo"),
      ]
      : [],
  ];
}

/** Round trips that are timed one by one. */
async function latencies(run: Run): Promise<void> {
  const place = run.twoProcessors;
  const channel = new ChannelRounds(await run.attach(place), run.rounds);
  const count = run.items(TRIPS);
  const each = new Float64Array(count);
  const handle = run.openInC(place);
  const inC = (round: string, handle: number) =>
    run.rounds.round(round, handle, place, { length: 64, count, each });
  const timed: [string, "kup" | "peer", () => number][] = [
    ["TypeScript", "kup", () => channel.echo(64, count, each)],
    ["C", "kup", inC("kup echo", handle)],
    ["SPSC queue", "peer", inC("spsc echo", -1)],
  ];
  const all = timed.map((): number[] => []);
  for (let round = 0; round < (run.quick ? 1 : 20); round++) {
    for (const [index, [, , once]] of timed.entries()) {
      run.rounds.symbols.bench_sleep(200);
      once();
      all[index]!.push(...each);
    }
  }
  timed.forEach(([name, kind], index) => run.recordLatencies(name, kind, all[index]!));
}

export const echo: Group = {
  name: "echo",
  title: "Round trip of 64 bytes, two processors",
  rows: [1],
  async run(run) {
    await run.alternate(await sides(run, 64), 500);
    await latencies(run);
  },
};

export const echo32: Group = {
  name: "echo32",
  title: "Round trip of 32 bytes, two processors",
  rows: [1],
  async run(run) {
    await run.alternate(await sides(run, 32), 300);
  },
};
