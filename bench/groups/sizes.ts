// SPDX-License-Identifier: BSD-3-Clause
/** Large messages: what they cost in place, and what copies of them cost. */

import type { Message } from "../../mod.ts";
import { ChannelRounds, word } from "../channel.ts";
import type { Group, Run, Side } from "../run.ts";

const LARGE = 65_536;

/** Messages that are in the ring before the time begins. They are cold: the peer wrote them. */
const BURST = 100;

async function largeChannel(run: Run): Promise<ChannelRounds> {
  // The module is loaded with its first device.
  run.device();
  const device = run.device("bench_large");
  return new ChannelRounds(await run.attach(run.twoProcessors, device), run.rounds);
}

export const sizes: Group = {
  name: "sizes",
  title: "A message of 64 KiB and one of 64 bytes, read in place",
  rows: [5],
  async run(run) {
    const channel = await largeChannel(run);
    const count = run.items(1500);
    const answer = (name: string, length: number): Side => ({
      name,
      kind: "kup",
      round: () => channel.ask(length, count),
    });
    const burst = (name: string, length: number): Side => {
      const command = { work: "produceInPlace", count: BURST, length } as const;
      return { name, kind: "kup", round: () => channel.burst(command, word) };
    };
    await run.alternate([
      answer("64 KiB, answer", LARGE),
      answer("64 bytes, answer", 64),
      burst("64 KiB, burst", LARGE),
      burst("64 bytes, burst", 64),
    ], 150);
  },
};

export const copies: Group = {
  name: "copies",
  title: "Copies of a message of 64 KiB",
  rows: [6],
  async run(run) {
    const channel = await largeChannel(run);
    const target = new Uint8Array(LARGE);
    const command = { work: "produce", count: BURST, length: LARGE } as const;
    const side = (
      name: string,
      kind: Side["kind"],
      copy: (message: Message) => Uint8Array,
    ): Side => ({
      name,
      kind,
      round: () =>
        channel.burst(command, (message) => {
          const first = word(message);
          // The last byte is used, too, so that nothing of the copy can be left out.
          return first + (copy(message)[LARGE - 1]! & 0);
        }),
    });
    await run.alternate([
      side("message.copy()", "kup", (message) => message.copy()),
      side("new Uint8Array(bytes)", "limit", (message) => new Uint8Array(message.bytes)),
      side("message.copyInto()", "kup", (message) => {
        message.copyInto(target);
        return target;
      }),
      side("target.set(bytes)", "limit", (message) => {
        target.set(message.bytes);
        return target;
      }),
    ], 60);
  },
};
