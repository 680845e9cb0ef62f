// SPDX-License-Identifier: BSD-3-Clause
/**
 * Makes random calls for a while, in this thread and in workers, and ends in the middle of them.
 * Runs in a process of its own, whose workers read these files:
 *
 *     deno run --allow-ffi --allow-read calls.ts '{"seed": 1, "seconds": 10, ...}'
 */

import { act, isHost, state, type Task } from "./acting.ts";
import { int, Random } from "./random.ts";
import { common, count, fail, sleep, use } from "./session.ts";

/** What came from workers, in memory that they may still use. */
const fromWorkers: Uint8Array<ArrayBuffer>[] = [];

function startWorker(task: Task, seed: number): Worker {
  const worker = new Worker(new URL("worker.ts", import.meta.url), { type: "module" });
  worker.onerror = (event) => fail(`worker: ${event.message}`);
  worker.onmessage = ({ data }) => {
    count("buffers from workers");
    fromWorkers.push(data);
    fromWorkers.splice(0, Math.max(0, fromWorkers.length - 20));
    use(fromWorkers);
  };
  worker.postMessage({ ...task, seed });
  return worker;
}

/**
 * Workers, one after the other, which end in the middle of their calls. Their channels are closed
 * for them.
 */
async function runWorker(task: Task, random: Random): Promise<void> {
  do {
    const worker = startWorker(task, int(random, 1, 1e9));
    const life = isHost(task) ? random.next() : 0.3 + 0.3 * random.next();
    await sleep(1000 * task.seconds * life);
    worker.terminate();
    count("workers terminated");
  } while (!state.over);
}

/** In the middle of all calls: the others continue until they see it. */
function end(task: Task): void {
  state.over = true;
  console.log(`calls ${common.calls}`);
  console.log(JSON.stringify(Object.fromEntries(common.counts)));
  switch (task.ending) {
    case "exit":
      return Deno.exit(0);
    case "error":
      throw new Error("the planned end");
    case "rejection":
      Promise.reject(new Error("the planned end"));
      return;
    case "close":
      return close();
    default: // what waits ends by itself
  }
}

const task: Task = JSON.parse(Deno.args[0]!);
const random = new Random(task.seed);
for (let i = 0; i < task.workers; i++) runWorker(task, random);
for (let i = 0; i < 6; i++) act(task, new Random(task.seed + 1 + i));
setTimeout(() => end(task), 900 * task.seconds);
