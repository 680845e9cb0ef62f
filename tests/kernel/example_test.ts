// SPDX-License-Identifier: BSD-3-Clause
/** The example client in a real kernel; tests/unit/example_test.ts runs it on the host driver. */

import { assertEquals, assertMatch } from "../../deps.ts";
import { open } from "../../mod.ts";
import { runJobLog, startExample } from "../lib/example.ts";
import { until } from "../lib/until.ts";

async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

/** Runs an example with its module and the module's parameters, and returns what it prints. */
async function run(name: string, ...parameters: string[]): Promise<string> {
  await output("insmod", `/lib/modules/${name}.ko`, ...parameters);
  try {
    const script = new URL(`../../examples/${name}/${name}.ts`, import.meta.url).pathname;
    return await output(
      Deno.execPath(),
      "run",
      "--no-check",
      "--allow-ffi",
      script,
      `/dev/${name}`,
    );
  } finally {
    await output("rmmod", name);
  }
}

Deno.test("examples/store answers calls, unchanged, in this kernel", async () => {
  assertMatch(await run("store"), /^store has .*\n100 of 100 values .*\n100 keys .*\n.*now\n$/);
});

Deno.test("examples/chat broadcasts, unchanged, in this kernel", async () => {
  assertMatch(
    await run("chat"),
    /^ann got 2000 .* 1 .* 0\nbob got 2000 .* 0 .* 0\nsam got \d+ .* 0 .* [1-9]\d*\n$/,
  );
});

Deno.test("examples/gate asks a process, unchanged, in this kernel", async () => {
  // A slow machine rarely decides within the 50 ms that the gate waits by itself.
  assertMatch(
    await run("gate", "patience_ms=500"),
    /^[1-9]\d+ visitors of gate have passed\nand one .* in time\n$/,
  );
});

Deno.test("examples/typed sends typed messages, unchanged, in this kernel", async () => {
  assertMatch(
    await run("typed"),
    /^(the cellar: \d+ degrees, (too cold|good)\n){4}the cellar: 22 degrees, too hot\n$/,
  );
});

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

Deno.test("examples/joblog writes all lines of a module in this kernel", async () => {
  await output("insmod", "/lib/modules/joblog.ko");
  try {
    await runJobLog(false, "/dev/joblog");
  } finally {
    await output("rmmod", "joblog");
  }
});

/** Waits until the sampler has sent something on its first channel. */
async function waitForSamples(): Promise<void> {
  using device = open("/dev/sampler");
  await until(() => device.totals(0).toUserRecords > 0, "samples");
}

Deno.test("examples/reconnect.ts attaches again after rmmod and insmod", async () => {
  await using example = await startExample("reconnect.ts", "/dev/sampler");
  await example.prints(/Ctrl-C/);
  for (let count = 1; count <= 2; count++) {
    await output("insmod", "/lib/modules/sampler.ko");
    try {
      await example.prints(new RegExp(`(attached channel[^]*){${count}}$`));
      await waitForSamples();
    } finally {
      await output("rmmod", "sampler");
    }
    await example.prints(new RegExp(`(is gone[^]*){${count}}$`));
  }
  const out = await example.interrupt();
  const counts = [...out.matchAll(/^(\d+) messages came$/gm)].map(([, count]) => Number(count));
  assertEquals(counts.map((count) => count > 0), [true, true], out);
});
