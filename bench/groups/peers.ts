// SPDX-License-Identifier: BSD-3-Clause
/** The same round trip by the other ways that a Deno program has. */

import { ChannelRounds } from "../channel.ts";
import type { Place } from "../native.ts";
import { loadRingbuf } from "../peers.ts";
import type { Group, Run, Side } from "../run.ts";
import type { Way } from "../workers/echo.ts";
import { WorkerPeer } from "../workers/peer.ts";

const LENGTH = 64;

/** Pipes or sockets to a thread in C, read and written by FFI. */
function overCalls(run: Run, name: string, sockets: boolean, place: Place): Side {
  const { symbols } = run.rounds;
  const count = run.items(64);
  const data = new Uint8Array(LENGTH);
  const ends = new Int32Array(2);
  // The thread in C expects some trips to warm up.
  const extra = 20;
  const round = () => {
    const error = symbols.bench_echo_start(Number(sockets), LENGTH, count, place.theirs, ends);
    if (error !== 0) throw new Error(`${name}: errno ${-error}`);
    let start = 0;
    let wrong = false;
    for (let i = 0; i < count + extra; i++) {
      if (i === extra) start = symbols.bench_now();
      data[0] = i;
      symbols.write(ends[1]!, data, BigInt(LENGTH));
      data[0] = ~i;
      wrong ||= symbols.read(ends[0]!, data, BigInt(LENGTH)) !== BigInt(LENGTH) ||
        data[0] !== (i & 255);
    }
    const end = symbols.bench_now();
    symbols.bench_echo_end();
    if (wrong) throw new Error(`${name}: what came back is not what was sent`);
    return (end - start) / count;
  };
  return { name, kind: "peer", round };
}

/** Workers with which this thread talks in one of three ways. */
async function overWorkers(run: Run, place: Place): Promise<Side[]> {
  const ringbuf = await loadRingbuf();
  if (ringbuf.missing !== undefined) {
    run.absent.push({ what: "ringbuf.js", why: ringbuf.missing });
  }
  const now = () => run.rounds.symbols.bench_now();
  const ways: { name: string; way: Way; count: number }[] = [
    { name: "postMessage", way: "messages", count: 64 },
    { name: "Atomics.wait", way: "atomics", count: 64 },
  ];
  if (ringbuf.url !== undefined) ways.push({ name: "ringbuf.js", way: "ringbuf", count: 3000 });
  const sides: Side[] = [];
  for (const { name, way, count } of ways) {
    run.rounds.pin(place.theirs);
    const peer = await WorkerPeer.start(way, LENGTH, ringbuf.url, now);
    run.rounds.pin(place.mine);
    run.keep(peer);
    sides.push({ name, kind: "peer", round: () => peer.round(run.items(count)) });
  }
  return sides;
}

export const peers: Group = {
  name: "peers",
  title: "Round trip of 64 bytes from TypeScript, and other ways of it",
  rows: [7],
  async run(run) {
    const place = run.twoProcessors;
    const channel = new ChannelRounds(await run.attach(place), run.rounds);
    await run.alternate([
      { name: "KUP", kind: "kup", round: () => channel.echo(LENGTH, run.items(3000)) },
      overCalls(run, "pipes by FFI", false, place),
      overCalls(run, "Unix sockets by FFI", true, place),
      ...await overWorkers(run, place),
    ], 40);
  },
};
