// SPDX-License-Identifier: BSD-3-Clause
/** Random calls on the host driver, with everything else that may fail there. */

import { assertEquals, assertGreater } from "../../deps.ts";
import { open, unload } from "../../mod.ts";
import { until } from "../lib/until.ts";
import { act, ENDINGS } from "../random/acting.ts";
import { Random, sleep } from "../random/random.ts";
import { hostTask, randomCalls, seed } from "../random/run.ts";
import { common, Finding } from "../random/session.ts";

const repeat = `(KUP_SEED=${seed})`;

Deno.test(`mod.ts survives random calls on the host driver ${repeat}`, async () => {
  const env = { KUP_HOST_FAILURES: `50:${seed}`, KUP_HOST_DELAYS: `50:${seed}` };
  await Promise.all([
    randomCalls(hostTask(seed, 3, "exit")),
    randomCalls(hostTask(seed + 1, 3, "exit"), { env }),
  ]);
});

Deno.test(`mod.ts lets a process end with everything open, in each way ${repeat}`, async () => {
  await Promise.all(ENDINGS.map((ending) => randomCalls(hostTask(seed, 1, ending))));
});

Deno.test({
  name: `mod.ts leaves no resource and no operation behind after random calls ${repeat}`,
  sanitizeExit: true,
  fn: async () => {
    const findings: string[] = [];
    common.report = (what) => void findings.push(what);
    const task = hostTask(seed, 3, "return");
    const acts = [1, 2, 3, 4].map((number) => act(task, new Random(seed + number)));
    for (const { reason } of (await Promise.allSettled(acts)) as PromiseRejectedResult[]) {
      if (reason !== undefined && !(reason instanceof Finding)) throw reason;
    }
    assertEquals(findings, []);
    assertGreater(common.calls, 0);
    using device = open(task.path);
    await until(() => device.info().channelsFree === device.channels, "all channels are free");
    unload(task.path);
    // The last of the signals' time-outs.
    await sleep(350);
  },
});
