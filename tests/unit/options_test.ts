// SPDX-License-Identifier: BSD-3-Clause
/** Options that are no options: a TypeError that names the argument, and no other effect. */

import { assert, assertEquals, assertMatch } from "../../deps.ts";
import { type Channel, type Device, KupError, open, unload } from "../../mod.ts";
import { withEcho } from "../lib/echo_client.ts";

// deno-lint-ignore no-explicit-any -- what plain JavaScript passes
type Untyped = any;

/**
 * Where calls are made: on a channel whose first message is there, or comes next; or at its first
 * turn.
 */
interface Place {
  readonly device: Device;
  readonly channel: Channel;
}

type Call = (place: Place, options: Untyped) => unknown;

const PATH = "host:echo";

/** Every function and method of the public API that takes options. */
const STREAM: Readonly<Record<string, Call>> = {
  "open": (_, options) => open(PATH, options).close(),
  "unload": (_, options) => unload("host:nothing", options),
  "new KupError": (_, options) => new KupError("system", "sentence", options),
  "Device.attach": ({ device }, options) =>
    device.attach(options).then((channel) => channel.close()),
  "Channel.send": ({ channel }, options) => channel.send("x", options),
  "Channel.trySend": ({ channel }, options) => channel.trySend("x", options),
  "Channel.sendSync": ({ channel }, options) => channel.sendSync("x", options),
  "Channel.sendBatch": ({ channel }, options) => channel.sendBatch(["x"], options),
  "Channel.reserve": ({ channel }, options) => channel.reserve(1, options),
  "Channel.receive": ({ channel }, options) => channel.receive(options),
  "Channel.receiveSync": ({ channel }, options) => channel.receiveSync(options),
  "Channel.receiveBatch": ({ channel }, options) => channel.receiveBatch(options),
  "Channel.tryReceiveBatch": ({ channel }, options) => channel.tryReceiveBatch(options),
  "Reservation.commit": ({ channel }, options) => {
    using reservation = channel.tryReserve(1)!;
    reservation.commit(options);
  },
};

const TURN: Readonly<Record<string, Call>> = {
  ...Object.fromEntries(Object.entries(STREAM).filter(([name]) => name.startsWith("Channel."))),
  "Channel.pass": ({ channel }, options) => channel.pass(options),
  "Channel.tryPass": ({ channel }, options) => channel.tryPass(options),
  "Channel.passSync": ({ channel }, options) => channel.passSync(options),
  "Channel.tryReserve": ({ channel }, options) => channel.tryReserve(1, options)?.discard(),
};

const PROMISES =
  /^(?:Device\.attach|Channel\.(?:send|sendBatch|reserve|receive|receiveBatch|pass))$/;

/** What the call throws or rejects with. A call that returns a promise has to reject. */
async function failure(name: string, call: () => unknown): Promise<unknown> {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    assert(!PROMISES.test(name), `${name} throws, and does not reject`);
    return error;
  }
  try {
    await result;
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Runs `body` with a fresh channel of a fresh echo client. */
async function at(mode: number, body: (place: Place) => Promise<void>): Promise<void> {
  await withEcho({ mode }, async (device) => {
    using channel = await device.attach();
    if (mode === 1) await channel.send("x");
    await body({ device, channel });
  });
}

async function forEachCall(
  t: Deno.TestContext,
  body: (name: string, call: (options: Untyped) => unknown) => Promise<void>,
): Promise<void> {
  const all = [[1, STREAM], [2, TURN]] as const;
  for (const [mode, calls] of all) {
    for (const [name, call] of Object.entries(calls)) {
      await t.step(name, () => at(mode, (place) => body(name, (options) => call(place, options))));
    }
  }
}

Deno.test("Channel's and all other calls refuse options that are no object by a TypeError", async (t) => {
  await forEachCall(t, async (name, call) => {
    for (const options of [5, "x", true, 5n, () => {}]) {
      const error = await failure(name, () => call(options));
      assert(error instanceof TypeError, `${name} accepts ${String(options)}`);
      assertMatch(error.message, /\boptions\b.* must be an object, not /i);
    }
  });
});

Deno.test(
  "Channel's and all other calls name null options in their error, or accept them as " +
    "none",
  async (t) => {
    await forEachCall(t, async (name, call) => {
      const error = await failure(name, () => call(null));
      // Where the web's own methods accept null as left out, these may.
      if (error === undefined || error instanceof KupError) return;
      assert(error instanceof TypeError);
      assertEquals(error.message, "`options` must be an object, not null.");
    });
  },
);

/** The call, its options, and the name that the error must contain. */
const WRONG: readonly (readonly [string, Untyped, string])[] = [
  ["open", { library: 5 }, "library"],
  ["open", { library: null }, "library"],
  ["open", { library: "" }, "library"],
  ["open", { library: "/lib\0kup.so" }, "library"],
  ["open", { parameters: null }, "parameters"],
  ["open", { parameters: "channels=2" }, "parameters"],
  ["open", { checks: 1 }, "checks"],
  ["open", { checks: null }, "checks"],
  ["open", { parameters: { channels: null } }, "channels"],
  ["open", { parameters: { channels: {} } }, "channels"],
  ["unload", { library: ["x"] }, "library"],
  ["Device.attach", { channel: "1" }, "channel"],
  ["Device.attach", { channel: null }, "channel"],
  ["Device.attach", { channel: 1n }, "channel"],
  ["Device.attach", { spin: "5" }, "spin"],
  ["Device.attach", { spin: null }, "spin"],
  ["Device.attach", { wait: "no" }, "wait"],
  ["Device.attach", { wait: 0 }, "wait"],
  ["Device.attach", { wait: null }, "wait"],
  ["Device.attach", { signal: {} }, "signal"],
  ["Device.attach", { signal: null }, "signal"],
  ["Channel.send", { type: "5" }, "type"],
  ["Channel.send", { signal: 5 }, "signal"],
  ["Channel.trySend", { type: null }, "type"],
  ["Channel.sendSync", { timeout: "5" }, "timeout"],
  ["Channel.sendSync", { timeout: null }, "timeout"],
  ["Channel.sendBatch", { type: true }, "type"],
  ["Channel.reserve", { signal: "x" }, "signal"],
  ["Channel.receive", { signal: {} }, "signal"],
  ["Channel.receiveSync", { timeout: 5n }, "timeout"],
  ["Channel.receiveBatch", { max: "5" }, "max"],
  ["Channel.tryReceiveBatch", { max: null }, "max"],
  ["Reservation.commit", { length: "1" }, "length"],
  ["Reservation.commit", { type: {} }, "type"],
];

/** The same on a turn channel. */
const WRONG_IN_TURN: typeof WRONG = [
  ...WRONG.filter(([name]) => name.startsWith("Channel.")),
  ["Channel.pass", { signal: 5 }, "signal"],
  ["Channel.passSync", { timeout: "5" }, "timeout"],
  ...[
    "send",
    "trySend",
    "sendSync",
    "sendBatch",
    "reserve",
    "tryReserve",
    "pass",
    "tryPass",
    "passSync",
  ]
    .map((name) => [`Channel.${name}`, { discard: 1 }, "discard"] as const),
];

Deno.test("Channel's and all other calls name an option of a wrong type in a TypeError", async () => {
  for (const [mode, calls, all] of [[1, STREAM, WRONG], [2, TURN, WRONG_IN_TURN]] as const) {
    for (const [name, options, told] of all) {
      await at(mode, async (place) => {
        const error = await failure(name, () => calls[name]!(place, options));
        assert(error instanceof TypeError, `${name} accepts a wrong ${told}: ${error}`);
        assertMatch(error.message, new RegExp(`\`${told}\``));
      });
    }
  }
});

Deno.test("Channel's and all other calls name an argument of a wrong type in a TypeError", async () => {
  const calls: readonly (readonly [string, (place: Place) => unknown])[] = [
    ["path", () => open(123 as Untyped)],
    ["path", () => open(null as Untyped)],
    ["path", () => unload(undefined as Untyped)],
    ["channel", ({ device }) => device.totals("0" as Untyped)],
    ["length", ({ channel }) => channel.tryReserve("8" as Untyped)],
    ["messages", ({ channel }) => channel.sendBatch(null as Untyped)],
    ["messages", ({ channel }) => channel.sendBatch({} as Untyped)],
    ["messages", ({ channel }) => channel.sendBatch(5 as Untyped)],
  ];
  for (const [told, call] of calls) {
    await at(1, async (place) => {
      const error = await failure("", () => call(place));
      assert(error instanceof TypeError, String(call));
      assertMatch(error.message, new RegExp(`\`${told}\``));
    });
  }
});
