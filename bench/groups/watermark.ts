// SPDX-License-Identifier: BSD-3-Clause
/**
 * A kernel's side that sends 100,000 messages a second with `kup_try_send`: how often it wakes a
 * reader with a watermark, and what that costs the sender.
 */

import { ChannelRounds } from "../channel.ts";
import type { Command } from "../protocol.ts";
import type { Group, Side } from "../run.ts";

/** A tenth of a second. The ring has room for all of them. */
const MESSAGES = 10_000;
/** Ten messages each 100 microseconds. */
const BURST = 10;
const PAUSE_US = 100;
const WITHIN = 10;

export const watermark: Group = {
  name: "watermark",
  title: "100,000 messages a second, 64 bytes, and their reader",
  rows: [14],
  async run(run) {
    const channel = new ChannelRounds(await run.attach(run.twoProcessors), run.rounds);
    const count = run.items(MESSAGES);
    const command: Command = { work: "paced", count, batch: BURST, pause: PAUSE_US };
    const marked: number[] = [];
    const each: number[] = [];
    /** Then the messages are all there. */
    const rest = 5 + 1.2 * count / BURST * PAUSE_US / 1000;
    const side = (name: string, round: Side["round"]): Side => ({ name, kind: "kup", round });
    await run.alternate([
      side("kup_try_send, without a reader", async () => {
        return (await channel.gather(command, {}, rest)).ns;
      }),
      side("kup_try_send, reader within 10 ms", async () => {
        const { wakeups, batches, ms, ns } = await channel.gather(command, { within: WITHIN });
        marked.push(Math.max(wakeups, batches) * WITHIN / ms);
        return ns;
      }),
      side("kup_try_send, reader of each message", async () => {
        const { wakeups, ms, ns } = await channel.gather(command, {});
        each.push(wakeups * WITHIN / ms);
        return ns;
      }),
    ], 30);
    run.record({ name: "wake-ups in 10 ms", kind: "kup", unit: "count" }, marked);
    run.record({ name: "wake-ups in 10 ms, each message", kind: "kup", unit: "count" }, each);
  },
};
