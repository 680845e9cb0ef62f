// SPDX-License-Identifier: BSD-3-Clause
/**
 * Loops and Web Streams over a channel: backpressure, ends, gaps, and other calls at the same time.
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertThrows,
} from "../../deps.ts";
import { type AttachOptions, type Channel, type Device, KupError, open } from "../../mod.ts";
import { PATH } from "./lib/driver.ts";
import * as echo from "./lib/echo.ts";
import { filled, occupy, release } from "./lib/hindered.ts";
import { rejectsWith, throwsWith } from "./lib/errors.ts";
import { runScript, sleep, until } from "./lib/script.ts";

async function attached(
  body: (channel: Channel, device: Device) => Promise<void>,
  options: AttachOptions = {},
): Promise<void> {
  using device = open(PATH);
  using channel = await device.attach(options);
  await body(channel, device);
}

/** Lines that all differ, with `length` bytes or more in total. */
function lines(length: number): string {
  const all: string[] = [];
  for (let size = 0; size < length; size += all.at(-1)!.length) {
    all.push(`line ${all.length} of a text with ä, € and 🦕\n`);
  }
  return all.join("");
}

/** Ends a stream after this many bytes; the source is then cancelled. */
function upTo(length: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = length;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}

Deno.test("Channel.readable and Channel.writable carry compressed text", () =>
  attached(async (channel) => {
    const text = lines(1_000_000);
    const compressed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    const chunks: Uint8Array<ArrayBuffer>[] = await Array.fromAsync(compressed);
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    assertLess(size, text.length / 2);
    const written = ReadableStream.from(chunks).pipeTo(channel.writable, { preventClose: true });
    const back = channel.readable.pipeThrough(upTo(size)).pipeThrough(
      new DecompressionStream("gzip"),
    ).pipeThrough(new TextDecoderStream());
    assertEquals((await Array.fromAsync(back)).join(""), text);
    await written;
    // Both streams are over, but the channel is not.
    await channel.send("after");
    assertEquals((await channel.receive())?.text(), "after");
  }));

Deno.test("Channel.readable and Channel.writable carry a file to the kernel and back", () =>
  attached(async (channel) => {
    const path = await Deno.makeTempFile();
    try {
      const text = new TextEncoder().encode(lines(700_000));
      await Deno.writeFile(path, text);
      using source = await Deno.open(path);
      const written = source.readable.pipeTo(channel.writable);
      using target = await Deno.open(`${path}.back`, { write: true, create: true });
      await channel.readable.pipeThrough(upTo(text.length)).pipeTo(target.writable);
      await written;
      assertEquals(await Deno.readFile(`${path}.back`), text);
    } finally {
      await Deno.remove(path);
      await Deno.remove(`${path}.back`);
    }
  }));

Deno.test("Channel.readable takes no message before it is read, and loses none", () =>
  attached(async (channel) => {
    const count = Math.ceil(2 * channel.ringBytes.toUser / 500);
    await echo.produce(channel, count, 500);
    const before = await filled(channel);
    const { readable: pipe, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const piped = channel.readable.pipeTo(writable, { preventCancel: true });
    await sleep(50);
    // The pipe holds one or two messages.
    assertLess(await filled(channel), before + 10);
    assertLess(before, count);
    let next = 0;
    for await (const chunk of pipe) {
      if (next === count) break;
      assertEquals([echo.sampleNumber(chunk), chunk.length], [next, 500]);
      next++;
    }
    await assertRejects(() => piped);
    assertEquals([next, channel.stats().droppedNoSpace], [count, 0]);
    channel.sendSync("after");
    assertEquals((await channel.receive())?.text(), "after");
  }, { ringBytes: { toUser: 65536 } }));

Deno.test("Channel.readable refuses other receivers while it is locked, and only then", () =>
  attached(async (channel) => {
    const reader = channel.readable.getReader();
    await rejectsWith("busy", () => channel.receive());
    await rejectsWith("busy", () => channel.receiveBatch());
    await rejectsWith("busy", () => channel.messages().next());
    throwsWith("busy", () => channel.tryReceive());
    throwsWith("busy", () => channel.tryReceiveBatch());
    throwsWith("busy", () => channel.receiveSync({ timeout: 10 }));
    const read = reader.read();
    await channel.send("a");
    assertEquals(new TextDecoder().decode((await read).value), "a");
    const left = reader.read();
    reader.releaseLock();
    await assertRejects(() => left, TypeError);
    await channel.send("b");
    assertEquals(channel.receiveSync()?.text(), "b");
    await channel.readable.cancel();
    await channel.send("c");
    assertEquals((await channel.receive())?.text(), "c");
  }));

Deno.test("Channel.readable ends when either side closes the channel", () =>
  attached(async (channel, device) => {
    for (const text of ["a", "b"]) channel.sendSync(text);
    await echo.closeFromKernel(channel);
    const texts = channel.readable.pipeThrough(new TextDecoderStream());
    assertEquals((await Array.fromAsync(texts)).join(""), "ab");
    assert(channel.done);
    const own = await device.attach();
    const reader = own.readable.getReader();
    const reads = [reader.read(), reader.read()];
    await sleep(20);
    own.close();
    for (const read of reads) assertEquals((await read).done, true);
  }));

Deno.test("Channel.readable fails at a gap unless a function takes it", () =>
  attached(async (channel) => {
    const count = 5000;
    await echo.produce(channel, count, 200, echo.context.trying);
    await until(() => channel.stats().droppedNoSpace > 0, "the ring overflows");
    let received = 0;
    let lost = 0;
    const failure = await rejectsWith("gap", async () => {
      for await (const chunk of channel.readable) received += Number(chunk.length === 200);
    });
    const first = Number(/(\d+) messages? /.exec(failure.message)?.[1]);
    const rest = channel.toReadable({ gaps: ({ records }) => void (lost += records) });
    for await (const chunk of rest) {
      if (chunk.length !== 200) break;
      received++;
    }
    assertGreater(first, 0);
    assertEquals(received + first + lost, count);
    assertEquals(channel.stats().droppedNoSpace, first + lost);
  }));

Deno.test("Channel.writable resolves a write when its message is in the ring", () =>
  attached(async (channel) => {
    await occupy(channel);
    const bytes = new Uint8Array(10_000);
    let written = 0;
    const writer = channel.writable.getWriter();
    const count = Math.ceil(3 * channel.maxMessage / bytes.length);
    const writes = Array.from({ length: count }, () => writer.write(bytes).then(() => written++));
    await sleep(50);
    assertLess(written * bytes.length, channel.maxMessage);
    await release(channel);
    for (let i = 0; i < count; i++) assertEquals((await channel.receive())?.length, bytes.length);
    await Promise.all(writes);
    assertEquals(written, count);
    await writer.write("again");
    assertEquals((await channel.receive())?.text(), "again");
    // The echo client answers an end by its own, behind what it has echoed.
    await writer.write("last");
    await writer.close();
    assertEquals((await channel.receive())?.text(), "last");
    assertEquals(await channel.receive(), undefined);
    assertEquals([channel.done, channel.peerEnded], [true, true]);
  }));

Deno.test("Channel.writable drops at an abort what is not in the ring", () =>
  attached(async (channel) => {
    await occupy(channel);
    const bytes = new Uint8Array(10_000);
    let sent = 0;
    while (channel.trySend(bytes)) sent++;
    const writer = channel.writable.getWriter();
    const writes = [writer.write(bytes), writer.write("queued")];
    const reason = new Error("enough");
    await sleep(20);
    const aborted = writer.abort(reason);
    for (const write of writes) assertEquals(await assertRejects(() => write), reason);
    await aborted;
    const last = channel.send("last");
    await release(channel);
    for (let i = 0; i < sent; i++) assertEquals((await channel.receive())?.length, bytes.length);
    assertEquals((await channel.receive())?.text(), "last");
    await last;
  }));

Deno.test("Channel.writable fails when the channel is closed", () =>
  attached(async (channel) => {
    await occupy(channel);
    const writer = channel.writable.getWriter();
    const bytes = new Uint8Array(channel.maxMessage - 1000);
    const writes = [writer.write(bytes), writer.write(bytes), writer.write(bytes)];
    await writes[0];
    channel.close();
    for (const write of writes.slice(1)) await rejectsWith("closed", () => write);
    await rejectsWith("closed", () => writer.closed);
  }));

Deno.test("Channel.messages() ends at this side's close, and the program continues", async () => {
  const { code, out, error } = await runScript(`
    using device = kup.open("${PATH}");
    const channel = await device.attach();
    let n = 0;
    const background = (async () => { for await (const _ of channel) n++; return n; })();
    const received = channel.receive().then(() => "message", (error) => error.code);
    await channel.send("one");
    const at = setInterval(() => {
      if (n === 0) return;
      clearInterval(at);
      channel.close();
    }, 5);
    console.log(await background, await received);
  `);
  assertEquals([code, out, error], [0, "1 busy\n", ""]);
});

Deno.test("Channel.messages() with a signal ends its wait and loses nothing", () =>
  attached(async (channel) => {
    const abort = new AbortController();
    const messages = channel.messages({ signal: abort.signal });
    const step = messages.next();
    await rejectsWith("busy", () => messages.next());
    const reason = new Error("enough");
    abort.abort(reason);
    assertEquals(await assertRejects(() => step), reason);
    await channel.send("theirs");
    assertEquals(await assertRejects(() => messages.next()), reason);
    assertEquals((await channel.receive())?.text(), "theirs");
  }));

Deno.test("Channel.messages() leaves another caller's wait and message alone when its loop ends", () =>
  attached(async (channel) => {
    const received = channel.receive();
    const refused = channel.messages();
    await rejectsWith("busy", () => refused.next());
    await refused.return();
    await channel.send("theirs");
    const message = await received;
    await channel.messages().return();
    assertEquals(message?.text(), "theirs");
  }));

for (const where of ["interrupt", "deferred", "trying"] as const) {
  Deno.test(`Channel.messages() reports all gaps (${where}) by errors, or to a function`, () =>
    attached(async (channel) => {
      const count = 10_000;
      await echo.produce(channel, count, 200, echo.context[where]);
      await until(() => channel.stats().droppedNoSpace > 0, "the ring overflows");
      let next = 0;
      let lost = 0;
      const errors: string[] = [];
      const read = async (gaps: "throw" | ((gap: { records: number }) => void)) => {
        for await (const message of channel.messages({ gaps })) {
          if (message.type !== echo.SAMPLE) return echo.produced(message);
          next++;
        }
        return undefined;
      };
      await read("throw").catch((error) => {
        assert(error instanceof KupError && error.code === "gap", String(error));
        errors.push(error.message);
      });
      assertEquals(errors.length, 1);
      const first = Number(/(\d+) messages? /.exec(errors[0]!)?.[1]);
      const told = await read(({ records }) => void (lost += records));
      assertEquals(told, { sent: next, lost: lost + first });
      assertEquals(next + lost + first, count);
    }));
}

Deno.test("Message.gap is an error for all that would read bytes", () =>
  attached(async (channel) => {
    await echo.produce(channel, 5000, 200, echo.context.trying);
    await until(() => channel.stats().droppedNoSpace > 0, "the ring overflows");
    for await (const message of channel) {
      if (message.gap === undefined) continue;
      throwsWith("gap", () => message.bytes);
      throwsWith("gap", () => message.view);
      throwsWith("gap", () => message.text());
      throwsWith("gap", () => message.json());
      throwsWith("gap", () => message.copy());
      assertGreater(message.gap.records, 0);
      break;
    }
  }));

Deno.test("Message.view and other arrays are views of the bytes, which begin at a multiple of 8", () =>
  attached(async (channel) => {
    for (let length = 8; length < 200; length += 3) {
      const bytes = new Uint8Array(length).fill(length);
      new DataView(bytes.buffer).setFloat64(0, length * Math.PI, true);
      await channel.send(bytes);
      const { view, bytes: own } = (await channel.receive())!;
      assertEquals([view.byteLength, view.getFloat64(0, true)], [length, length * Math.PI]);
      const numbers = new Float64Array(own.buffer, own.byteOffset, length >> 3);
      assertEquals(numbers[0], length * Math.PI);
    }
  }));

Deno.test("Channel.receive() refuses options of other calls on each driver", () =>
  attached(async (channel) => {
    const options = { timeout: 100 } as object;
    await assertRejects(() => channel.receive(options), TypeError, "AbortSignal.timeout");
    await assertRejects(() => channel.send("x", options), TypeError, "AbortSignal.timeout");
    assertThrows(() => channel.receiveSync({ signal: 1 } as object), TypeError, "timeout");
  }));
