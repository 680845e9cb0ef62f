// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows what each channel of a device is doing, without attaching any of them:
 *
 *     deno run --allow-ffi examples/monitor.ts [/dev/kup/echo]
 */

import { open } from "jsr:@kup/kup@0";
import { program } from "./program.ts";

const USAGE = {
  text: `usage: deno run --allow-ffi examples/monitor.ts [DEVICE]

Shows what each channel of a device is doing, without attaching any of them.

  DEVICE   /dev/kup/echo if not given`,
  words: 1,
};

function show(path: string): void {
  using device = open(path);
  const { name, channels, channelsFree, attaches } = device.info();
  console.log(`${name}: ${channelsFree} of ${channels} channels free, ${attaches} attaches so far`);
  console.table(
    Array.from({ length: channels }, (_, number) => {
      const stats = device.totals(number);
      return {
        state: stats.state,
        received: stats.toUserRecords,
        sent: stats.toKernelRecords,
        dropped: stats.droppedNoSpace + stats.droppedTooLong,
        kicks: stats.kicks,
        wakeups: stats.wakeups,
      };
    }),
  );
}

await program(USAGE, ({ words }) => show(words[0] ?? "/dev/kup/echo"));
