// SPDX-License-Identifier: BSD-3-Clause
/** A channel's Web Streams: what they take from the rings, when, and what ends them. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, KupError, type Message, type ReadableOptions } from "../../mod.ts";
import { until } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, fill, later, test } from "./attached.ts";

type Chunk = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

function textOf({ done, value }: Chunk): string | undefined {
  return done ? undefined : new TextDecoder().decode(value);
}

/** Calls that receive, in each form. */
const RECEIVING: readonly ((channel: Channel) => unknown)[] = [
  (channel) => channel.receive(),
  (channel) => channel.tryReceive(),
  (channel) => channel.receiveSync({ timeout: 0 }),
  (channel) => channel.receiveBatch(),
  (channel) => channel.tryReceiveBatch(),
  (channel) => channel.messages().next(),
  (channel) => channel.messages({ gaps: "throw" }).next(),
];

async function assertLocked(channel: Channel): Promise<void> {
  for (const call of RECEIVING) {
    const error = await assertRejects(async () => await call(channel), KupError, "locked");
    assertEquals(error.code, "busy");
  }
  assertThrowsWith(() => channel.toReadable(), "busy");
}

test(
  "Channel.readable returns each message as a copy, also empty ones",
  async (channel, kernel) => {
    for (const text of ["one", "", "three"]) kernel.send(text);
    const reader = channel.readable.getReader();
    const chunks = [await reader.read(), await reader.read(), await reader.read()];
    // All bytes of the ring are written.
    for (let i = 0; i < 9; i++) {
      assert(kernel.send(new Uint8Array(1000)));
      await reader.read();
    }
    assertEquals(chunks.map(textOf), ["one", "", "three"]);
    chunks[0]!.value!.buffer.transfer();
    kernel.send("four");
    assertEquals(textOf(await reader.read()), "four");
  },
);

test("Channel.readable takes nothing from the ring before a read", async (channel, kernel) => {
  // Each is an eighth of the ring, so its release publishes the tail.
  for (let i = 0; i < 4; i++) kernel.send("x".repeat(504));
  const { readable } = channel;
  await later(() => {});
  const reader = readable.getReader();
  await later(() => {});
  assertEquals(kernel.tail, 0);
  await reader.read();
  await later(() => {});
  assertEquals(kernel.tail, 0, "a second message was taken");
  await Promise.all([reader.read(), reader.read()]);
  await until(() => kernel.tail === 1024, "two messages are released");
  await later(() => {});
  assertEquals(kernel.tail, 1024);
});

test(
  "Channel.readable stops the kernel's side while its pipe is full",
  async (channel, kernel) => {
    const gate = Promise.withResolvers<void>();
    let written = 0;
    const sink = new WritableStream<Uint8Array>({
      write: () => {
        written++;
        return gate.promise;
      },
    }, { highWaterMark: 1 });
    const piped = channel.readable.pipeTo(sink);
    let sent = 0;
    for (; sent < 400; sent++) {
      if (!kernel.send(new Uint8Array(100))) break;
      if (sent % 20 === 0) await later(() => {});
    }
    assert(sent < 50, "the ring has room for 36 of these, and the pipe for 2");
    await until(() => written === 1, "the pipe has taken a message");
    gate.resolve();
    kernel.close();
    await piped;
    assertEquals(written, sent);
  },
);

test("Channel.readable refuses other receivers while it is locked", async (channel, kernel) => {
  const reader = channel.readable.getReader();
  await assertLocked(channel);
  const read = reader.read();
  await assertLocked(channel);
  kernel.send("a");
  assertEquals(textOf(await read), "a");
  await assertLocked(channel);
  reader.releaseLock();
  kernel.send("b");
  assertEquals(channel.tryReceive()?.text(), "b");
  for (const call of RECEIVING) {
    kernel.send("c");
    await call(channel);
  }
  await channel.send("d");
  assertEquals(kernel.receive()?.text, "d");
});

test(
  "Channel.readable leaves the messages to others when its reader is released during a read",
  async (channel, kernel) => {
    for (const [index, call] of RECEIVING.entries()) {
      const reader = channel.readable.getReader();
      const read = reader.read();
      await later(() => {});
      reader.releaseLock();
      await assertRejects(() => read, TypeError);
      if (index % 2 === 0) {
        kernel.send("theirs");
        // Its wake-up comes first.
        await later(() => {});
      }
      const received = Promise.try(call, channel).catch((error) => error);
      if (index % 2 === 1) kernel.send("theirs");
      const got = await received;
      const [message] = Array.isArray(got) ? got : [(got as IteratorResult<Message>)?.value ?? got];
      const text = message instanceof Error || message === undefined
        ? (await channel.receive())!.text()
        : (message as Message).text();
      assertEquals(text, "theirs");
      const next = channel.readable.getReader();
      kernel.send("next");
      assertEquals(textOf(await next.read()), "next");
      next.releaseLock();
    }
  },
);

test(
  "Channel.readable gives a read that a reader has left to the next reader",
  async (channel, kernel) => {
    const { readable } = channel;
    const first = readable.getReader();
    const left = first.read();
    first.releaseLock();
    await assertRejects(() => left, TypeError);
    const second = readable.getReader();
    const read = second.read();
    kernel.send("a");
    kernel.send("b");
    assertEquals([textOf(await read), textOf(await second.read())], ["a", "b"]);
  },
);

test(
  "Channel.readable is one stream until it is cancelled; then there is a new one",
  async (channel, kernel) => {
    const { readable } = channel;
    assert(channel.readable === readable);
    const reader = readable.getReader();
    assertThrows(() => channel.readable.getReader(), TypeError);
    const read = reader.read();
    await later(() => {});
    await reader.cancel("enough");
    assertEquals((await read).done, true);
    kernel.send("a");
    assertEquals(channel.tryReceive()?.text(), "a");
    assert(channel.readable !== readable && !channel.closed);
    kernel.send("b");
    for await (const chunk of channel.readable) {
      assertEquals(new TextDecoder().decode(chunk), "b");
      break;
    }
    kernel.send("c");
    assertEquals((await channel.receive())?.text(), "c");
  },
);

test("Channel.readable ends when this side closes the channel, at any place", async (channel) => {
  const reader = channel.readable.getReader();
  const reads = [reader.read(), reader.read()];
  await later(() => channel.close());
  for (const read of reads) assertEquals((await read).done, true);
  await reader.closed;
  assertEquals((await reader.read()).done, true);
  assert(channel.readable === channel.readable && channel.readable.locked);
});

test(
  "Channel.readable ends when this side closes the channel without a read, and after one",
  async (channel, kernel) => {
    kernel.send("never read");
    const { readable } = channel;
    channel.close();
    assertEquals((await readable.getReader().read()).done, true);
    assertEquals(await Array.fromAsync(channel.toReadable()), []);
  },
);

test("Channel.readable of a closed channel is a stream at its end", async (channel) => {
  channel.close();
  assertEquals(await Array.fromAsync(channel.readable), []);
});

test(
  "Channel.readable ends behind the last message when the kernel's side closes",
  async (channel, kernel) => {
    const reader = channel.readable.getReader();
    const read = reader.read();
    await later(() => kernel.send("a"));
    kernel.send("b");
    kernel.close();
    assertEquals([textOf(await read), textOf(await reader.read())], ["a", "b"]);
    assertEquals((await reader.read()).done, true);
    assert(channel.done);
    assertEquals(await channel.receive(), undefined);
    assertThrowsWith(() => channel.trySend("x"), "closed");
  },
);

test("Channel.readable fails when the channel breaks", async (channel, kernel) => {
  const reader = channel.readable.getReader();
  const read = reader.read();
  await later(() => kernel.break());
  await assertRejectsWith(read, "broken");
  await assertRejectsWith(reader.closed, "broken");
  await assertRejectsWith(Array.fromAsync(channel.readable), "broken");
});

test(
  "Channel.readable fails at a gap, and the next stream continues behind it",
  async (channel, kernel) => {
    const { readable } = channel;
    const reader = readable.getReader();
    kernel.send("a");
    kernel.gap(3, 30_000);
    kernel.send("b");
    assertEquals(textOf(await reader.read()), "a");
    await assertRejects(() => reader.read(), KupError, "3 messages are missing here (30000 bytes)");
    await assertRejectsWith(reader.closed, "gap");
    assert(channel.readable !== readable);
    const next = channel.readable.getReader();
    assertEquals(textOf(await next.read()), "b");
    const late = next.read();
    await later(() => kernel.gap(1, 10_000));
    await assertRejectsWith(late, "gap");
    kernel.send("c");
    assertEquals(channel.tryReceive()?.text(), "c");
  },
);

test("Channel.toReadable() calls its function for gaps and continues", async (channel, kernel) => {
  let lost = 0;
  const stream = channel.toReadable({ gaps: ({ records }) => void (lost += records) });
  assert(channel.readable === stream);
  kernel.gap(1, 10_000);
  kernel.send("a");
  kernel.gap(2, 20_000);
  kernel.gap(3, 30_000);
  const reader = stream.getReader();
  assertEquals([textOf(await reader.read()), lost], ["a", 1]);
  const read = reader.read();
  await later(() => kernel.gap(4, 40_000));
  await later(() => kernel.send("b"));
  assertEquals([textOf(await read), lost], ["b", 10]);
});

test("Channel.toReadable() allows every call in the function for gaps", async (channel, kernel) => {
  const thrown = new Error("mine");
  for (
    const gaps of [
      () => {
        throw thrown;
      },
      () => void channel.readable.cancel().catch(() => {}),
      () => void channel.tryReceive(),
    ]
  ) {
    const reader = channel.toReadable({ gaps }).getReader();
    const read = reader.read().then(textOf, (error) => error);
    await later(() => kernel.gap(1, 10_000));
    kernel.send("after");
    const text = await read;
    assert(text === thrown || text === "after" || text.code === "busy", String(text));
    await reader.cancel().catch(() => {});
    if (text !== "after") assertEquals(channel.tryReceive()?.text(), "after");
  }
  const reader = channel.toReadable({ gaps: () => channel.close() }).getReader();
  kernel.gap(1, 10_000);
  assertEquals((await reader.read()).done, true);
});

test("Channel.toReadable() replaces an unlocked stream", async (channel, kernel) => {
  const old = channel.readable;
  const stream = channel.toReadable();
  assert(stream !== old && channel.readable === stream);
  kernel.send("a");
  await assertRejectsWith(old.getReader().read(), "busy");
  assertEquals(textOf(await stream.getReader().read()), "a");
  assertThrowsWith(() => channel.toReadable(), "busy");
});

test("Channel.toReadable() refuses options that make no sense", (channel) => {
  const bad: [unknown, string][] = [
    [{ gaps: "report" }, '"throw" or a function'],
    [{ gaps: 5 }, "`gaps`"],
    [{ signal: AbortSignal.abort() }, "pipeTo"],
    [{ timeout: 5 }, "`timeout`"],
    [{ type: 5 }, "no types"],
    [1, "must be an object"],
    [null, "must be an object"],
  ];
  for (const [options, words] of bad) {
    assertThrows(() => channel.toReadable(options as ReadableOptions), TypeError, words);
  }
});

test(
  "Channel.readable fails when it is read while a receive waits, which continues",
  async (channel, kernel) => {
    const received = channel.receive();
    await assertRejectsWith(channel.readable.getReader().read(), "busy");
    kernel.send("a");
    kernel.send("b");
    assertEquals((await received)?.text(), "a");
    assertEquals(textOf(await channel.readable.getReader().read()), "b");
  },
);

test(
  "Channel.readable allows every call in a sink that it is piped to",
  async (channel, kernel) => {
    const seen: unknown[] = [];
    const piped = channel.readable.pipeTo(
      new WritableStream({
        write: (chunk) => {
          seen.push(chunk.length);
          assertThrowsWith(() => channel.tryReceive(), "busy");
          channel.trySend("answer");
          if (chunk.length === 3) channel.close();
        },
        close: () => void seen.push("closed"),
      }, { highWaterMark: 9 }),
    );
    for (const text of ["a", "bb", "ccc"]) await later(() => kernel.send(text));
    await piped;
    assertEquals(seen, [1, 2, 3, "closed"]);
  },
);

test(
  "Channel.readable lets timers run however many messages there are",
  async (channel, kernel) => {
    let done = false;
    setTimeout(() => done = true, 1);
    const reader = channel.readable.getReader();
    for (let turns = 0; !done; turns++) {
      assert(turns < 1e6);
      kernel.send("x");
      await reader.read();
    }
  },
);

test(
  "Channel.writable resolves a write when its message is in the ring",
  async (channel, kernel) => {
    const writer = channel.writable.getWriter();
    await writer.write("text");
    await writer.write(new Uint8Array([98, 99]));
    await writer.write(new Uint8Array([100]).buffer);
    assertEquals([1, 2, 3].map(() => kernel.receive()?.text), ["text", "bc", "d"]);
    fill(channel, "x".repeat(100));
    let done = 0;
    const writes = ["one", "two"].map((text) => writer.write(text.repeat(40)).then(() => done++));
    await later(() => {});
    assertEquals([done, writer.desiredSize], [0, -1]);
    await later(() => kernel.receive());
    await writes[0];
    while (kernel.receive() !== undefined);
    await Promise.all([...writes, writer.ready]);
    assertEquals(kernel.receive()?.text, "two".repeat(40));
  },
);

test(
  "Channel.writable closes when all is in the ring, and ends its direction alone",
  async (channel, kernel) => {
    const { writable } = channel;
    assert(channel.writable === writable);
    const count = fill(channel, "x".repeat(100));
    const writer = writable.getWriter();
    let closed = false;
    const written = writer.write("y".repeat(200));
    const closing = writer.close().then(() => closed = true);
    await later(() => {});
    assertEquals(closed, false);
    for (let i = 0; i < count; i++) kernel.receive();
    await Promise.all([written, closing]);
    assertEquals(kernel.receive()?.text, "y".repeat(200));
    assertEquals([kernel.end(), channel.closed], [true, false]);
    kernel.send("an answer");
    assertEquals((await channel.receive())?.text(), "an answer");
    assert(channel.writable !== writable);
    await assertRejectsWith(channel.writable.getWriter().write("z"), "closed");
    await channel.writable.close();
  },
);

test("Channel.writable drops at an abort what is not in the ring", async (channel, kernel) => {
  const count = fill(channel, "x".repeat(100));
  const writer = channel.writable.getWriter();
  const reason = new Error("enough");
  const writes = ["y", "z"].map((text) =>
    writer.write(text.repeat(300)).then(() => undefined, (error) => error)
  );
  await later(() => {});
  await writer.abort(reason);
  for (const error of await Promise.all(writes)) assert(error === reason, String(error));
  await later(() => {});
  const other = channel.writable.getWriter().write("other");
  for (let i = 0; i < count; i++) assertEquals(kernel.receive()?.text, "x".repeat(100));
  await other;
  assertEquals([kernel.receive()?.text, kernel.receive()], ["other", undefined]);
});

test("Channel.writable fails when this side closes the channel", async (channel) => {
  fill(channel, "x");
  const writer = channel.writable.getWriter();
  const writes = [writer.write("y"), writer.write("z"), writer.close()];
  await later(() => channel.close());
  for (const write of writes) await assertRejectsWith(write, "closed");
  await assertRejectsWith(writer.closed, "closed");
  await assertRejectsWith(channel.writable.getWriter().write("x"), "closed");
});

test("Channel.writable fails when an idle channel is closed or breaks", async (channel, kernel) => {
  const writer = channel.writable.getWriter();
  await writer.write("a");
  kernel.break();
  assertThrowsWith(() => channel.trySend("x"), "broken");
  await assertRejectsWith(writer.closed, "broken");
  const other = channel.writable.getWriter();
  await assertRejectsWith(other.closed, "broken");
  channel.close();
  await assertRejectsWith(channel.writable.getWriter().closed, "closed");
});

test(
  "Channel.writable fails when the kernel's side has closed the channel",
  async (channel, kernel) => {
    fill(channel, "x");
    const writer = channel.writable.getWriter();
    const write = writer.write("y");
    await later(() => kernel.close());
    await assertRejectsWith(write, "closed");
    await assertRejectsWith(channel.writable.getWriter().write("x"), "closed");
  },
);

test(
  "Channel.writable fails at a chunk that can't be sent, and the next stream works",
  async (channel, kernel) => {
    for (
      const [chunk, kind] of [
        [new Uint8Array(5000), RangeError],
        [42, TypeError],
        [undefined, TypeError],
      ] as const
    ) {
      const writer = channel.writable.getWriter();
      await assertRejects(() => writer.write(chunk as unknown as string), kind);
      await assertRejects(() => writer.write("x"), kind);
    }
    await channel.writable.getWriter().write("fine");
    assertEquals([kernel.receive()?.text, kernel.receive()], ["fine", undefined]);
  },
);

test("Channel.writable and Channel.readable are piped into each other", async (channel, kernel) => {
  const echo = kernel.echo();
  const text = "all work and no play makes jack a dull boy\n".repeat(500);
  const source = new Blob([text]).stream().pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        for (let at = 0; at < chunk.length; at += 777) {
          controller.enqueue(chunk.subarray(at, at + 777));
        }
      },
    }),
  );
  const written = source.pipeTo(channel.writable);
  let back = "";
  for await (const part of channel.readable.pipeThrough(new TextDecoderStream())) {
    back += part;
    if (back.length === text.length) break;
  }
  await written;
  channel.close();
  await echo;
  assertEquals(back, text);
});

test(
  "Channel.readable takes nothing for a reader that is released during a turn of the event loop",
  async (channel, kernel) => {
    let text: string | undefined;
    let sent = 0;
    // A read resolves after a few microtasks until a turn of the event loop is due.
    do {
      assert(sent < 1e6);
      kernel.send(`${++sent}`);
      const reader = channel.readable.getReader();
      const read = reader.read().then(textOf, () => undefined);
      for (let i = 0; i < 30; i++) await undefined;
      reader.releaseLock();
      text = await read;
    } while (text !== undefined);
    assert(sent > 1);
    await later(() => {});
    assertEquals(channel.tryReceive()?.text(), `${sent}`);
  },
);
