// SPDX-License-Identifier: BSD-3-Clause
/**
 * The examples that run until Ctrl-C, and those that need no module of their own, on the host
 * driver.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { CONFIG } from "../checks/static.ts";
import { findPrograms, optionsOf, runJobLog, Running, startExample } from "../lib/example.ts";
import { ROOT } from "../lib/paths.ts";
import { must, projectFiles } from "../lib/process.ts";
import { servePublished } from "../lib/serve.ts";
import { sleep } from "../lib/until.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kup-example-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function make(folder: string): Promise<void> {
  await must(["make", "-s", "-C", `examples/${folder}`]);
}

async function gunzip(file: string): Promise<Uint8Array> {
  using compressed = await Deno.open(file);
  const bytes = compressed.readable.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(bytes).arrayBuffer());
}

Deno.test("examples/ctrl_c.ts ends at Ctrl-C, and loses no message", async () => {
  // A signal that comes too early ends it before its first message.
  let count = 0;
  for (let pause = 50; count === 0; pause *= 2) {
    await using example = await startExample("ctrl_c.ts");
    await example.prints(/Sending/);
    await sleep(pause);
    const [, sent, received] = /sent (\d+), received (\d+): none lost\n$/.exec(
      await example.interrupt(),
    ) ?? [];
    assert(sent !== undefined, example.out);
    assertEquals(sent, received);
    count = Number(sent);
  }
});

Deno.test("examples/reconnect.ts attaches again after the module was unloaded", async () => {
  await using example = await startExample("reconnect.ts");
  await example.prints(
    /attached channel 0 .*\n[1-9]\d* messages came\nhost:echo is gone.*\nattached channel 0/,
  );
  assertMatch(await example.interrupt(), /\n\d+ messages came\n$/);
});

Deno.test("examples/pool.ts shares jobs among workers, each with a channel", async () => {
  await using example = await startExample("pool.ts", "--workers", "2", "--jobs", "4");
  const { code, out, error } = await example.finish();
  assertEquals([code, error], [0, ""], out);
  const channels = [...out.matchAll(/^worker \d has channel (\d)$/gm)].map(([, number]) => number);
  assertEquals(new Set(channels).size, 2, out);
  assertMatch(out, /\n4000 messages came back, \S+ a second\n$/);
});

Deno.test("examples/pool.ts ends at Ctrl-C", async () => {
  await using example = await startExample("pool.ts", "--workers", "2", "--jobs", "999999999");
  await example.prints(/channel \d\n.*channel \d\n/);
  assertMatch(await example.interrupt(), /\n\d+ messages came back, \S+ a second\n$/);
});

Deno.test("examples/gzip.ts compresses a file of many messages", () =>
  inFolder(async (folder) => {
    const bytes = new Uint8Array(300_000).map((_, i) => i * 7 + (i >> 8));
    await Deno.writeFile(`${folder}/in`, bytes);
    await using example = await startExample("gzip.ts", `${folder}/in`, `${folder}/out.gz`);
    const { code, out, error } = await example.finish();
    assertEquals([code, error], [0, ""]);
    assertMatch(out, /^Compressing .*\n300000 bytes in \d+ messages became \d+ bytes\n$/);
    assertEquals(await gunzip(`${folder}/out.gz`), bytes);
  }));

Deno.test("examples/gzip.ts leaves a whole file at Ctrl-C", () =>
  inFolder(async (folder) => {
    // The other end of this pipe stays open, so the input does not end by itself.
    await new Deno.Command("mkfifo", { args: [`${folder}/in`] }).output();
    await using example = await startExample("gzip.ts", `${folder}/in`, `${folder}/out.gz`);
    using input = await Deno.open(`${folder}/in`, { write: true });
    await input.write(new TextEncoder().encode("the first line\n"));
    await example.prints(/^Compressing/);
    const [, bytes] = /\n(\d+) bytes in/.exec(await example.interrupt()) ?? [];
    // The signal may have been faster than the line.
    assert(bytes === "15" || bytes === "0", example.out);
    assertEquals((await gunzip(`${folder}/out.gz`)).length, Number(bytes));
  }));

Deno.test("examples/joblog writes all lines to files of a limited size", async () => {
  await make("joblog");
  for (const keepsAll of [false, true]) await runJobLog(keepsAll);
});

Deno.test("examples/sampler shows each second, and is woken seldom", async () => {
  await make("sampler");
  await using example = await startExample("sampler/sampler.ts");
  await example.prints(/\n\d+ samples .* wake-ups.*\n\d+ samples /);
  const out = await example.interrupt();
  const seconds = [...out.matchAll(/^(\d+) samples .* (\d+) lost, (\d+) wake-ups; .*µs$/gm)];
  const [samples, , wakeups] = [1, 2, 3].map((i) => seconds.reduce((n, s) => n + Number(s[i]), 0));
  assert(samples! > 20 * wakeups!, out);
});

Deno.test("examples/sampler is tested by deno test, without a kernel", async () => {
  await make("sampler");
  const deno = ["test", "--no-check", "--allow-ffi", "--config", CONFIG, "examples/sampler"];
  await using tests = new Running(Deno.execPath(), deno);
  const { code, out, error } = await tests.finish();
  assertEquals(code, 0, out + error);
  assertMatch(out, /2 passed/);
});

Deno.test("examples/README.md says of each example how it is run, as its usage does", async () => {
  const programs = await findPrograms();
  assert(programs.length > 10);
  for (const path of programs) {
    const text = await Deno.readTextFile(`${ROOT}/examples/${path}`);
    const command = ["usage: deno run", ...await optionsOf(path), `examples/${path}`].join(" ");
    assertStringIncludes(text, command);
  }
});

Deno.test("examples that need no module run from a URL, too", async (t) => {
  const files = await projectFiles("examples/*.ts");
  await using server = servePublished(files);
  const host = `127.0.0.1:${server.addr.port}`;
  const folder = await Deno.makeTempDir({ prefix: "kup-example-" });
  const runs: Record<string, readonly string[]> = {
    "echo.ts": ["--seconds=0.01"],
    "ctrl_c.ts": [],
    "reconnect.ts": [],
    "pool.ts": ["--jobs=2"],
    "gzip.ts": [`${ROOT}/LICENSE`, `${folder}/out.gz`],
    "monitor.ts": ["host:echo"],
  };
  try {
    for (const [path, args] of Object.entries(runs)) {
      await t.step(path, async () => {
        // The configuration says where this checkout's package is, as JSR does elsewhere.
        const deno = [
          "run",
          "--quiet",
          "--no-check",
          "--no-prompt",
          "--config",
          `${ROOT}/${CONFIG}`,
        ];
        const options = [...await optionsOf(path), `--allow-import=${host}`];
        const url = `http://${host}/examples/${path}`;
        const all = [...deno, ...options, url, ...args];
        await using example = new Running(Deno.execPath(), all, folder, { DENO_DIR: folder });
        const endless = path === "ctrl_c.ts" || path === "reconnect.ts";
        if (endless) await example.prints(/Ctrl-C ends/);
        if (endless) await example.interrupt();
        const { code, out, error } = await example.finish();
        assertEquals(code, 0, out + error);
        assertMatch(out, /\d/);
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
