// SPDX-License-Identifier: BSD-3-Clause
/** Runs calls.ts in a process of its own, where a crash shows as a signal. */

import { assert, assertEquals, assertGreater } from "../../deps.ts";
import { patience } from "../lib/until.ts";
import type { Task } from "./acting.ts";

/** Set KUP_SEED to repeat a run. */
export const seed = Number(Deno.env.get("KUP_SEED") ?? Date.now() % 1e9);

/** What a run may be given beside its task. */
export interface RunOptions {
  /** For the process. */
  readonly env?: Record<string, string>;
}

/** What calls.ts needs, for a path of the host driver. */
export function hostTask(seed: number, seconds: number, ending: Task["ending"]): Task {
  return {
    path: "host:echo",
    seed,
    seconds,
    ending,
    workers: 1 + seed % 3,
    pause: 0xffff0004,
    close: 0xffff0006,
  };
}

/** Fails unless the process ends by itself, in the way that was asked for, without a complaint. */
export async function randomCalls(task: Task, { env = {} }: RunOptions = {}): Promise<number> {
  const program = new URL("calls.ts", import.meta.url).href;
  const permissions = ["--allow-ffi", "--allow-read"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", ...permissions, program, JSON.stringify(task)],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  // Everything has a time-out, so the process ends soon after its time.
  const timer = setTimeout(() => child.kill("SIGABRT"), 1000 * task.seconds + patience());
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const out = new TextDecoder().decode(stdout);
  const error = new TextDecoder().decode(stderr);
  const context = `${JSON.stringify(task)} ${JSON.stringify(env)}\n${out}\n${error}`;
  const planned = task.ending === "error" || task.ending === "rejection";
  assertEquals([signal, code], [null, planned ? 1 : 0], context);
  assert(!/^FAILED|panicked/m.test(out + error), context);
  assert(!planned || error.includes("the planned end"), context);
  const calls = Number(/^calls (\d+)$/m.exec(out)?.[1]);
  // An idle machine makes thousands in a second; on a busy one, a call may wait for most of that.
  assertGreater(calls, 0, context);
  return calls;
}
