// SPDX-License-Identifier: BSD-3-Clause
/** What tests/kernel/random_test.ts does, a hundred times as fast, with the kernel's double. */

import { randomCalls, seed } from "../kernel/lib/random_run.ts";

Deno.test(`random calls end neither in a signal nor in nonsense (KUP_SEED=${seed})`, async () => {
  await randomCalls({
    module: new URL("echo_double.ts", import.meta.url).href,
    path: "/dev/double",
    seed,
    seconds: 4,
    pause: 0xffff0004,
    close: 0xffff0006,
  });
});
