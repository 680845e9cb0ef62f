// SPDX-License-Identifier: BSD-3-Clause
/**
 * The long form of the random tests, for any time: the engine under both sanitizers, and random
 * calls against the host driver. It prints each seed, continues after a failure, and its very last
 * line is the verdict.
 *
 *     MINUTES=5 SEED=1 deno run -A tests/stress.ts
 */

import { green, red, setColorEnabled } from "../deps.ts";
import { SettingError, withUsage } from "../scripts/usage.ts";
import { ROOT } from "./lib/paths.ts";
import { capture, must } from "./lib/process.ts";
import { Tally } from "./lib/tally.ts";
import { ENDINGS } from "./random/acting.ts";
import { int, oneOf, Random } from "./random/random.ts";
import { hostTask, randomCalls } from "./random/run.ts";

/** One run. It throws when something is wrong, with an error that describes it. */
interface Run {
  readonly name: string;
  run(): Promise<void>;
}

/** The engine program under one sanitizer, with storms and delays of other lengths each time. */
function engineRun(random: Random, sanitizer: string): Run {
  const words = [int(random, 1, 1e9), oneOf(random, [3, 10, 50, 200]), oneOf(random, [500, 3000])];
  const command = `tests/c/build/engine_${sanitizer} ${words.join(" ")}`;
  return {
    name: command,
    run: async () => {
      const { code, output } = await capture(command.split(" "));
      if (code === 0 && !/^not ok/m.test(output)) return;
      throw new Error(`exit status ${code}\n${output}`);
    },
  };
}

/** Random calls, in every second run with failing requests or with delays. */
function callsRun(random: Random): Run {
  const task = hostTask(int(random, 1, 1e9), oneOf(random, [2, 5, 20]), oneOf(random, ENDINGS));
  const env: Record<string, string> = {};
  if (random.chance(0.3)) {
    env.KUP_HOST_FAILURES = `${oneOf(random, [5, 50, 500])}:${task.seed}`;
  }
  if (random.chance(0.3)) env.KUP_HOST_DELAYS = `${oneOf(random, [3, 30, 300])}:${task.seed}`;
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value} `).join("");
  return {
    name: `${settings}deno run -A tests/random/calls.ts '${JSON.stringify(task)}'`,
    run: async () => void await randomCalls(task, { env }),
  };
}

async function record(tally: Tally, { name, run }: Run): Promise<void> {
  const started = performance.now();
  let reason: unknown;
  await run().catch((error) => reason = error);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  tally.record(reason === undefined ? "passed" : "failed", name);
  console.log(`${reason === undefined ? green("ok") : red("not ok")} ${name} (${seconds} s)`);
  if (reason !== undefined) {
    console.log((reason instanceof Error ? reason.message : String(reason)).replace(/^/gm, "    "));
  }
}

function setting(name: string, otherwise: number): number {
  const number = Number(Deno.env.get(name) || otherwise);
  if (number > 0) return number;
  throw new SettingError(`${name}=${Deno.env.get(name)} is not a number above 0.`);
}

async function main(): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal());
  const minutes = setting("MINUTES", 5);
  const seed = setting("SEED", Date.now() % 1e6 + 1);
  console.log(`stress: MINUTES=${minutes} SEED=${seed}`);
  await must(["make", "-s", "-C", "native"]);
  await must(["make", "-s", "-C", "tests/c", "all"], { cwd: ROOT });

  const tally = new Tally();
  const end = performance.now() + 60_000 * minutes;
  const repeat = async (next: () => Run) => {
    do await record(tally, next()); while (performance.now() < end);
  };
  const [first, second] = [new Random(seed), new Random(seed + 1)];
  let turn = 0;
  await Promise.all([
    repeat(() => engineRun(first, turn++ % 2 === 0 ? "asan" : "tsan")),
    repeat(() => callsRun(second)),
  ]);
  for (const name of tally.names("failed")) console.log(`${red("failed")} ${name}`);
  console.log(tally.verdict);
  return tally.ok ? 0 : 1;
}

const USAGE = {
  text: `usage: MINUTES=5 SEED=1 deno run -A tests/stress.ts

Runs what is random for MINUTES, under sanitizers; SEED repeats a run.`,
};

if (import.meta.main) Deno.exit(await withUsage(USAGE, main));
