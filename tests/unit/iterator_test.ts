// SPDX-License-Identifier: BSD-3-Clause
/** Loops over a channel: how they end, what they leave to other callers, and gaps. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { type Channel, type Gap, KupError, type Message, type MessagesOptions } from "../../mod.ts";
import { until } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, later, test } from "./attached.ts";

const END = { done: true, value: undefined } as const;

/** Reads to the end, and calls `each` in the loop's body. */
async function texts(
  messages: AsyncIterable<Message>,
  each?: (message: Message) => void,
): Promise<string[]> {
  const all: string[] = [];
  for await (const message of messages) {
    all.push(message.gap === undefined ? message.text() : `gap ${message.gap.records}`);
    each?.(message);
  }
  return all;
}

/** The error of a promise that must be rejected. */
function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => "no error", (error) => error);
}

test(
  "Channel.messages() ends when this side closes the channel, at any place in the loop",
  async (channel) => {
    const waiting = channel.messages();
    const step = waiting.next();
    const unused = channel.messages();
    await later(() => channel.close());
    assertEquals([await step, await waiting.next()], [END, END]);
    assertEquals([await unused.next(), await unused.next()], [END, END]);
    // So many steps in a row that a turn of the event loop becomes due.
    for (const end = performance.now() + 40; performance.now() < end;) {
      assertEquals(await channel.messages().next(), END);
    }
    assertEquals(await texts(channel), []);
  },
);

test("Channel.messages() ends when its loop's body closes the channel", async (channel, kernel) => {
  for (const text of ["a", "b", "c"]) kernel.send(text);
  const seen = await texts(channel, ({ length }) => length === 1 && channel.close());
  assertEquals(seen, ["a"]);
});

test(
  "Channel.messages() ends when its function for gaps closes the channel",
  async (channel, kernel) => {
    kernel.send("a");
    kernel.gap(1, 10_000);
    kernel.send("b");
    assertEquals(await texts(channel.messages({ gaps: () => channel.close() })), ["a"]);
  },
);

test("Channel.receive() rejects when this side closes the channel, also beside loops", async (channel) => {
  const received = channel.receive();
  const refused = channel.messages();
  await assertRejectsWith(refused.next(), "busy");
  channel.close();
  await assertRejectsWith(received, "closed");
  await assertRejectsWith(channel.receive(), "closed");
  assertEquals(await refused.next(), END);
});

test("Channel.messages() throws when the channel breaks, at each step", async (channel, kernel) => {
  const idle = channel.messages();
  const waiting = channel.messages();
  const step = waiting.next();
  await later(() => kernel.break());
  await assertRejectsWith(step, "broken");
  await assertRejectsWith(waiting.next(), "broken");
  await assertRejectsWith(idle.next(), "broken");
  await assertRejectsWith(texts(channel), "broken");
  channel.close();
  assertEquals([await waiting.next(), await idle.next()], [END, END]);
});

test(
  "Channel.messages() ends when the kernel's side closes the channel",
  async (channel, kernel) => {
    const reading = texts(channel.messages());
    await later(() => kernel.send("a"));
    await later(() => kernel.close());
    assertEquals(await reading, ["a"]);
    assert(channel.done);
    assertEquals(await channel.messages().next(), END);
  },
);

test("MessageIterator.next() that is refused ends no iterator", async (channel, kernel) => {
  const received = channel.receive();
  const messages = channel.messages();
  for (let i = 0; i < 300; i++) await assertRejectsWith(messages.next(), "busy");
  kernel.send("a");
  kernel.send("b");
  assertEquals((await received)?.text(), "a");
  assertEquals((await messages.next()).value?.text(), "b");
});

test(
  "MessageIterator.next() is refused while an earlier step waits, which continues",
  async (channel, kernel) => {
    const messages = channel.messages();
    const first = messages.next();
    await assertRejectsWith(messages.next(), "busy");
    await assertRejectsWith(channel.messages().next(), "busy");
    await later(() => kernel.send("a"));
    assertEquals((await first).value?.text(), "a");
    kernel.send("b");
    assertEquals((await messages.next()).value?.text(), "b");
  },
);

test("MessageIterator.return() leaves another caller's wait alone", async (channel, kernel) => {
  for (let taken = 0; taken < 300; taken += 23) {
    const used = channel.messages();
    for (let i = 0; i < taken; i++) {
      kernel.send("x");
      await used.next();
    }
    const received = channel.receive();
    const refused = channel.messages();
    await assertRejectsWith(refused.next(), "busy");
    for (const messages of [refused, used, channel.messages()]) await messages.return();
    kernel.send("theirs");
    assertEquals((await received)?.text(), "theirs");
  }
});

test("MessageIterator.return() leaves another iterator's wait alone", async (channel, kernel) => {
  const messages = channel.messages();
  const step = messages.next();
  const other = channel.messages();
  await assertRejectsWith(other.next(), "busy");
  await other.return();
  kernel.send("a");
  assertEquals((await step).value?.text(), "a");
});

test("MessageIterator.return() releases its own message and no other", async (channel, kernel) => {
  kernel.send("a");
  kernel.send("b");
  const first = channel.messages();
  const mine = (await first.next()).value!;
  const theirs = channel.tryReceive()!;
  await first.return();
  assertThrowsWith(() => mine.text(), "released");
  assertEquals(theirs.text(), "b");
  kernel.send("c");
  const second = channel.messages();
  const newest: Message = (await second.next()).value!;
  await channel.messages().return();
  assertEquals(newest.text(), "c");
  await second.return();
  assertThrowsWith(() => newest.text(), "released");
  const third = channel.messages();
  const step = third.next();
  await later(() => kernel.send("d"));
  const late: Message = (await step).value!;
  await third.return();
  assertThrowsWith(() => late.text(), "released");
  assertEquals(kernel.tail, 64);
});

test(
  "MessageIterator.return() ends its own step that waits, in any order of calls",
  async (channel, kernel) => {
    const unused = channel.messages();
    assertEquals([await unused.return(), await unused.return(), await unused.next()], [
      END,
      END,
      END,
    ]);
    const messages = channel.messages();
    const step = messages.next();
    assertEquals(await Promise.all([messages.return(), step, messages.return(), messages.next()]), [
      END,
      END,
      END,
      END,
    ]);
    kernel.send("whole");
    assertEquals((await channel.receive())?.text(), "whole");
    const late = channel.messages();
    let done: boolean | undefined;
    const delivered = late.next().then((step) => done = step.done);
    kernel.send("delivered");
    await until(() => done !== undefined, "the step is done");
    await late.return();
    assertEquals(await delivered, false);
    channel.close();
    assertEquals([await late.return(), await messages.return()], [END, END]);
  },
);

test("MessageIterator is disposed of by `await using`", async (channel, kernel) => {
  kernel.send("a");
  let step: Promise<IteratorResult<Message>>;
  {
    await using messages = channel[Symbol.asyncIterator]();
    assertEquals((await messages.next()).value?.text(), "a");
    step = messages.next();
  }
  assertEquals(await step, END);
  kernel.send("b");
  assertEquals(channel.tryReceive()?.text(), "b");
});

test(
  "Channel.messages() rejects with its signal's reason, and loses nothing",
  async (channel, kernel) => {
    // The reason of an abort is often an error that was caught: this one must not look like an end.
    for (const reason of ["enough", new KupError("closed", "of another channel"), undefined]) {
      const controller = new AbortController();
      const messages = channel.messages({ signal: controller.signal });
      kernel.send("a");
      assertEquals((await messages.next()).value?.text(), "a");
      const step = messages.next();
      controller.abort(reason);
      kernel.send("b");
      assert(await errorOf(step) === controller.signal.reason);
      assert(await errorOf(messages.next()) === controller.signal.reason);
      assert(await errorOf(texts(channel.messages({ signal: controller.signal }))) !== "no error");
      assertEquals(channel.tryReceive()?.text(), "b");
      assertEquals(await messages.return(), END);
      assertEquals(await messages.next(), END);
    }
  },
);

test("Channel.messages() reports gaps as messages by default", async (channel, kernel) => {
  kernel.send("a");
  kernel.gap(2, 20_000);
  kernel.send("b");
  kernel.close();
  assertEquals(await texts(channel), ["a", "gap 2", "b"]);
});

test(
  "Channel.messages() with gaps as errors throws each, and continues behind it",
  async (channel, kernel) => {
    const messages = channel.messages({ gaps: "throw" });
    const step = messages.next();
    await later(() => kernel.gap(1, 10_000));
    await assertRejectsWith(step, "gap");
    kernel.gap(2, 20_000);
    kernel.send("a");
    kernel.gap(3, 30_000);
    kernel.send("b");
    await assertRejects(
      () => messages.next(),
      KupError,
      "2 messages are missing here (20000 bytes)",
    );
    assertEquals((await messages.next()).value?.text(), "a");
    await assertRejectsWith(texts(channel.messages({ gaps: "throw" })), "gap");
    kernel.close();
    assertEquals(await texts(channel.messages({ gaps: "throw" })), ["b"]);
  },
);

test(
  "Channel.messages() calls a function for gaps instead of returning a message",
  async (channel, kernel) => {
    const seen: (string | Gap)[] = [];
    kernel.gap(9, 90_000);
    const reading = (async () => {
      const gaps = function (this: unknown, gap: Gap) {
        assertEquals(this, undefined);
        seen.push(gap);
      };
      for await (const message of channel.messages({ gaps })) seen.push(message.text());
    })();
    kernel.gap(1, 10_000);
    await later(() => kernel.send("a"));
    await later(() => kernel.gap(2, 20_000));
    kernel.gap(3, 30_000);
    await later(() => kernel.send("b"));
    kernel.gap(4, 40_000);
    kernel.close();
    await reading;
    const gap = (records: number) => ({ records, bytes: 10_000 * records });
    assertEquals(seen, [gap(9), gap(1), "a", gap(2), gap(3), "b", gap(4)]);
  },
);

test(
  "Channel.messages() passes what the function for gaps throws to the reader",
  async (channel, kernel) => {
    const broken = new KupError("closed", "of another channel");
    const gaps = () => {
      throw broken;
    };
    const messages = channel.messages({ gaps });
    const step = messages.next();
    await later(() => kernel.gap(1, 10_000));
    assert(await errorOf(step) === broken);
    kernel.gap(2, 20_000);
    kernel.send("after");
    assert(await errorOf(messages.next()) === broken);
    assertEquals((await messages.next()).value?.text(), "after");
  },
);

test("Channel.messages() allows every call in the function for gaps", async (channel, kernel) => {
  const seen: (string | undefined)[] = [];
  const messages = channel.messages({
    gaps: () => {
      seen.push(channel.tryReceive()?.text());
      messages.return();
    },
  });
  kernel.gap(1, 10_000);
  kernel.send("in the function");
  kernel.send("left");
  assertEquals(await messages.next(), END);
  assertEquals([...seen, channel.tryReceive()?.text()], ["in the function", "left"]);
});

test(
  "Channel.messages() lets timers run while there are only gaps",
  async (channel, kernel) => {
    let done = false;
    setTimeout(() => done = true, 1);
    let gaps = 0;
    const messages = channel.messages({
      gaps: () => {
        assert(++gaps < 1e7);
        if (done) kernel.send("x");
        else kernel.gap(1, 10_000);
      },
    });
    kernel.gap(1, 10_000);
    assertEquals((await messages.next()).value?.text(), "x");
  },
);

test("Channel.messages() refuses options that make no sense", (channel) => {
  const bad: [unknown, string][] = [
    [{ gaps: "skip" }, '"report", "throw" or a function'],
    [{ gaps: 1 }, "`gaps`"],
    [{ gaps: null }, "`gaps`"],
    [{ gaps: { handleEvent() {} } }, "`gaps`"],
    [{ signal: {} }, "AbortSignal"],
    [{ signal: null }, "AbortSignal"],
    [{ timeout: 5 }, "AbortSignal.timeout"],
    [{ max: 5 }, "`max`"],
    [{ type: 5 }, "`type`"],
    [5, "must be an object"],
    ["throw", "must be an object"],
    [null, "must be an object"],
  ];
  for (const [options, words] of bad) {
    assertThrows(() => channel.messages(options as MessagesOptions), TypeError, words);
  }
  for (const options of [undefined, {}, { gaps: undefined, signal: undefined }]) {
    channel.messages(options as MessagesOptions);
  }
});

test(
  "Channel.messages() shares a channel among tasks without losing a message",
  async (channel, kernel) => {
    const count = 400;
    const seen = new Set<number>();
    const task = async (channel: Channel) => {
      const messages = channel.messages();
      while (seen.size < count) {
        try {
          const { done, value } = await messages.next();
          if (done) return;
          assert(!seen.has(value.type));
          seen.add(value.type);
        } catch (error) {
          assert(error instanceof KupError && error.code === "busy", String(error));
          await later(() => {});
        }
      }
      channel.close();
    };
    let next = 0;
    const feeding = setInterval(() => {
      for (let i = 0; i < 7 && next < count && kernel.send("x", next); i++) next++;
    }, 0);
    await Promise.all([1, 2, 3].map(() => task(channel)));
    clearInterval(feeding);
    assertEquals(seen.size, count);
  },
);
