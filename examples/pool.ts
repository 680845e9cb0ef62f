// SPDX-License-Identifier: BSD-3-Clause
/**
 * A pool of workers, each with a channel of its own. A job goes to the next worker that is free:
 *
 *     deno run --allow-ffi --allow-read examples/pool.ts [--workers N] [--jobs N] [DEVICE]
 */

import { open } from "jsr:@kup/kup@0";
import { Failure, program } from "./program.ts";

const USAGE = {
  text: `usage: deno run --allow-ffi --allow-read examples/pool.ts [--workers N] [--jobs N] [DEVICE]

Lets workers send blocks of messages to the echo client and receive them back.

  --workers N   how many; 3 if not given
  --jobs N      how many blocks of 1000 messages; 300 if not given
  DEVICE        host:echo if not given; /dev/kup/echo is the kernel's`,
  values: ["workers", "jobs"],
  words: 1,
};

/** The next message of a worker; rejects when the worker has failed. */
function answer<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Failure(event.message));
    };
  });
}

await program(USAGE, async (line) => {
  const path = line.words[0] ?? "host:echo";
  // A device has a limited number of channels; a worker that finds none free would wait.
  using device = open(path);
  const size = line.number("workers", 3, [1, device.info().channelsFree]);
  let jobs = Math.floor(line.number("jobs", 300, [1, 1e9]));
  const pool = Array.from(
    { length: size },
    () => new Worker(new URL("./pool_worker.ts", import.meta.url), { type: "module" }),
  );

  async function start(worker: Worker, number: number): Promise<void> {
    worker.postMessage(path);
    console.log(`worker ${number} has channel ${await answer<number>(worker)}`);
  }

  /** Gives a worker jobs as long as there are any. Returns the number of its messages. */
  async function employ(worker: Worker, number: number): Promise<number> {
    let messages = 0;
    for (; jobs > 0 && !line.signal.aborted; messages += await answer<number>(worker)) {
      worker.postMessage({ job: jobs--, messages: 1000 });
    }
    console.log(`worker ${number} received ${messages} messages`);
    return messages;
  }

  try {
    await Promise.all(pool.map(start));
    const begin = performance.now();
    const counts = await Promise.all(pool.map(employ));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const perSecond = Math.round(total / (performance.now() - begin) * 1000);
    console.log(`${total} messages came back, ${perSecond.toLocaleString("en")} a second`);
  } finally {
    for (const worker of pool) worker.terminate(); // closes its channel
  }
});
