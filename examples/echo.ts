// SPDX-License-Identifier: BSD-3-Clause
/**
 * Talks to the echo client, which sends every message back, and then measures how fast that goes:
 *
 *     deno run --allow-ffi examples/echo.ts [--seconds N] [--spin MICROSECONDS] [DEVICE]
 *
 * DEVICE is `host:echo`, the driver in this process, or `/dev/kup/echo` where the kernel has the
 * modules. `--spin` is how long this side spins, that is looks for an answer before it sleeps.
 */

import { type Channel, open } from "jsr:@kup/kup@0";
import { type CommandLine, program } from "./program.ts";

const USAGE = {
  text: `usage: deno run --allow-ffi examples/echo.ts [--seconds N] [--spin MICROSECONDS] [DEVICE]

Talks to the echo client, and measures how fast its answers come.

  --seconds N           how long each measurement takes; 1 if not given
  --spin MICROSECONDS   how long this side spins before it sleeps; 100 if not given
  DEVICE                host:echo if not given; /dev/kup/echo is the kernel's`,
  values: ["seconds", "spin"],
  words: 1,
};

type Paint = (text: string) => string;

/** Text in a colour of the terminal, if the output goes to one and no NO_COLOR forbids it. */
function colour(code: number): Paint {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return (text) => text;
  return (text) => `\x1b[${code}m${text}\x1b[0m`;
}

const [bold, dim, green, cyan] = [1, 2, 32, 36].map(colour) as [Paint, Paint, Paint, Paint];

const MESSAGES = [
  "hello, kernel",
  "grüße aus dem Userspace",
  "こんにちは",
  JSON.stringify({ n: 42 }),
];

async function talk(channel: Channel): Promise<void> {
  for (const [type, text] of MESSAGES.entries()) {
    await channel.send(text, { type });
    console.log(`${dim("sent    ")} ${cyan(text)}`);
    const message = await channel.receive();
    if (message === undefined) throw new Error("The module has closed the channel.");
    console.log(`${dim("received")} ${green(message.text())} ${dim(`type ${message.type}`)}`);
  }
}

/** Sends one message at a time, and receives it back. Returns how many per second. */
async function roundTrips(channel: Channel, ms: number): Promise<number> {
  const ball = new Uint8Array(32);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < ms; count++) {
    await channel.send(ball);
    await channel.receive();
  }
  return count / (performance.now() - start) * 1000;
}

/** The same without promises. */
function roundTripsSync(channel: Channel, ms: number): number {
  const ball = new Uint8Array(32);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < ms; count++) {
    channel.sendSync(ball);
    channel.receiveSync();
  }
  return count / (performance.now() - start) * 1000;
}

/** Marks the last message of a stream. */
const LAST = 1;

/**
 * Keeps as many messages in flight as the rings can contain. Returns how many come back per second.
 */
async function stream(channel: Channel, ms: number): Promise<number> {
  const start = performance.now();
  const sending = (async () => {
    const data = new Uint8Array(32);
    while (performance.now() - start < ms) await channel.send(data);
    await channel.send(data, { type: LAST });
  })();
  let received = 0;
  for (let done = false; !done;) {
    const batch = await channel.receiveBatch();
    received += batch.length;
    done = batch.length === 0 || batch.at(-1)?.type === LAST;
  }
  await sending;
  return received / (performance.now() - start) * 1000;
}

function show(what: string, perSecond: number): void {
  const rate = Math.round(perSecond).toLocaleString("en").padStart(12);
  const each = dim(`${(1e6 / perSecond).toFixed(2).padStart(9)} µs each`);
  console.log(`${what.padEnd(32)} ${bold(rate)} per second ${each}`);
}

async function main(line: CommandLine): Promise<void> {
  const ms = line.number("seconds", 1, [0.001, 3600]) * 1000;
  const spin = line.number("spin", 100, [0, 1e6]);
  using device = open(line.words[0] ?? "host:echo");
  const { ringBytes, channels, channelsFree } = device.info();
  console.log(
    `${bold(device.path)}: ${channelsFree} of ${channels} channels free, ` +
      `rings of ${ringBytes.toKernel / 1024} KiB to the kernel and ${
        ringBytes.toUser / 1024
      } KiB back\n`,
  );
  using channel = await device.attach({ spin });
  await talk(channel);

  console.log(`\n${bold("Messages of 32 bytes")}`);
  show("round trips, with promises", await roundTrips(channel, ms));
  show("round trips, blocking", roundTripsSync(channel, ms));
  show("a stream through both rings", await stream(channel, ms));
  const { kicks, wakeups, toKernelRecords } = channel.totals();
  console.log(dim(`${toKernelRecords} messages, ${kicks} kicks, ${wakeups} wake-ups`));
}

await program(USAGE, main);
