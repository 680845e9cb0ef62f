// SPDX-License-Identifier: BSD-3-Clause
/** A worker of calls.ts: does the same, and what only a worker can do to others. */

import { act, isHost, library, type Task } from "./acting.ts";
import { Random, sleep } from "./random.ts";
import { common, expected } from "./session.ts";

/** The types treat all files as programs of the main thread. */
interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  close(): void;
}
const worker = globalThis as unknown as WorkerScope;

/** `Deno.exit` would end this thread alone. */
common.report = (what) => {
  console.log(`FAILED in a worker: ${what}`);
  console.log(new Error().stack);
};

/**
 * An end without notice, in the middle of a call that blocks. Deno can't end such a thread, neither
 * in KUP's call nor in Atomics.wait: a process that waits for it would never end.
 */
async function blockForEver(task: Task): Promise<void> {
  const { open } = await library();
  const channel = await open(task.path).attach({ signal: AbortSignal.timeout(1000) });
  if (channel.mode !== "call") channel.receiveSync();
}

/** Hands memory of a channel to the main thread, and continues to use the channel. */
async function giveAway(task: Task): Promise<void> {
  const { open } = await library();
  using channel = await open(task.path).attach({ signal: AbortSignal.timeout(1000) });
  if (channel.mode === "call") return;
  for (let i = 0; i < 20; i++) {
    await channel.send(new Uint8Array(100), { signal: AbortSignal.timeout(100) });
    const bytes = (await channel.receive({ signal: AbortSignal.timeout(100) }))?.bytes;
    if (bytes !== undefined) {
      worker.postMessage(bytes, i % 2 === 0 ? [bytes.buffer] : []);
    }
  }
}

async function main(task: Task): Promise<void> {
  const random = new Random(task.seed);
  act(task, random);
  if (!isHost(task)) return;
  try {
    if (random.chance(0.5)) await giveAway(task);
    await sleep(1000 * task.seconds * random.next());
    if (random.chance(0.1)) worker.close();
    else if (task.ending !== "return" && random.chance(0.3)) await blockForEver(task);
  } catch (error) {
    expected(error);
  }
}

addEventListener("message", (event) => main((event as MessageEvent<Task>).data));
