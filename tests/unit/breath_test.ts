// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns of the event loop while a channel never runs empty. Lateness is counted in messages of a
 * consumer that works for a known time on each, so a busy machine changes nothing.
 */

import { assert, assertEquals, assertLessOrEqual } from "../../deps.ts";
import { type Channel, open } from "../../mod.ts";
import { pause, produce, SAMPLE } from "../conformance/lib/echo.ts";

/** More than any of these tests consumes. */
const ENDLESS = 1_000_000_000;
const LENGTH = 64;

/** As the program sees it; the coarse clock may add one tick of the system. */
const LONGEST_STREAK_MS = 15;

/** Taken before a test replaces them. */
const { now } = performance;
const clock = (): number => now.call(performance);

function work(milliseconds: number): void {
  const end = clock() + milliseconds;
  while (clock() < end);
}

async function withProducer(use: (channel: Channel) => Promise<void>): Promise<void> {
  using device = open("host:echo");
  using channel = await device.attach();
  await produce(channel, ENDLESS, LENGTH);
  await use(channel);
}

type Step = (channel: Channel, each: (messages: number) => boolean) => Promise<void>;

/** Ways to consume. `each` gets what one step returned, and returns whether to continue. */
const FORMS: Record<string, Step> = {
  "Channel[Symbol.asyncIterator]()": async (channel, each) => {
    for await (const message of channel) {
      assertEquals(message.type, SAMPLE);
      if (!each(1)) break;
    }
  },
  "Channel.receive()": async (channel, each) => {
    do assertEquals((await channel.receive())?.type, SAMPLE); while (each(1));
  },
  "Channel.receiveBatch()": async (channel, each) => {
    let messages;
    do messages = await channel.receiveBatch({ max: 4 }); while (each(messages.length));
  },
  "Channel.send() to a full ring and Channel.receive()": async (channel, each) => {
    const sending = (async () => {
      for (let i = 0; i < 10_000; i++) await channel.send(new Uint8Array(1000));
    })().catch(() => {});
    do await channel.receive(); while (each(1));
    channel.close();
    await sending;
  },
};

for (const [form, consume] of Object.entries(FORMS)) {
  for (const milliseconds of [1, 20, 100]) {
    Deno.test(`Channel: ${form} gives timers their turn when a message takes ${milliseconds} ms`, async () => {
      const needed = 20;
      let ticks = 0;
      let sinceTick = 0;
      let most = 0;
      let batch = 1;
      const timer = setInterval(() => {
        ticks++;
        sinceTick = 0;
      }, 1);
      await withProducer((channel) =>
        consume(channel, (messages) => {
          batch = Math.max(batch, messages);
          for (let i = 0; i < messages; i++) work(milliseconds);
          sinceTick += messages;
          most = Math.max(most, sinceTick);
          return ticks < needed && most < 60;
        })
      );
      clearInterval(timer);
      // One turn may come just before the timer is due.
      const streak = Math.ceil(LONGEST_STREAK_MS / milliseconds) + batch;
      assertLessOrEqual(most, 2 * streak);
    });
  }
}

Deno.test("Channel.send() gives timers their turn while there is always room", async () => {
  using device = open("host:echo");
  using channel = await device.attach();
  let ticked = false;
  const timer = setTimeout(() => ticked = true, 1);
  let sent = 0;
  for (; !ticked && sent < 500; sent++) {
    await channel.send("x");
    channel.tryReceive();
    work(1);
  }
  clearTimeout(timer);
  assertLessOrEqual(sent, 2 * (LONGEST_STREAK_MS + 1));
});

Deno.test("Channel.sendBatch() gives timers their turn while there is always room", async () => {
  using device = open("host:echo");
  using channel = await device.attach();
  let ticked = false;
  const timer = setTimeout(() => ticked = true, 1);
  let sent = 0;
  for (; !ticked && sent < 500; sent++) {
    await channel.sendBatch(["x", "y"]);
    channel.tryReceiveBatch();
    work(1);
  }
  clearTimeout(timer);
  assertLessOrEqual(sent, 2 * (LONGEST_STREAK_MS + 1));
});

Deno.test(
  "Channel.receive() in a slow consumer lets a server in the same process answer, and a" +
    " signal arrive",
  async () => {
    let signalled = false;
    const onSignal = () => signalled = true;
    Deno.addSignalListener("SIGUSR2", onSignal);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
      return new Response("answer");
    });
    const client = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `for (let i = 0; i < 3; i++) {
        const response = await fetch("http://127.0.0.1:${server.addr.port}");
        console.log(await response.text());
      }
      Deno.kill(${Deno.pid}, "SIGUSR2");`,
      ],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let messages = 0;
    const status = client.status;
    const text = new Response(client.stdout).text();
    let exited = false;
    status.then(() => exited = true);
    await withProducer(async (channel) => {
      for await (const _ of channel) {
        work(20);
        messages++;
        if (signalled && exited) break;
      }
    });
    const { success } = await status;
    assertEquals(await text, "answer\n".repeat(3));
    assert(success);
    await server.shutdown();
    Deno.removeSignalListener("SIGUSR2", onSignal);
  },
);

Deno.test("Channel.receive() in slow consumers of two channels shares the event loop with timers", async () => {
  let ticks = 0;
  let sinceTick = 0;
  let most = 0;
  const timer = setInterval(() => {
    ticks++;
    sinceTick = 0;
  }, 1);
  const consume = () =>
    withProducer(async (channel) => {
      for await (const _ of channel) {
        work(20);
        most = Math.max(most, ++sinceTick);
        if (ticks >= 20 || most >= 60) break;
      }
    });
  await Promise.all([consume(), consume()]);
  clearInterval(timer);
  assertLessOrEqual(most, 8);
});

Deno.test("Channel.receive() that waits for a turn of the event loop refuses other receivers", async () => {
  await withProducer(async (channel) => {
    for (let found = 0; found < 3;) {
      work(20);
      const received = channel.receive();
      try {
        channel.tryReceive();
      } catch {
        found++;
      }
      assertEquals((await received)?.type, SAMPLE);
    }
  });
});

Deno.test("Channel.close() ends the turns of the event loop that a call takes", async () => {
  using device = open("host:echo");
  using channel = await device.attach();
  work(20);
  await channel.send("begins a streak");
  // So late that the next call takes turns for 10 ms.
  work(400);
  const sent = channel.send("x");
  let turned = false;
  const turn = setTimeout(() => turned = true, 5);
  channel.close();
  device.close();
  await sent;
  clearTimeout(turn);
  // The test runner's sanitizer would also find that the library is still in use.
  assertEquals(turned, false);
});

/** What a test framework replaces, by functions that never do anything. */
const FAKES: Record<string, unknown> = {
  setTimeout: () => 0,
  setInterval: () => 0,
  setImmediate: () => 0,
  queueMicrotask: () => {},
  Date: class extends Date {
    static override now(): number {
      return 0;
    }
  },
};

function fakeClocks(): Disposable {
  const globals = globalThis as unknown as Record<string, unknown>;
  const real = Object.keys(FAKES).map((name) => [name, globals[name]] as const);
  const frozen = clock();
  Object.assign(globals, FAKES);
  performance.now = () => frozen;
  return {
    [Symbol.dispose]() {
      performance.now = now;
      for (const [name, value] of real) globals[name] = value;
    },
  };
}

Deno.test("Channel's calls need none of the clocks and timers that a test framework replaces", async () => {
  using device = open("host:echo");
  using channel = await device.attach();
  using _ = fakeClocks();
  // It spins, then sleeps, and is woken.
  const received = channel.receive();
  channel.trySend("hello");
  assertEquals((await received)?.text(), "hello");
  let code = "";
  try {
    channel.receiveSync({ timeout: 5 });
  } catch (error) {
    code = (error as { code: string }).code;
  }
  assertEquals(code, "timed-out");
  await produce(channel, ENDLESS, LENGTH);
  let messages = 0;
  for await (const message of channel) {
    assertEquals(message.type, SAMPLE);
    work(0.05);
    if (++messages === 2000) break;
  }
});

Deno.test(
  "Device.attach() waits for a channel that drains without the timers that a framework " +
    "replaces",
  async () => {
    using device = open("host:echo");
    const channel = await device.attach({ channel: 1 });
    await pause(channel, 50);
    channel.close();
    using _ = fakeClocks();
    using again = await device.attach({ channel: 1, wait: false });
    assertEquals(again.number, 1);
  },
);
