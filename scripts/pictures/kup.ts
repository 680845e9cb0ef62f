// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup` as it is, in a process whose workers use `host:echo`: the host driver's devices are those
 * of a process, so `kup top` in another process would show nothing.
 *
 *     deno run -A scripts/pictures/kup.ts COMMAND...
 */

import { main } from "../../cli/main.ts";
import type { Work } from "./user.ts";

const WORK: readonly Work[] = [
  { count: 1, length: 64, pauseMs: 0 },
  { count: 16, length: 1024, pauseMs: 1 },
  { count: 1, length: 16384, pauseMs: 20 },
];

/** Starts a worker, which ends with the process. */
function start(work: Work): Promise<void> {
  const worker = new Worker(import.meta.resolve("./user.ts"), { type: "module" });
  worker.postMessage(work);
  return new Promise((resolve) => worker.onmessage = () => resolve());
}

await Promise.all(WORK.map(start));
await main(Deno.args);
