// SPDX-License-Identifier: BSD-3-Clause
/**
 * examples/nats with a NATS server on this machine, which is killed and started again.
 * `make unit` has fetched the server and its client.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "../../deps.ts";
import { dirname } from "../../harness/files.ts";
import { NATS_SERVER } from "../../scripts/nats_server.ts";
import { CONFIG, optionsOf, Running, startExample } from "../lib/example.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { sleep, until } from "../lib/until.ts";

/** A server that keeps what it stores, and its address, when it is started again. */
class Server implements AsyncDisposable {
  #running: Running | undefined;
  readonly #port = freePort();
  readonly #store = Deno.makeTempDirSync({ prefix: "kup-nats-" });

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const address = ["--addr", "127.0.0.1", "--port", String(this.#port)];
    const storage = ["--jetstream", "--store_dir", this.#store];
    this.#running = new Running(NATS_SERVER, [...address, ...storage]);
    await until(() => /Server is ready/.test(this.#running!.error), "a NATS server");
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#running!.kill(signal);
    await this.#running!.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
    await Deno.remove(this.#store, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A message or a gap that a subscriber has printed. */
interface Line {
  readonly number: number;
  readonly missing: number;
}

function linesOf({ out }: Running): Line[] {
  const found = [
    ...out.matchAll(/^kup\.sampler\.0 (\d+): (?:(\d+) messages are missing|type 1, 8)/gm),
  ];
  return found.map(([, number, missing]) => ({
    number: Number(number),
    missing: Number(missing ?? 0),
  }));
}

/** The number in the last whole line, or -1. */
function lastNumber({ out }: Running): number {
  return Number(/ (\d+): [^\n]*\n[^\n]*$/.exec(out.slice(-200))?.[1] ?? -1);
}

async function waitForMore(subscriber: Running, count: number): Promise<void> {
  const end = lastNumber(subscriber) + count;
  await until(() => lastNumber(subscriber) >= end, `message ${end} at the subscriber`);
}

/** Fails unless each number was received exactly once, or is a part of a gap. */
function checkAll(lines: readonly Line[], count: number): void {
  let next = 0;
  for (const { number, missing } of lines.toSorted((a, b) => a.number - b.number)) {
    assertEquals(number, next, "a message is missing, or came twice");
    next += missing || 1;
  }
  assertEquals(next, count);
}

/** Runs a test with a server, a forwarder and a subscriber, and then checks each number. */
async function forward(
  options: readonly string[],
  test: (server: Server, forwarder: Running, subscriber: Running) => Promise<void>,
): Promise<Line[]> {
  await must(["make", "-s", "-C", "examples/sampler"]);
  await using server = new Server();
  await server.start();
  const where = ["--server", server.address];
  await using forwarder = await startExample("nats/forward.ts", ...where, ...options);
  await forwarder.prints(/^Forwarding/);
  await using subscriber = await startExample("nats/subscribe.ts", ...where);
  await waitForMore(subscriber, 200);
  await test(server, forwarder, subscriber);
  const out = await forwarder.interrupt();
  const [, messages, lost] = /forwarded (\d+) messages; (\d+) were lost/.exec(out) ?? [];
  const count = Number(messages) + Number(lost);
  const isLast = ({ number, missing }: Line) => number + (missing || 1) === count;
  await until(() => linesOf(subscriber).some(isLast), `message ${count - 1} at the subscriber`);
  await subscriber.interrupt();
  const lines = linesOf(subscriber);
  checkAll(lines, count);
  return lines;
}

/** The number of times that the forwarder has printed this. */
function times({ out }: Running, sentence: string): number {
  return out.split(sentence).length - 1;
}

Deno.test("examples/nats loses no message when the server is killed and started again", async () => {
  const lines = await forward([], async (server, forwarder, subscriber) => {
    for (const [index, signal] of (["SIGKILL", "SIGTERM"] as const).entries()) {
      await server.end(signal);
      await until(() => times(forwarder, "is gone") > index, "the forwarder's notice");
      await server.start();
      await until(() => times(forwarder, "is back") > index, "the forwarder's return");
      await waitForMore(subscriber, 500);
    }
  });
  assert(lines.every(({ missing }) => missing === 0), "the ring was too small for this machine");
});

Deno.test("examples/nats reports to subscribers what was lost while the ring was full", async () => {
  const ring = ["--ring", "4096"];
  const lines = await forward(ring, async (server, _forwarder, subscriber) => {
    // The ring is full after an eighth of a second, or later on a busy machine.
    for (let away = 250; !linesOf(subscriber).some(({ missing }) => missing > 0); away *= 2) {
      await server.end("SIGKILL");
      await sleep(away);
      await server.start();
      await waitForMore(subscriber, 300);
    }
  });
  assert(lines.some(({ missing }) => missing > 0));
});

/**
 * Starts the forwarder with a server of its own, which is looked for in this folder alone, and in a
 * group of processes of its own, as a shell does.
 */
async function startWithServer(path: string, ...args: string[]): Promise<Running> {
  const options = [...await optionsOf("nats/forward.ts"), "--allow-run=nats-server"];
  const deno = [Deno.execPath(), "run", "--no-check", "--no-prompt", "--config", CONFIG];
  const all = [...deno, ...options, "examples/nats/forward.ts", ...args];
  return new Running("/usr/bin/setsid", all, ROOT, { PATH: path });
}

/** Kills the processes with this text in their command lines. */
async function killThoseWith(text: string): Promise<void> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.includes(text)) Deno.kill(Number(name), "SIGKILL");
  }
}

Deno.test("examples/nats starts a server with `--start`, and ends it", async () => {
  await must(["make", "-s", "-C", "examples/sampler"]);
  const store = await Deno.makeTempDir({ prefix: "kup-nats-" });
  const address = { hostname: "127.0.0.1", port: freePort() };
  const where = ["--server", `127.0.0.1:${address.port}`];
  const start = () => startWithServer(dirname(NATS_SERVER), ...where, "--start", `${store}/new`);
  let ended = false;
  try {
    await using forwarder = await start();
    await forwarder.prints(/^Forwarding/);
    await using subscriber = await startExample("nats/subscribe.ts", ...where);
    await waitForMore(subscriber, 100);
    await using second = await start();
    assertMatch((await second.finish()).error, /^error: nats-server can't run at [^\n]*\.\n$/);
    await subscriber.interrupt();
    // As a terminal's Ctrl-C, which each process of the group gets.
    Deno.kill(-forwarder.pid, "SIGINT");
    const { code, out, error } = await forwarder.finish();
    assertEquals([code, error], [0, ""]);
    assertMatch(out, /^Forwarding [^\n]*\nforwarded \d+ messages; 0 were lost before\n$/);
    await assertRejects(() => Deno.connect(address), Deno.errors.ConnectionRefused);
    ended = true;
  } finally {
    // A forwarder that was killed leaves its server.
    if (!ended) await killThoseWith(store);
    await Deno.remove(store, { recursive: true });
  }
});

Deno.test("examples/nats says how to get a server that is missing", async () => {
  await using forwarder = await startWithServer("/nowhere", "--start", "/nowhere");
  const { code, error } = await forwarder.finish();
  assertEquals(code, 1);
  assertMatch(error, /^error: There is no nats-server; [^\n]*\.\n$/m);
});
