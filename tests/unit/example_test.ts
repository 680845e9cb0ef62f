// SPDX-License-Identifier: BSD-3-Clause
/** The examples on the host driver; tests/kernel/example_test.ts runs the same files in a kernel. */

import { assertEquals, assertMatch } from "../../deps.ts";
import { CONFIG } from "../checks/static.ts";
import { ROOT } from "../lib/paths.ts";

async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

function example(...args: string[]): Promise<string> {
  return output(Deno.execPath(), "run", "--no-check", "--allow-ffi", "--config", CONFIG, ...args);
}

Deno.test("the ticker ticks in this process", async () => {
  await output("make", "-s", "-C", "examples/ticker");
  const out = await example("examples/ticker/ticker.ts");
  assertMatch(out, /^ticker, channel 0 of 4\n(tick \d+ after \S+ ms\n){5}$/);
});

Deno.test("the echo example talks and measures", async () => {
  const out = await example("examples/echo.ts", "--seconds", "0.1");
  assertMatch(out, /received.*hello, kernel/);
  assertMatch(out, /blocking.*per second/);
  assertMatch(out, /\d+ messages, \d+ kicks/);
});
