// SPDX-License-Identifier: BSD-3-Clause
/**
 * All that is open ends with the isolate: `deno run --watch` starts programs again in one process.
 */

import { assert, assertEquals } from "../../deps.ts";
import { WatchedProgram } from "../conformance/lib/watched.ts";
import { patience } from "../lib/until.ts";

const SAVES = 10;

/** A device of two channels, and a loop that waits on one of them while another call waits too. */
const LOOP = `
  let device;
  try {
    device = kup.open("host:echo", { parameters: { channels: 2 } });
  } catch (error) {
    if (error.code !== "busy") throw error;
    device = kup.open("host:echo");
  }
  const channel = await device.attach({ signal: AbortSignal.timeout(60_000) });
  const other = await device.attach({ signal: AbortSignal.timeout(60_000) });
  device.attach().catch(() => {});
  other.receive().catch(() => {});
  await channel.send("hello");
  for await (const message of channel) {
    if (message.text() === "hello") console.log(save + ": attached both");
  }`;

for (const flag of ["--watch", "--watch-hmr"]) {
  Deno.test(`Device.attach() gets a channel after each save with ${flag}`, async () => {
    await using program = await WatchedProgram.start(LOOP, [flag, "--allow-ffi"]);
    await program.printed("attached both");
    await program.save("attached both");
    const before = program.counts();
    for (let i = 0; i < SAVES; i++) await program.save("attached both");
    const after = program.counts();
    // Deno itself starts a few more threads of its pool, and opens no descriptors.
    assert(
      after.descriptors <= before.descriptors + 2 && after.threads <= before.threads + 4,
      JSON.stringify({ before, after }),
    );
    assert(!/error/i.test(program.output), program.output);
  });
}

Deno.test("Device.attach() gets a channel after programs that failed", async () => {
  const source = `
    ${LOOP.split("await channel.send")[0]}
    console.log(save + ": attached both");
    setTimeout(() => { throw new Error("This program fails."); });
    await new Promise(() => {});`;
  await using program = await WatchedProgram.start(source, ["--watch", "--allow-ffi"]);
  await program.printed("attached both");
  for (let i = 0; i < 4; i++) await program.save("attached both");
});

Deno.test("Device.attach() gets a channel although the workers of the last run had all", async () => {
  const source = `
    if (globalThis.WorkerGlobalScope === undefined) {
      try {
        kup.open("host:echo", { parameters: { channels: 2 } }).close();
      } catch (error) {
        if (error.code !== "busy") throw error;
      }
      let ready = 0;
      for (let i = 0; i < 2; i++) {
        const worker = new Worker(import.meta.url, { type: "module" });
        worker.onmessage = () => { if (++ready === 2) console.log(save + ": attached both"); };
      }
    } else {
      const device = kup.open("host:echo");
      const channel = await device.attach({ signal: AbortSignal.timeout(60_000) });
      self.postMessage("attached");
      for await (const _ of channel);
    }`;
  const flags = ["--watch", "--allow-ffi", "--allow-read"];
  await using program = await WatchedProgram.start(source, flags);
  await program.printed("attached both");
  for (let i = 0; i < 4; i++) await program.save("attached both");
});

/** Runs a program that prints JSON lines, and returns what it printed. */
async function outputOf(body: string, ...flags: string[]): Promise<unknown[]> {
  const module = new URL("../../mod.ts", import.meta.url).href;
  const source = `import * as kup from ${JSON.stringify(module)};\n` +
    `const print = (value) => console.log(JSON.stringify(value));\n${body}`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      ...flags,
      `data:text/javascript,${encodeURIComponent(source)}`,
    ],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  assertEquals(decoder.decode(stderr), "");
  return decoder.decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

const CODES = `
  const code = (body) => { try { return body() ?? null; } catch (error) { return error.code ?? String(error); } };
  const late = () => print([
    device.closed, channel.closed, code(() => device.info()), code(() => channel.trySend("x")),
    code(() => channel.tryReceive()), code(() => channel.stats()), code(() => message.text()),
    code(() => message.bytes.length), kept.length, code(() => room.commit()), code(() => channel.close()),
  ]);`;

const USE = `
  const device = kup.open("host:echo");
  const channel = await device.attach();
  await channel.send("hello");
  const message = await channel.receive();
  const kept = message.bytes;
  const room = await channel.reserve(8);`;

const ENDED = [
  ...[true, true, "closed", "closed", "closed", "closed", "released", "released", 0, "closed"],
  null,
];

Deno.test("Channel is closed for code that runs at unload after the library", async () => {
  const first = `addEventListener("unload", () => print([device.closed, channel.closed]));`;
  const second = `addEventListener("unload", late);`;
  assertEquals(
    await outputOf(`${CODES}\nlet at; ${first}\n${USE}\n${second}`, "--allow-ffi"),
    [[false, false], ENDED],
  );
});

Deno.test("Channel is not affected by an unload listener that was faked, or whose globals are", async () => {
  const fakes = `
    globalThis.addEventListener = () => { throw new Error("a fake"); };
    EventTarget.prototype.addEventListener = globalThis.addEventListener;
    globalThis.EventTarget = class {};`;
  assertEquals(
    await outputOf(
      `
      const { addEventListener } = globalThis;
      ${CODES} ${fakes} ${USE}
      addEventListener.call(globalThis, "unload", late);`,
      "--allow-ffi",
    ),
    [ENDED],
  );
});

Deno.test("open() works again after an unload event that a program has made itself", async () => {
  const body = `
    ${USE}
    dispatchEvent(new Event("unload"));
    print([device.closed, channel.closed]);
    {
      using device = kup.open("host:echo");
      using channel = await device.attach();
      await channel.send("again");
      print((await channel.receive()).text());
    }`;
  assertEquals(await outputOf(body, "--allow-ffi"), [[true, true], "again"]);
});

Deno.test("Worker leaves free channels and closed descriptors, however it ends", async () => {
  const worker = `
    import * as kup from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const device = kup.open("host:echo");
    const channels = [await device.attach(), await device.attach({ spin: 0 })];
    channels[1].receive().catch(() => {});
    self.onmessage = ({ data }) => {
      if (data === "close") self.close();
      if (data === "throw") throw new Error("This worker fails.");
    };
    self.postMessage("attached");`;
  const body = `
    const url = "data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)});
    using device = kup.open("host:echo");
    const until = async (condition) => { while (!condition()) await new Promise((r) => setTimeout(r, 5)); };
    const link = ({ name }) => {
      try { return Deno.readLinkSync("/proc/self/fd/" + name); } catch { return ""; }
    };
    // Memory of channels, and pipes.
    const descriptors = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter((file) => /^(pipe|.memfd):/.test(link(file))).length;
    let before;
    for (const end of ["terminate", "close", "terminate", "close", "throw", "throw"]) {
      const worker = new Worker(url, { type: "module" });
      worker.onerror = (event) => event.preventDefault();
      await new Promise((resolve) => worker.onmessage = resolve);
      if (device.info().channelsFree !== 6) throw new Error("The worker has no channels.");
      worker.postMessage(end);
      if (end === "terminate") worker.terminate();
      await until(() => device.info().channelsFree === 8);
      worker.terminate();
      before ??= descriptors();
      await until(() => descriptors() <= before);
      print(end);
    }`;
  const module = new URL("../../mod.ts", import.meta.url).href;
  const source = `import * as kup from ${JSON.stringify(module)};\n` +
    `const print = (value) => console.log(value);\n${body}`;
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `data:text/javascript,${encodeURIComponent(source)}`],
    signal: AbortSignal.timeout(patience(120)),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout).trim().split("\n").length, 6);
});
