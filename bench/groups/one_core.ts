// SPDX-License-Identifier: BSD-3-Clause
/** Both sides on one processor: each has to give it to the other one. */

import { ChannelRounds } from "../channel.ts";
import type { Group, Side } from "../run.ts";

const TRIPS = 400;
const MESSAGES = 6_400;

export const oneCore: Group = {
  name: "one-core",
  title: "Both sides on one processor, 64 bytes",
  rows: [10],
  async run(run) {
    const place = run.oneProcessor;
    const handle = run.openInC(place);
    const channel = new ChannelRounds(await run.attach(place), run.rounds);
    const trips = run.items(TRIPS);
    const messages = run.items(MESSAGES);
    const c = (name: string, kind: Side["kind"], round: string, count: number, batch = 1): Side => {
      const order = { length: 64, count, batch };
      return { name, kind, round: run.rounds.round(round, handle, place, order) };
    };
    const kup = (name: string, round: Side["round"]): Side => ({ name, kind: "kup", round });
    await run.alternate([
      c("pipe, echo", "peer", "pipe echo", trips),
      kup("TypeScript, echo", () => channel.echoBlocking(64, trips)),
      c("C, echo", "kup", "kup echo", trips),
      c("pipe, stream", "peer", "pipe stream", messages),
      kup("TypeScript, receiveBatch", () => channel.toUserBatches(messages, 1)),
      kup("TypeScript, drain", () => channel.drain(messages, 1)),
      kup("TypeScript, trySend", () => channel.trySend(messages)),
      c("C, to the user", "kup", "kup to user", messages),
      c("C, to the kernel", "kup", "kup to kernel", messages),
    ], 60);
  },
};
