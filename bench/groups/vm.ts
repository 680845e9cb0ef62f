// SPDX-License-Identifier: BSD-3-Clause
/**
 * In a real kernel: KUP, and what a kernel offers without it, the read(2) and write(2) of a device
 * with a kernel thread behind it (client/bench_proxy.c).
 */

import { ChannelRounds, MESSAGE_BYTES } from "../channel.ts";
import type { Group, Run, Side } from "../run.ts";

const TRIPS = 100;
const MESSAGES = 4000;
const GATHERED = 8000;
const WATERMARK = 16_384;

/**
 * An emulated processor is many times slower than a real one, so both sides look for longer before
 * they sleep. The Makefile loads the client module with the same number.
 */
const SPIN_US = 2000;

function sides(run: Run): Side[] {
  const place = run.anyProcessors;
  const handle = run.openInC(place);
  const { rounds } = run;
  rounds.symbols.bench_spin(handle, SPIN_US);
  const kup = (name: string, round: string, count: number, batch = 1): Side => {
    const order = { length: 64, count: run.items(count), batch };
    return { name, kind: "kup", round: rounds.round(round, handle, place, order) };
  };
  const peer = (name: string, round: string, count: number): Side => {
    const order = { length: 64, count: run.items(count) };
    return { name, kind: "peer", round: rounds.round(round, -1, place, order) };
  };
  return [
    kup("KUP, echo", "kup echo", TRIPS),
    peer("read and write, echo", "proxy echo", TRIPS),
    kup("KUP, stream", "kup to user", MESSAGES),
    kup("KUP, stream, 64 a call", "kup to user", MESSAGES, 64),
    peer("read, stream", "proxy stream", MESSAGES),
    kup("KUP, stream to the kernel", "kup to kernel", MESSAGES),
  ];
}

/** How many wake-ups there are for each time that the watermark is filled. */
async function gathering(run: Run): Promise<Side> {
  const channel = new ChannelRounds(await run.attach(run.anyProcessors), run.rounds);
  const count = run.items(GATHERED);
  const fills = count * MESSAGE_BYTES / WATERMARK;
  return {
    name: "wake-ups by watermark",
    kind: "kup",
    unit: "count",
    round: async () => {
      const options = { minBytes: WATERMARK };
      return (await channel.gather({ work: "produce", count }, options)).wakeups / fills;
    },
  };
}

export const vm: Group = {
  name: "vm",
  title: "In a real kernel, 64 bytes",
  rows: [11],
  async run(run) {
    await run.alternate([...sides(run), await gathering(run)], 60);
  },
};
