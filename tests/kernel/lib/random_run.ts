// SPDX-License-Identifier: BSD-3-Clause
/** Runs random_calls.ts in a process of its own, where a crash is seen as a signal. */

import { assertEquals, assertGreater } from "../../../deps.ts";
import type { Task } from "./random_calls.ts";

/** Set KUP_SEED to repeat a run. */
export const seed = Number(Deno.env.get("KUP_SEED") ?? Date.now() % 1e9);

/** Fails unless it ends by itself, with nothing to complain of. */
export async function randomCalls(task: Task): Promise<void> {
  const program = new URL("random_calls.ts", import.meta.url).href;
  const permissions = ["--allow-ffi", "--allow-read"];
  const { code, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", ...permissions, program, JSON.stringify(task)],
    stdin: "null",
  }).output();
  const out = new TextDecoder().decode(stdout);
  const error = new TextDecoder().decode(stderr);
  assertEquals([signal, code], [null, 0], `seed ${task.seed}\n${out}\n${error}`);
  // An emulated machine makes some 20 in a second, others thousands.
  assertGreater(Number(/^calls (\d+)$/m.exec(out)?.[1]), 50, out);
}
