// SPDX-License-Identifier: BSD-3-Clause
/**
 * Tests of a client module, without a kernel: the host driver runs it in this process.
 *
 *     make -C examples/sampler
 *     deno test --allow-ffi examples/sampler
 */

import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { type Channel, open, unload } from "jsr:@kup/kup@0";

const SAMPLER = `host:${import.meta.resolve("./sampler.so")}`;

/** Loads the module, as insmod does, and unloads it. A mistake of the module fails the test. */
async function withModule(
  parameters: Record<string, number>,
  test: (channel: Channel) => Promise<void>,
): Promise<void> {
  {
    using device = open(SAMPLER, { parameters });
    // The smallest ring, which is soon full.
    using channel = await device.attach({ ringBytes: { toUser: 1 } });
    await test(channel);
  }
  unload(SAMPLER); // throws what the host driver has found: memory or timers that are left, …
}

Deno.test("the sampler sends samples, which are numbered from 0", () =>
  withModule({ interval_us: 500 }, async (channel) => {
    let expected = 0;
    for await (const message of channel) {
      assertEquals(message.sequence, expected);
      assertEquals([message.type, message.length], [1, 8]);
      assert(message.u64(0) > 0n, "no time passed between two samples");
      if (++expected === 20) break;
    }
  }));

Deno.test("a gap accounts for the samples that a slow reader has lost", () =>
  withModule({ interval_us: 100 }, async (channel) => {
    // The condition, and not a time, so that the test also passes on a busy machine.
    while (channel.stats().droppedNoSpace === 0) await new Promise((wake) => setTimeout(wake, 5));
    let expected = 0;
    for await (const message of channel) {
      assertEquals(message.sequence, expected);
      expected += message.gap?.records ?? 1;
      if (message.gap !== undefined) break;
    }
    const next = await channel.receive();
    assertEquals(next?.sequence, expected);
  }));
