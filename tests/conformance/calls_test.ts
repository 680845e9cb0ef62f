// SPDX-License-Identifier: BSD-3-Clause
/** Call mode: requests and replies in both directions, and each way in which a call ends. */

import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { CallError, CallStatus, type Channel, open, type Reply } from "../../mod.ts";
import { back, BACK_FAILED, calls, counts, methods, number, numberIn } from "./lib/calls.ts";
import { differsBy, PATH } from "./lib/driver.ts";
import { context } from "./lib/echo.ts";
import { rejectsWith } from "./lib/errors.ts";
import { runScript, Thread, until } from "./lib/script.ts";

/** Calls open at a time: KUP_CALLS. */
const OPEN = 64;
const PATIENCE = 60_000;

/** The different ways in which calls have ended. */
async function ends(all: readonly Promise<Reply>[]): Promise<unknown[]> {
  const codes = await Promise.all(all.map((call) => call.then(() => "reply", ({ code }) => code)));
  return [...new Set(codes)];
}

Deno.test("Channel.call() gets the reply to its own request, which is the program's to keep", () =>
  calls(async (channel, device) => {
    assertEquals([device.info().mode, channel.mode, channel.turn], ["call", "call", undefined]);
    const first = await channel.call(1, "first");
    const second = await channel.call(2, '{"second":2}');
    assertEquals([first.text(), first.status, first.ok, first.length], ["first", 0, true, 5]);
    assertEquals([second.json(), second.bytes.buffer.byteLength], [{ second: 2 }, 12]);
    assertEquals((await channel.call(3)).length, 0);
  }));

Deno.test("Channel.call() may be called without waiting, and replies come in any order", () =>
  calls(async (channel) => {
    const kept = channel.call(methods.keep);
    const echoes = Array.from({ length: 1000 }, (_, i) => channel.call(i, `request ${i}`));
    for (const [i, echo] of echoes.entries()) assertEquals((await echo).text(), `request ${i}`);
    assertEquals(numberIn(await channel.call(methods.release, number(context.trying))), 1);
    assertEquals((await kept).ok, true);
    assertEquals(await counts(channel), { kept: 0, cancelled: 0, ignored: 0 });
  }));

for (const where of ["interrupt", "deferred"] as const) {
  Deno.test(`kup_reply() and kup_reply_status() may be called in context ${where}`, () =>
    calls(async (channel) => {
      const kept = Array.from({ length: OPEN - 1 }, () => channel.call(methods.keep));
      const released = await channel.call(methods.release, number(context[where]));
      assertEquals(numberIn(released), OPEN - 1);
      for (const reply of await Promise.all(kept)) assertEquals(reply.ok, true);
    }));
}

Deno.test("Reply.status is what kup_reply_status() was given, the client's own or KUP's", () =>
  calls(async (channel) => {
    for (const status of [0, 1, 7, 0xfffeffff, CallStatus.noRoom, 0xffffffff]) {
      const reply = await channel.call(methods.status, number(status));
      assertEquals([reply.status, reply.ok, reply.length], [status, status === 0, 0]);
    }
    assertEquals((await channel.call(0xfffeffff)).status, CallStatus.noMethod);
  }));

Deno.test("Channel.call() refuses what no request can be", () =>
  calls(async (channel) => {
    const most = channel.maxMessage;
    assertEquals((await channel.call(1, new Uint8Array(most))).length, most);
    await assertRejects(() => channel.call(1, new Uint8Array(most + 1)), RangeError, "too long");
    for (const method of [-1, 1.5, NaN, 0xffff0000, 2 ** 32]) {
      await assertRejects(() => channel.call(method), RangeError, "`method`");
    }
    for (const timeout of [-1, NaN]) {
      await assertRejects(() => channel.call(1, "", { timeout }), RangeError, "`timeout`");
    }
    await assertRejects(() => channel.call(1, 5 as unknown as string), TypeError, "Data");
    await assertRejects(() => channel.call(1, "", { type: 1 } as object), TypeError, "method");
    assertThrows(() => channel.handle(5 as unknown as undefined), TypeError, "`handler`");
    assertEquals((await channel.call(1, "still works")).text(), "still works");
  }));

Deno.test("a reply that is longer than its ring becomes a status", () =>
  calls(async (channel) => {
    const ring = channel.maxReceive;
    assertEquals((await channel.call(methods.long, number(ring))).length, ring);
    const { status } = await channel.call(methods.long, number(ring + 1));
    assertEquals(status, CallStatus.tooLong);
    // Requests and replies that do not fit at the same time.
    const all = Array.from({ length: 200 }, () => channel.call(methods.long, number(ring / 2)));
    for (const reply of await Promise.all(all)) {
      assert(reply.ok ? reply.length === Math.floor(ring / 2) : reply.status === CallStatus.noRoom);
    }
  }));

Deno.test("Channel.send() and all other calls but call and handle are refused", () =>
  calls(async (channel) => {
    const c = channel;
    for (
      const name of ["send", "sendBatch", "reserve", "receive", "receiveBatch", "pass"] as const
    ) {
      await assertRejects(() => (c[name] as () => Promise<unknown>)(), TypeError, name);
    }
    const names = ["trySend", "sendSync", "tryReserve", "tryReceive", "receiveSync", "messages"];
    for (const name of [...names, "tryReceiveBatch", "tryPass", "passSync", "drain"] as const) {
      assertThrows(() => (c[name as keyof Channel] as () => unknown)(), TypeError, name);
    }
    for (const name of ["readable", "writable"] as const) {
      assertThrows(() => c[name], TypeError, "call and handle");
    }
    await Promise.resolve();
  }));

Deno.test("Channel.call() and Channel.handle() are refused where there are no calls", async () => {
  using device = open(PATH);
  using channel = await device.attach();
  await assertRejects(() => channel.call(1), TypeError, "no calls");
  assertThrows(() => channel.handle(() => ""), TypeError, "no calls");
});

// ---- Calls that end early ----

Deno.test("Channel.call() ends with its signal, and the kernel's side gets a cancel", () =>
  calls(async (channel) => {
    const controller = new AbortController();
    const call = channel.call(methods.keep, "", { signal: controller.signal });
    await until(async () => (await counts(channel)).kept === 1, "the request is kept");
    controller.abort(new Error("enough"));
    await assertRejects(() => call, Error, "enough");
    await until(async () => (await counts(channel)).kept === 0, "the cancel has come");
    const { signal } = controller;
    await assertRejects(() => channel.call(1, "", { signal }), Error, "enough");
    assertEquals(await counts(channel), { kept: 0, cancelled: 1, ignored: 0 });
  }));

Deno.test("Channel.call() ends with its timeout, and a late reply belongs to no other call", () =>
  calls(async (channel) => {
    const kept = channel.call(methods.ignore, "", { timeout: 20 });
    await rejectsWith("timed-out", () => kept);
    assertEquals((await channel.call(1, "other")).text(), "other");
    await channel.call(methods.release, number(context.trying));
    const after = Array.from({ length: 100 }, (_, i) => channel.call(i, `${i}`));
    for (const [i, reply] of (await Promise.all(after)).entries()) {
      assertEquals(reply.text(), `${i}`);
    }
  }));

Deno.test("Channel.call() waits while 64 calls are open, answered or not", () =>
  calls(async (channel) => {
    const kept = Array.from({ length: OPEN }, () => channel.call(methods.ignore));
    await rejectsWith("timed-out", () => channel.call(1, "", { timeout: 50 }));
    const signal = AbortSignal.timeout(50);
    assertEquals((await channel.call(1, "", { signal }).catch((e) => e)).name, "TimeoutError");
    const all = ends(kept);
    channel.close();
    assertEquals(await all, ["closed"]);
  }));

Deno.test("Channel.close() ends every call once", () =>
  calls(async (channel, device) => {
    let count = 0;
    const all = Array.from({ length: 100 }, () =>
      channel.call(methods.keep).then(() =>
        "reply", (error) => error.code).finally(() => count++));
    all.push(...Array.from({ length: 100 }, () =>
      channel.call(1).then(() =>
        "reply", (error) =>
        error.code).finally(() =>
          count++
        )));
    channel.close();
    assertEquals((await Promise.all(all)).filter((end) => end !== "closed"), []);
    assertEquals(count, 200);
    await rejectsWith("closed", () => channel.call(1));
    using again = await device.attach();
    assertEquals((await again.call(1, "again")).text(), "again");
  }));

Deno.test("kup_channel_close() ends every call once", () =>
  calls(async (channel) => {
    const kept = Array.from({ length: OPEN - 1 }, () => channel.call(methods.keep));
    const last = channel.call(methods.close);
    assertEquals(await ends([...kept, last]), ["closed"]);
    await rejectsWith("closed", () => channel.call(1));
    assertThrows(() => channel.handle(() => ""), Error, "closed");
  }));

// ---- Calls of the kernel's side ----

/** Makes the client call back, and returns what it got. */
function callBack(channel: Channel, method: number, text: string, ms = PATIENCE): Promise<Reply> {
  return channel.call(methods.back, back(method, ms, text));
}

Deno.test("Channel.handle() answers the kernel's calls, many at once and in any order", () =>
  calls(async (channel) => {
    const gate = Promise.withResolvers<void>();
    const seen: number[] = [];
    channel.handle(async ({ method, bytes }) => {
      seen.push(method);
      if (seen.length === 30) gate.resolve();
      await gate.promise;
      return `${method} ${new TextDecoder().decode(bytes).trim()}`;
    });
    const all = Array.from({ length: 30 }, (_, i) => callBack(channel, i, `${i}`.padEnd(20)));
    for (const [i, reply] of (await Promise.all(all)).entries()) {
      assertEquals([reply.status, reply.text()], [0, `${i} ${i}`]);
    }
    assertEquals(seen.toSorted((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i));
  }));

Deno.test("a handler's exception becomes a status, and the channel goes on", () =>
  calls(async (channel) => {
    const failures: (() => never | unknown)[] = [
      () => {
        throw new Error("It is wrong.");
      },
      () => {
        throw new CallError(9, "nine");
      },
      () => 5,
      () => undefined,
    ];
    channel.handle(({ method }) => failures[method]!() as string);
    const replies: Reply[] = [];
    for (const i of failures.keys()) replies.push(await callBack(channel, i, "x".repeat(100)));
    const [error, nine, wrong, nothing] = replies.map((reply) =>
      [reply.status, reply.text()] as const
    );
    assertEquals(error, [CallStatus.failed, "It is wrong."]);
    assertEquals(nine, [9, "nine"]);
    assertEquals(wrong![0], CallStatus.failed);
    assertEquals(nothing, [0, ""]);
    assertThrows(() => new CallError(0), RangeError, "`status`");
  }));

Deno.test("kup_call() without a handler gets a status, and too long a reply another one", () =>
  calls(async (channel) => {
    assertEquals((await callBack(channel, 1, "data")).status, CallStatus.noHandler);
    channel.handle(() => new Uint8Array(channel.maxMessage * 2));
    assertEquals((await callBack(channel, 1, "data")).status, CallStatus.tooLong);
    // The client's own buffer is as long as the request.
    channel.handle(() => "longer than the request");
    const { status, bytes } = await callBack(channel, 1, "data");
    // EMSGSIZE of Linux, or of FreeBSD.
    assert(status === BACK_FAILED && [90, 40].includes(bytes[0]!), `${status}, ${bytes}`);
    channel.handle(undefined);
    assertEquals((await callBack(channel, 1, "data")).status, CallStatus.noHandler);
  }));

Deno.test("kup_call() times out, and CallRequest.signal is aborted by the cancel", () =>
  calls(async (channel) => {
    const ended = Promise.withResolvers<unknown>();
    channel.handle(({ signal }) => {
      signal.addEventListener("abort", () => ended.resolve(signal.reason));
      return new Promise(() => {});
    });
    const reply = await callBack(channel, 1, "data", 20);
    assert(reply.status === BACK_FAILED && [60, 110].includes(numberIn(reply)));
    assertEquals((await ended.promise as Error).name, "AbortError");
  }));

Deno.test("CallRequest.signal is aborted when the channel is closed", () =>
  calls(async (channel) => {
    const asked = Promise.withResolvers<AbortSignal>();
    channel.handle(({ signal }) => {
      asked.resolve(signal);
      return new Promise(() => {});
    });
    const call = callBack(channel, 1, "data");
    const signal = await asked.promise;
    channel.close();
    await rejectsWith("closed", () => call);
    assertEquals([signal.aborted, signal.reason.code], [true, "closed"]);
  }));

Deno.test("kup_call() from a handler's own thread is -EDEADLK", () =>
  calls(async (channel) => {
    const error = numberIn(await channel.call(methods.deadlock));
    assert(error === 35 || error === 11, `${error}`);
  }));

Deno.test("Channel.call() and kup_call() pass each other when both rings are small", () =>
  calls(async (channel) => {
    channel.handle(({ bytes }) => bytes);
    const text = "y".repeat(500);
    const all = Array.from(
      { length: 300 },
      (_, i) => i % 2 ? callBack(channel, i, text) : channel.call(i, text),
    );
    for (const reply of await Promise.all(all)) {
      assert(reply.ok ? reply.text() === text : reply.status === CallStatus.noRoom);
    }
  }, { to_user_pages: 1, to_kernel_pages: 1 }));

// ---- Programs that end ----

/** Opens the device in another program; where a program has devices of its own, one of calls. */
const OPEN_DEVICE = `kup.open(${JSON.stringify(PATH)}, ${
  differsBy("shared-by-processes") ? "{}" : "{ parameters: { mode: 3 } }"
})`;

const DEATHS = [
  ["Deno.exit(5)", 5, null],
  ["Deno.kill(Deno.pid, 'SIGKILL')", 137, "SIGKILL"],
  ["channel.close()", 0, null],
] as const;

Deno.test("a program that ends, or is killed, ends all calls, and its channel is free again", () =>
  calls(async (channel, device) => {
    channel.close();
    for (const [body, status, by] of DEATHS) {
      const { out, code, signal, error } = await runScript(`
        const device = ${OPEN_DEVICE};
        const channel = await device.attach();
        const calls = Array.from({ length: 60 }, () => channel.call(${methods.keep}));
        for (const call of calls) call.catch(() => {});
        channel.handle(() => new Promise(() => {}));
        await channel.call(1);
        console.log("ready");
        ${body};
      `);
      assertEquals([out, code, signal], ["ready\n", status, by], `${body}: ${error}`);
    }
    await until(() => device.info().channelsFree === device.channels, "all channels are free");
    using again = await device.attach();
    assertEquals(await counts(again), { kept: 0, cancelled: 0, ignored: 0 });
  }));

Deno.test("a worker that is terminated ends its calls, and its channel is free again", () =>
  calls(async (channel, device) => {
    channel.close();
    const body = `
      const device = kup.open(${JSON.stringify(PATH)});
      const channel = await device.attach();
      channel.handle(() => new Promise(() => {}));
      for (let i = 0; i < 60; i++) channel.call(${methods.keep}).catch(() => {});
      await channel.call(1);
      post("ready");`;
    {
      using thread = new Thread(body);
      assertEquals(await thread.next(), "ready");
    }
    await until(() => device.info().channelsFree === device.channels, "all channels are free");
  }));

Deno.test("a program without open calls and without a handler ends by itself", () =>
  calls(async (_channel) => {
    const { out, code, error } = await runScript(`
      const device = ${OPEN_DEVICE};
      const channel = await device.attach();
      console.log((await channel.call(1, "hello")).text());
      const call = channel.call(${methods.keep}, "", { timeout: 1 });
      await call.catch(({ code }) => console.log(code));
    `);
    assertEquals([out, code], ["hello\ntimed-out\n", 0], error);
  }));
