// SPDX-License-Identifier: BSD-3-Clause
/** The same tests run on the host driver (`make test`), and in a kernel (`make test-vm`). */

import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { MyDevice } from "./my_device.ts";

/** The module that a kernel has loaded, or otherwise the one for the host driver. */
async function find(): Promise<string> {
  const path = "/dev/my_device";
  const loaded = await Deno.stat(path).then(() => true, () => false);
  return loaded ? path : `host:${import.meta.resolve("./my_device.so")}`;
}

Deno.test("MyDevice.add() returns sums that need more than 32 bits", async () => {
  using device = await MyDevice.attach(await find());
  assertEquals(await device.add(2, 3), { sum: 5n, count: 1 });
  assertEquals(await device.add(0xffff_ffff, 1), { sum: 0x1_0000_0000n, count: 2 });
});

Deno.test("MyDevice.attach() gives each channel a count of its own", async () => {
  const path = await find();
  using first = await MyDevice.attach(path);
  using second = await MyDevice.attach(path);
  assertEquals((await first.add(1, 1)).count, 1);
  assertEquals((await second.add(1, 1)).count, 1);
});
