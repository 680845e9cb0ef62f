// SPDX-License-Identifier: BSD-3-Clause
import { open } from "@kup/kup";

Deno.test("a message kills the kernel", async () => {
  using device = open("/dev/planted_oops");
  using channel = await device.attach();
  await channel.send("x");
  await channel.receive();
});
