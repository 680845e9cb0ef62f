// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows each second what the sampler client has measured, and is woken only once for hundreds of
 * samples:
 *
 *     make -C examples/sampler
 *     deno run --allow-ffi examples/sampler/sampler.ts                # in this process
 *     deno run --allow-ffi examples/sampler/sampler.ts /dev/sampler   # in a kernel with sampler.ko
 */

import { open } from "jsr:@kup/kup@0";
import { program } from "../program.ts";

const HERE = import.meta.resolve("./sampler.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/sampler/sampler.ts [DEVICE]

Shows each second how exact the timer of the sampler client is, until Ctrl-C.

  DEVICE   host:${HERE} if not given, which \`make -C examples/sampler\` builds;
           /dev/sampler in a kernel that has sampler.ko`,
  words: 1,
};

/** The type in sampler.h. */
const SAMPLE = 1;

/** One second of samples. */
class Second {
  readonly #intervals: number[] = [];
  readonly #cpus = new Set<number | undefined>();
  lost = 0;

  constructor(readonly number: number) {}

  /** @param interval The time since the sample before, in microseconds. */
  add(interval: number, cpu: number | undefined): void {
    this.#intervals.push(interval);
    this.#cpus.add(cpu);
  }

  show(wakeups: number): void {
    const sorted = this.#intervals.sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]?.toFixed(0);
    const counts = `${sorted.length} samples on ${this.#cpus.size} CPUs, ${this.lost} lost`;
    console.log(
      `${counts}, ${wakeups} wake-ups; ` +
        `intervals: median ${at(0.5)} µs, 99 % below ${at(0.99)} µs, longest ${at(1)} µs`,
    );
  }
}

await program(USAGE, async ({ words, signal }) => {
  using device = open(words[0] ?? `host:${HERE}`);
  using channel = await device.attach();
  console.log(`${device.path}; Ctrl-C ends.`);
  let second: Second | undefined;
  let wakeups = 0;
  for (;;) {
    // Sleeps until 16 KiB are there, which is about 500 samples, or a second has passed.
    const batch = await channel.receiveBatch({ minBytes: 16384, within: 1000, signal });
    if (batch.length === 0) break; // the module is gone
    for (const message of batch) {
      // The stamp says in which second the sample was taken, however late it is read.
      const number = Math.floor(message.timestamp! / 1000);
      if (number !== second?.number) {
        const { wakeups: now } = channel.stats();
        second?.show(now - wakeups);
        wakeups = now;
        second = new Second(number);
      }
      if (message.gap !== undefined) second.lost += message.gap.records;
      else if (message.type === SAMPLE) second.add(Number(message.u64(0)) / 1000, message.cpu);
    }
  }
});
