// SPDX-License-Identifier: BSD-3-Clause
/**
 * Options and data of calls: what belongs to another call is refused, what comes from another realm
 * is accepted.
 */

import vm from "node:vm";
import { assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import type { Channel, Data } from "../../mod.ts";
import { fill, test } from "./attached.ts";
import { DrivenDevice } from "./driven.ts";

/** A call with options of any kind. */
type Calling = (channel: Channel, options: object) => unknown;

const { signal } = new AbortController();
const DATA = new Uint8Array(3);

// Each call of the API that could be confused with another one, as untyped programs make them.
// deno-lint-ignore no-explicit-any
const CALLS: readonly [name: string, call: (channel: any, options: object) => unknown][] = [
  ["send", (channel, options) => channel.send(DATA, options)],
  ["trySend", (channel, options) => channel.trySend(DATA, options)],
  ["sendSync", (channel, options) => channel.sendSync(DATA, options)],
  ["sendBatch", (channel, options) => channel.sendBatch([DATA], options)],
  ["reserve", (channel, options) => channel.reserve(3, options)],
  ["tryReserve", (channel, options) => channel.tryReserve(3, options)],
  ["receive", (channel, options) => channel.receive(options)],
  ["tryReceive", (channel, options) => channel.tryReceive(options)],
  ["receiveSync", (channel, options) => channel.receiveSync(options)],
  ["receiveBatch", (channel, options) => channel.receiveBatch(options)],
  ["tryReceiveBatch", (channel, options) => channel.tryReceiveBatch(options)],
];
const NAMES = CALLS.map(([name]) => name);

/** The options that each call accepts; it must refuse all others. */
const TAKEN: readonly [option: object, takers: readonly string[]][] = [
  [{ signal }, ["send", "sendBatch", "reserve", "receive", "receiveBatch"]],
  [{ timeout: 100 }, ["sendSync", "receiveSync"]],
  [{ type: 7 }, ["send", "trySend", "sendSync", "sendBatch"]],
  [{ length: 2 }, ["reserve", "tryReserve", ...NAMES.filter((name) => /receive/i.test(name))]],
  [{ max: 7 }, [
    ...NAMES.filter((name) => /send|reserve/i.test(name)),
    "receiveBatch",
    "tryReceiveBatch",
  ]],
  [{ gaps: "throw" }, NAMES.filter((name) => /send|reserve/i.test(name))],
  [{ discard: true }, []],
];
/** The same on a turn channel. */
const TAKEN_IN_TURN: typeof TAKEN = [
  ...TAKEN.filter(([option]) => !("discard" in option)),
  [{ discard: true }, NAMES.filter((name) => /send|reserve/i.test(name))],
];

for (const [kind, mode, taken] of [["stream", 1, TAKEN], ["turn", 2, TAKEN_IN_TURN]] as const) {
  test(
    `Channel's calls refuse each option that belongs to another call, on a ${kind} channel`,
    async (channel, kernel) => {
      for (const [option, takers] of taken) {
        const [name] = Object.keys(option);
        for (const [call, make] of CALLS) {
          if (takers.includes(call)) continue;
          const error = await assertRejects(async () => await make(channel, option), TypeError);
          const begin = `${call} takes no \`${name}\`: `;
          assertEquals(error.message.startsWith(begin), true, error.message);
        }
      }
      assertEquals(kernel.receive(), undefined);
    },
    { mode },
  );
}

test("Channel.pass() and its other forms refuse options of other calls", (channel) => {
  for (const options of [{ type: 1 }, { timeout: 5 }]) {
    assertThrows(() => channel.tryPass(options as object), TypeError, "tryPass takes no");
  }
  for (const options of [{ type: 1 }, { signal }]) {
    assertThrows(
      () => channel.passSync(options as object),
      TypeError,
      "passSync takes no",
    );
  }
}, { mode: 2 });

test("Channel's calls accept their own options on a turn channel", async (channel, kernel) => {
  for (const [option, takers] of TAKEN_IN_TURN) {
    for (const taker of takers) {
      const make = CALLS.find(([name]) => name === taker)![1];
      kernel.send("x");
      const options = /send|reserve/i.test(taker) ? { discard: true, ...option } : option;
      const result = await make(channel, options);
      if (/reserve/i.test(taker)) (result as { discard(): void }).discard();
      channel.tryPass({ discard: true });
      while (kernel.receive() !== undefined);
    }
  }
}, { mode: 2 });

test("Channel's calls accept their own options, and none at all", async (channel, kernel) => {
  const options = TAKEN.flatMap(([option, takers]) => takers.map((taker) => [option, taker]));
  for (const [option, taker] of [...options, ...NAMES.flatMap((name) => [[{}, name]])]) {
    kernel.send("x");
    const result = await CALLS.find(([name]) => name === taker)![1](channel, option as object);
    if (/reserve/i.test(taker as string)) (result as { discard(): void }).discard();
    while (kernel.receive() !== undefined);
  }
  const nothing = { signal: undefined, timeout: undefined, max: undefined, gaps: undefined };
  for (const [, make] of CALLS.filter(([name]) => !/reserve/i.test(name))) {
    // deno-lint-ignore no-explicit-any
    for (const options of [undefined, nothing] as any[]) {
      kernel.send("x");
      await make(channel, options);
    }
  }
});

test("Channel's calls refuse options that are no object", async (channel) => {
  for (const [, make] of CALLS) {
    for (const options of [1000, "signal", true, null]) {
      // deno-lint-ignore no-explicit-any
      await assertRejects(async () => await make(channel, options as any), TypeError, "object");
    }
  }
});

Deno.test("Device.attach() refuses a time-out, and names what to use", async () => {
  using driven = new DrivenDevice();
  using device = driven.open();
  const advice = "attach takes no `timeout`: use `signal: AbortSignal.timeout";
  await assertRejects(() => device.attach({ timeout: 5 } as object), TypeError, advice);
  (await device.attach({ wait: false })).close();
});

test("Reservation.commit() refuses options to wait or to discard", (channel, kernel) => {
  using room = channel.tryReserve(3)!;
  for (const options of [{ signal }, { timeout: 5 }, { discard: true }]) {
    assertThrows(() => room.commit(options as object), TypeError, "commit takes no");
  }
  room.commit({ type: 3, length: 2 });
  assertEquals(kernel.receive()?.type, 3);
});

test("Channel.receive() names what to use instead of a time-out", async (channel) => {
  const call: Calling = (channel, options) => channel.receive(options);
  const advice = "AbortSignal.timeout(milliseconds)`, or receiveSync";
  await assertRejects(async () => await call(channel, { timeout: 5 }), TypeError, advice);
});

test("Channel.trySend() accepts buffers and views of another realm", (channel, kernel) => {
  const realm = vm.createContext({});
  const make = (source: string) => vm.runInContext(source, realm) as Data;
  const sources: [string, string][] = [
    ["new Uint8Array([97, 98, 99])", "abc"],
    ["new Uint8Array([97, 98, 99]).subarray(1)", "bc"],
    ["new Uint8Array([97, 98, 99]).buffer", "abc"],
    ["new DataView(new Uint8Array([97, 98, 99]).buffer, 1)", "bc"],
    ["new Uint16Array(new Uint8Array([97, 98, 99, 100]).buffer, 2)", "cd"],
    ["new (class extends Uint8Array { get length() { return 9; } })([97])", "a"],
    ["new Uint8Array(new SharedArrayBuffer(2)).fill(98)", "bb"],
    ["new ArrayBuffer(0)", ""],
    ["new DataView(new ArrayBuffer(0))", ""],
  ];
  for (const [source, text] of sources) {
    assertEquals(channel.trySend(make(source)), true);
    assertEquals(kernel.receive()?.text, text, source);
  }
  for (
    const source of [
      "new SharedArrayBuffer(2)",
      "Object.create(Uint8Array.prototype)",
      "Object.create(ArrayBuffer.prototype)",
      "Object.create(DataView.prototype)",
      "new Proxy(new Uint8Array(2), {})",
      "new Proxy(new ArrayBuffer(2), {})",
      "(() => { const a = new ArrayBuffer(2); a.transfer(); return a; })()",
      "(() => { const a = new Uint8Array(2); a.buffer.transfer(); return a; })()",
      "(() => { const a = new DataView(new ArrayBuffer(2)); a.buffer.transfer(); return a; })()",
      "[1, 2]",
      "({ byteLength: 2 })",
    ]
  ) {
    assertThrows(() => channel.trySend(make(source)), TypeError, undefined, source);
  }
  assertEquals(kernel.receive(), undefined);
});

test(
  "Channel.send() that waits copies another realm's buffers at the call",
  async (channel, kernel) => {
    const bytes = vm.runInContext("new Uint8Array([97, 98])", vm.createContext({})) as Uint8Array;
    const before = fill(channel, "x");
    const sent = channel.send(bytes);
    bytes.fill(99);
    for (let i = 0; i < before; i++) kernel.receive();
    await sent;
    assertEquals(kernel.receive()?.text, "ab");
  },
);

test(
  "Channel.receive() accepts a signal of another realm",
  async (channel, kernel) => {
    const { signal } = new AbortController();
    Object.setPrototypeOf(signal, Object.create(AbortSignal.prototype));
    const received = channel.receive({ signal });
    kernel.send("x");
    assertEquals((await received)?.text(), "x");
    for (const signal of [Object.create(AbortSignal.prototype), new EventTarget(), {}, 5, null]) {
      await assertRejects(() => channel.receive({ signal }), TypeError, "AbortSignal");
    }
  },
);

test(
  "Channel's sending calls report why a message is too long, and the limit",
  async (channel, kernel) => {
    const long = new Uint8Array(channel.maxMessage + 1);
    const calls: (() => unknown)[] = [
      () => channel.send(long),
      () => channel.trySend(long),
      () => channel.sendSync(long),
      () => channel.sendBatch(["x", long]),
      () => channel.reserve(long.length),
      () => channel.tryReserve(long.length),
      () => channel.writable.getWriter().write(long),
    ];
    for (const call of calls) {
      const error = await assertRejects(async () => await call(), RangeError);
      for (
        const words of [`${long.length} bytes`, `at most ${long.length - 1}.`, "4096", "config"]
      ) {
        assertEquals(error.message.includes(words), true, error.message);
      }
    }
    assertThrows(() => channel.tryReserve(1e9 + 0.5), RangeError, "integer");
    assertEquals(kernel.receive(), undefined);
  },
);
