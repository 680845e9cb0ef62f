// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns against a kernel's side that does what the test wants, also what no correct one would do.
 */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { type Channel, KupError, type Reservation } from "../../mod.ts";
import { CONTROL_OPTIONAL, CONTROL_PASS } from "../../src/abi.ts";
import { assertRejectsWith, assertThrowsWith, later, test } from "./attached.ts";
import type { KernelSide } from "./driven.ts";

const TURN = { mode: 2 };

/** Every call that gives the turn at once. */
const GIVES: readonly (readonly [string, (channel: Channel) => unknown])[] = [
  ["send", (channel) => channel.send("x", { discard: true })],
  ["trySend", (channel) => channel.trySend("x", { discard: true })],
  ["sendSync", (channel) => channel.sendSync("x", { discard: true })],
  ["sendBatch", (channel) => channel.sendBatch(["x"], { discard: true })],
  ["pass", (channel) => channel.pass({ discard: true })],
  ["tryPass", (channel) => channel.tryPass({ discard: true })],
  ["passSync", (channel) => channel.passSync({ discard: true })],
  ["commit", (channel) => channel.tryReserve(1, { discard: true })!.commit()],
];

async function failsWith(code: "broken" | "closed", call: () => unknown): Promise<void> {
  await assertRejectsWith((async () => await call())(), code);
}

for (const [name, give] of GIVES) {
  test(
    `Channel.${name}() breaks at a record behind the one that gave the turn`,
    async (channel, kernel) => {
      kernel.send("gives the turn");
      kernel.send("out of turn");
      if (name !== "send") assertEquals((await channel.receive())?.text(), "gives the turn");
      await failsWith("broken", () => give(channel));
      assertEquals(channel.turn, undefined);
      assertThrowsWith(() => channel.tryReceive(), "broken");
      assertEquals(kernel.receive(), undefined);
    },
    TURN,
  );

  test(`Channel.${name}() ignores what comes after it`, async (channel, kernel) => {
    for (let i = 0; i < 3; i++) {
      kernel.send("x");
      assertEquals(channel.turn, "user");
      await give(channel);
      assertEquals(channel.turn, "kernel");
      assertEquals(kernel.tail, 16 * (i + 1), "the side that gets the turn has an empty ring");
      assert(kernel.receive() !== undefined);
      assertEquals(kernel.receive(), undefined);
    }
  }, TURN);
}

test(
  "Channel.send() that waits breaks at a record out of turn, with all calls behind it",
  async (channel, kernel) => {
    const sends = [channel.send("x", { discard: true }), channel.pass(), channel.reserve(1)];
    await later(() => {
      kernel.send("gives the turn");
      kernel.send("out of turn");
    });
    for (const send of sends) await assertRejectsWith(send, "broken");
  },
  TURN,
);

test("Channel.receive() breaks at a pass with a payload", async (channel, kernel) => {
  kernel.control(CONTROL_PASS, 8);
  await assertRejectsWith(channel.receive(), "broken");
}, TURN);

test("Channel.send() breaks at a pass with a payload", async (channel, kernel) => {
  const sent = channel.send("x");
  await later(() => kernel.control(CONTROL_PASS, 8));
  await assertRejectsWith(sent, "broken");
  assertEquals(kernel.receive(), undefined);
}, TURN);

test(
  "Channel.turn is the kernel's until a record comes, whatever is discarded",
  (channel, kernel) => {
    kernel.discard(100);
    assertEquals([channel.turn, channel.trySend("x")], ["kernel", false]);
    kernel.control(CONTROL_OPTIONAL + 5, 100);
    assertEquals([channel.turn, channel.tryPass()], ["kernel", false]);
    kernel.control(CONTROL_PASS);
    assertEquals([channel.turn, channel.tryPass()], ["user", true]);
    assertEquals(kernel.receive(), { type: 0, text: "", control: CONTROL_PASS });
  },
  TURN,
);

test(
  "Channel.turn is the user's only if a waiting receive would return",
  async (channel, kernel) => {
    const received = channel.receive();
    assertEquals(channel.turn, "kernel");
    kernel.send("x");
    assertEquals(channel.turn, "user");
    assertEquals((await received)?.text(), "x");
  },
  TURN,
);

test(
  "Channel.receive() at the user's own turn returns what came, then the end, then refuses",
  async (channel, kernel) => {
    kernel.send("last");
    assertEquals(channel.turn, "user");
    kernel.close();
    assertEquals((await channel.receive())?.text(), "last");
    assertEquals([await channel.receive(), channel.done], [undefined, true]);
    assertEquals([channel.tryReceive(), channel.receiveSync()], [undefined, undefined]);
    for (const [, give] of GIVES) await failsWith("closed", () => give(channel));
  },
  TURN,
);

test(
  "Channel.receive() at the user's own turn breaks at a last message out of turn",
  async (channel, kernel) => {
    kernel.send("gives the turn");
    assertEquals(channel.tryReceive()?.text(), "gives the turn");
    kernel.send("out of turn");
    assertThrowsWith(() => channel.tryReceive(), "turn");
    kernel.close();
    await assertRejectsWith(channel.receive(), "broken");
  },
  TURN,
);

test(
  "Channel.receive() at the user's own turn fails as broken when the kernel has found a lie",
  async (channel, kernel) => {
    kernel.control(CONTROL_PASS);
    assertEquals((await channel.receive())?.pass, true);
    kernel.break();
    await assertRejectsWith(channel.receive(), "broken");
    await failsWith("broken", () => channel.pass());
  },
  TURN,
);

/** The kernel's side gives the turn, and the ring is full of what this side discards. */
function fillByDiscard(channel: Channel, kernel: KernelSide): void {
  kernel.send("came");
  for (const length of [channel.maxMessage, 0]) {
    for (let room; (room = channel.tryReserve(length, { discard: true })) !== undefined;) {
      room.discard();
    }
  }
}

test("Channel.trySend() without room leaves what came with the turn", (channel, kernel) => {
  fillByDiscard(channel, kernel);
  assertThrowsWith(() => channel.trySend("x"), "unread");
  assertEquals(channel.trySend("x", { discard: true }), false);
  assertEquals(channel.tryReserve(100, { discard: true }), undefined);
  assertThrowsWith(() => channel.sendSync("x", { discard: true, timeout: 5 }), "timed-out");
  assertThrowsWith(() => channel.passSync({ discard: true, timeout: 0 }), "timed-out");
  const came = channel.tryReceive();
  assertEquals(came?.text(), "came");
  assertEquals([channel.trySend("x"), channel.tryPass(), channel.turn], [false, false, "user"]);
  assertEquals(came?.text(), "came");
  // What was discarded is skipped.
  assertEquals(kernel.receive(), undefined);
  assertEquals(channel.trySend("x"), true);
  assertEquals(kernel.receive()?.text, "x");
}, TURN);

test(
  "Channel.send() waits for room that it has reserved and discarded",
  async (channel, kernel) => {
    fillByDiscard(channel, kernel);
    const abort = new AbortController();
    const first = channel.send("first", { signal: abort.signal, discard: true });
    const second = channel.send("second", { discard: true });
    await later(() => abort.abort());
    await assertRejects(() => first, DOMException);
    await later(() => assertEquals(kernel.receive(), undefined));
    await second;
    assertEquals(kernel.receive()?.text, "second");
    fillByDiscard(channel, kernel);
    const reserved = channel.reserve(8, { discard: true });
    await later(() => kernel.receive());
    (await reserved).commit();
    assertEquals(kernel.receive()?.text.length, 8);
  },
  TURN,
);

test(
  "Channel.send() that waits for room at the user's turn ends with the channel",
  async (channel, kernel) => {
    fillByDiscard(channel, kernel);
    const sends = [channel.send("x", { discard: true }), channel.pass({ discard: true })];
    await later(() => kernel.close());
    for (const send of sends) await assertRejectsWith(send, "closed");
  },
  TURN,
);

/** Steps until a timer fires; fails if the event loop gets no turn. */
async function whileTimersRun(step: () => unknown): Promise<void> {
  let done = false;
  setTimeout(() => done = true, 1);
  for (let steps = 0; !done; steps++) {
    assert(steps < 1e6, "the event loop has no turn");
    await step();
  }
}

test("Channel.send() and receive() in turns let timers run", async (channel, kernel) => {
  await whileTimersRun(async () => {
    kernel.send("x");
    await channel.send("y", { discard: true });
    kernel.receive();
  });
  await whileTimersRun(async () => {
    kernel.send("x");
    assertEquals(channel.turn, "user");
    await channel.receive();
    channel.trySend("y");
    kernel.receive();
  });
  kernel.send("x");
  await channel.receive();
  await whileTimersRun(async () => {
    (await channel.reserve(8)).discard();
    kernel.receive();
  });
}, TURN);

test(
  "Channel.messages() ends by return() while its step waits, and others can send then",
  async (channel, kernel) => {
    const messages = channel.messages();
    const step = messages.next();
    await assertRejectsWith(channel.send("x"), "busy");
    await messages.return();
    assertEquals((await step).done, true);
    const sent = channel.send("x", { discard: true });
    await assertRejectsWith(channel.messages().next(), "busy");
    await later(() => kernel.send("dropped"));
    await sent;
    assertEquals(kernel.receive()?.text, "x");
  },
  TURN,
);

test(
  "Channel.send() that is aborted leaves the next message to a receive",
  async (channel, kernel) => {
    const abort = new AbortController();
    const { signal } = abort;
    const sends = [channel.send("x", { signal }), channel.reserve(1, { signal })];
    abort.abort();
    for (const send of sends) await assertRejects(() => send, DOMException);
    const received = channel.receive();
    await later(() => kernel.send("came"));
    assertEquals((await received)?.text(), "came");
    assertThrowsWith(() => channel.tryReceive(), "turn");
  },
  TURN,
);

test(
  "Channel.send() sends the bytes that it had at the call, however long it waits",
  async (channel, kernel) => {
    const bytes = new Uint8Array([97, 98]);
    const sent = channel.send(bytes, { type: 5 });
    bytes.fill(99);
    await later(() => kernel.control(CONTROL_PASS));
    await sent;
    assertEquals(kernel.receive(), { type: 5, text: "ab" });
  },
  TURN,
);

test("Channel.send() encodes a string after it has read the options", async (channel, kernel) => {
  const options = {
    get discard() {
      channel.trySend(new Uint8Array(3));
      assertEquals(channel.trySend("another string"), false);
      return true;
    },
  };
  kernel.control(CONTROL_PASS);
  const sent = channel.send("the string", options);
  assertEquals(kernel.receive()?.text, "\0\0\0");
  await later(() => kernel.control(CONTROL_PASS));
  await sent;
  assertEquals(kernel.receive()?.text, "the string");
}, TURN);

test(
  "Reservation.commit() that is refused keeps the turn and what came with it",
  async (channel, kernel) => {
    kernel.send("came");
    const came = await channel.receive();
    const room: Reservation = await channel.reserve(8);
    await assertRejects(async () => await room.commit({ length: 9 }), RangeError);
    await assertRejects(async () => await room.commit({ type: -1 }), RangeError);
    assertEquals([came?.text(), channel.turn], ["came", "user"]);
    room.commit({ length: 0 });
    assertEquals([kernel.receive()?.text, channel.turn], ["", "kernel"]);
  },
  TURN,
);

test(
  "Channel.receive() and send() name what to await when they are busy",
  async (channel, kernel) => {
    const received = channel.receive();
    await assertRejects(
      () => channel.send("x"),
      KupError,
      "A receive waits for the turn; await it",
    );
    await assertRejects(
      () => channel.reserve(1),
      KupError,
      "A receive waits for the turn; await it",
    );
    kernel.send("came");
    await received;
    const room = channel.tryReserve(1)!;
    const sent = channel.send("x");
    await assertRejects(() => channel.receive(), KupError, "A send waits for the turn; await it");
    assertThrowsWith(() => channel.tryReceive(), "busy");
    assertThrowsWith(() => channel.receiveSync({ timeout: 0 }), "busy");
    room.discard();
    await sent;
    assertEquals(kernel.receive()?.text, "x");
    const next = channel.send("y");
    await assertRejects(() => channel.receive(), KupError, "A send waits for the turn; await it");
    await later(() => kernel.control(CONTROL_PASS));
    await next;
  },
  TURN,
);
