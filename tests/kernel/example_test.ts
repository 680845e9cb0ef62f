// SPDX-License-Identifier: BSD-3-Clause
/** The example client in a real kernel; tests/unit/example_test.ts runs it on the host driver. */

import { assertEquals, assertMatch } from "../../deps.ts";

async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("examples/ticker ticks, unchanged, in this kernel", async () => {
  await output("insmod", "/lib/modules/ticker.ko", "channels=3");
  try {
    const script = new URL("../../examples/ticker/ticker.ts", import.meta.url).pathname;
    const permissions = ["--no-check", "--allow-ffi"];
    const out = await output(Deno.execPath(), "run", ...permissions, script, "/dev/ticker");
    assertMatch(out, /^ticker, channel 0 of 3\n(tick \d+ after \S+ ms\n|\(\d+ ticks.*\n){5,}$/);
  } finally {
    await output("rmmod", "ticker");
  }
});
