// SPDX-License-Identifier: BSD-3-Clause
/** Calls against a kernel's side that does what the test says, also what no honest one would. */

import { assert, assertEquals } from "../../deps.ts";
import { CallError, CallStatus } from "../../mod.ts";
import {
  CALL_CANCEL,
  CALL_OPTIONAL,
  CALL_REPLY,
  CALL_REQUEST,
  CALLS,
  ERROR_CALL,
  TYPE_RESERVED,
} from "../../src/abi.ts";
import { FRAME, frameOf, setId } from "../../src/call_frame.ts";
import { until } from "../lib/until.ts";
import { assertRejectsWith, assertThrowsWith, later, test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";
import { closePipeOf } from "./pipes.ts";

const CALL = { mode: 3 };

type Id = readonly [low: number, high: number];

/** The kernel's side sends a frame. */
function send(
  kernel: KernelSide,
  [low, high]: Id,
  kind: number,
  { status = 0, type = 0, text = "" } = {},
): void {
  const frame = frameOf(kind, status, new TextEncoder().encode(text));
  setId(frame, low, high);
  assert(kernel.send(frame, type), "there is no room");
}

/** The user's next frame, which the kernel's side waits for. */
async function next(kernel: KernelSide) {
  let got: ReturnType<KernelSide["receiveBytes"]>;
  await until(() => (got = kernel.receiveBytes()) !== undefined, "the user sends a frame");
  const { bytes, type } = got!;
  const word = (at: number) => new DataView(bytes.buffer).getUint32(at, true);
  const id: Id = [word(0), word(4)];
  return { id, kind: word(8), status: word(12), type, text: decode(bytes.subarray(FRAME)) };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

test(
  "Channel.call() numbers its calls so that no reply fits two of them",
  async (channel, kernel) => {
    const ids = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const call = channel.call(i, "question");
      const { id, kind, status, type, text } = await next(kernel);
      assertEquals([kind, status, type, text], [CALL_REQUEST, 0, i, "question"]);
      assert(id[0] < CALLS && !ids.has(id.join()), `the id ${id}`);
      ids.add(id.join());
      send(kernel, id, CALL_REPLY, { status: i, text: "answer" });
      const reply = await call;
      assertEquals([reply.status, reply.text()], [i, "answer"]);
    }
  },
  CALL,
);

test(
  "Channel.call() ignores replies that are late, doubled, or to no call",
  async (channel, kernel) => {
    const left = channel.call(1, "", { signal: AbortSignal.abort() }).catch(() => {});
    await left;
    const first = channel.call(1);
    const { id } = await next(kernel);
    for (
      const other of [[id[0], id[1] + 1], [id[0] + 64, id[1]], [5, 0], [2 ** 32 - 1, 9]] as Id[]
    ) {
      send(kernel, other, CALL_REPLY, { text: "wrong" });
    }
    send(kernel, id, CALL_REPLY, { text: "right" });
    send(kernel, id, CALL_REPLY, { text: "again" });
    assertEquals((await first).text(), "right");
    const aborted = new AbortController();
    const second = channel.call(2, "", { signal: aborted.signal });
    const asked = await next(kernel);
    aborted.abort();
    await second.then(() => assert(false), () => {});
    assertEquals([(await next(kernel)).kind, asked.type], [CALL_CANCEL, 2]);
    send(kernel, asked.id, CALL_REPLY, { text: "late" });
    const third = channel.call(3);
    const { id: last } = await next(kernel);
    send(kernel, last, CALL_REPLY, { text: "third" });
    assertEquals((await third).text(), "third");
  },
  CALL,
);

test("Channel.call() leaves a quarter of the ring to replies", async (channel, kernel) => {
  let asked = false;
  channel.handle(() => {
    asked = true;
    return "an answer";
  });
  const calls = Array.from({ length: 60 }, () => channel.call(1, "x".repeat(500)));
  for (const call of calls) call.catch(() => {});
  send(kernel, [3, 1], CALL_REQUEST);
  // Before that, each request that is read makes room for another one.
  await until(() => asked, "the handler is called");
  await later(() => {});
  let requests = 0;
  let frame = await next(kernel);
  for (; frame.kind === CALL_REQUEST; frame = await next(kernel)) requests++;
  assert(requests > 3 && requests < 8, `${requests} requests were before the reply`);
  assertEquals([frame.kind, frame.text], [CALL_REPLY, "an answer"]);
}, CALL);

test(
  "Channel.handle() ignores cancels of no call, and kinds that are optional",
  async (channel, kernel) => {
    let cancels = 0;
    channel.handle(({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(`${++cancels}`));
      })
    );
    send(kernel, [7, 1], CALL_CANCEL);
    send(kernel, [7, 1], CALL_REQUEST);
    send(kernel, [7, 2], CALL_CANCEL);
    send(kernel, [71, 1], CALL_CANCEL);
    send(kernel, [7, 1], CALL_OPTIONAL + 5, { status: 3, text: "later" });
    send(kernel, [7, 1], CALL_CANCEL);
    send(kernel, [7, 1], CALL_CANCEL);
    const reply = await next(kernel);
    assertEquals([reply.kind, reply.id, reply.text], [CALL_REPLY, [7, 1], "1"]);
    send(kernel, [7, 2], CALL_REQUEST, { type: TYPE_RESERVED });
    assertEquals((await next(kernel)).status, CallStatus.noMethod);
  },
  CALL,
);

const LIES: readonly (readonly [string, (kernel: KernelSide) => void])[] = [
  ["a frame that is too short", (kernel) => kernel.send("123456789abcdef")],
  ["a message without a frame", (kernel) => kernel.send("")],
  ["an unknown kind", (kernel) => send(kernel, [1, 1], 4)],
  ["the kind 0", (kernel) => send(kernel, [1, 1], 0)],
  ["a request with a status", (kernel) => send(kernel, [1, 1], CALL_REQUEST, { status: 1 })],
  ["a request in a slot that is in use", (kernel) => {
    send(kernel, [1, 1], CALL_REQUEST);
    send(kernel, [65, 1], CALL_REQUEST);
  }],
  ["a cancel with data", (kernel) => send(kernel, [1, 1], CALL_CANCEL, { text: "x" })],
  ["a cancel with a status", (kernel) => send(kernel, [1, 1], CALL_CANCEL, { status: 1 })],
  ["a GAP record", (kernel) => kernel.control(1, 16)],
  ["a PASS record", (kernel) => kernel.control(2)],
];

for (const [name, lie] of LIES) {
  test(`Channel.call() and handle() break over ${name}`, async (channel, kernel) => {
    const signals: AbortSignal[] = [];
    channel.handle(({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    const calls = [channel.call(1), channel.call(2)].map((call) =>
      call.then(() => "reply", ({ code }) => code)
    );
    send(kernel, [9, 1], CALL_REQUEST);
    lie(kernel);
    assertEquals(await Promise.all(calls), ["broken", "broken"]);
    await assertRejectsWith(channel.call(3), "broken");
    assertThrowsWith(() => channel.handle(undefined), "broken");
    assertEquals(signals.every((signal) => signal.aborted), true);
  }, CALL);
}

test("a lie about calls is a lie of its own in the message", async (channel, kernel) => {
  channel.handle(() => "");
  send(kernel, [1, 1], 77);
  const error = await channel.call(1).catch((error) => error);
  assert(/a call that is not formed/.test(error.message), error.message);
  assertEquals(ERROR_CALL, 6);
}, CALL);

test(
  "Channel.call() fails when the kernel's side closes, after the last replies",
  async (channel, kernel) => {
    const [first, second] = [channel.call(1), channel.call(2)];
    const { id } = await next(kernel);
    send(kernel, id, CALL_REPLY, { text: "last" });
    kernel.close();
    await assertRejectsWith(second, "closed");
    assertEquals((await first).text(), "last");
    await assertRejectsWith(channel.call(3), "closed");
  },
  CALL,
);

test("Channel.handle(undefined) leaves requests to a later handler", async (channel, kernel) => {
  channel.handle(() => "first");
  channel.handle(undefined);
  send(kernel, [1, 1], CALL_REQUEST);
  await later(() => {});
  assertEquals(kernel.receive(), undefined);
  channel.handle(() => "second");
  assertEquals((await next(kernel)).text, "second");
}, CALL);

test(
  "Channel.handle() answers with a failure if the result's buffer is gone",
  async (channel, kernel) => {
    const data = () => {
      const bytes = new Uint8Array(4);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      return bytes;
    };
    channel.handle(({ method }) => {
      if (method === 1) return data();
      throw new CallError(9, data());
    });
    send(kernel, [1, 1], CALL_REQUEST, { type: 1 });
    assertEquals((await next(kernel)).status, CallStatus.failed);
    send(kernel, [1, 2], CALL_REQUEST, { type: 2 });
    const { status, text } = await next(kernel);
    assertEquals([status, text], [9, ""]);
  },
  CALL,
);

test("Channel.handle() goes on when the waiter's pipe is closed", async (channel, kernel) => {
  closePipeOf(() => channel.handle(() => "here"));
  await later(() => send(kernel, [1, 1], CALL_REQUEST));
  assertEquals((await next(kernel)).text, "here");
}, CALL);

test("a handler that is replaced still answers what it has begun", async (channel, kernel) => {
  const gate = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  channel.handle(() => {
    begun.resolve();
    return gate.promise;
  });
  send(kernel, [1, 1], CALL_REQUEST);
  await begun.promise;
  channel.handle(() => "new");
  send(kernel, [2, 1], CALL_REQUEST);
  assertEquals((await next(kernel)).text, "new");
  gate.resolve("old");
  assertEquals((await next(kernel)).text, "old");
}, CALL);
