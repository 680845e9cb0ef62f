// SPDX-License-Identifier: BSD-3-Clause
/**
 * The garbage collector: an object that is lost is closed, with a warning, and no object that is in
 * use is ever lost.
 */

import { assert, assertEquals } from "../../deps.ts";
import { runScript } from "../conformance/lib/script.ts";
import { patience } from "../lib/until.ts";

const FLAGS = ["--allow-ffi", "--v8-flags=--expose-gc"];

/** Commands of the echo client, and what the programs share. */
const COMMON = `
  const PRODUCE = 0xffff0001, SAMPLE = 0xffff0002, PAUSE = 0xffff0004;
  const numbers = (...all) => new Uint8Array(new Uint32Array(all).buffer);
  const produce = (count) => numbers(count, 0, 64, 0);
  const warnings = [];
  console.warn = (...all) => warnings.push(all.join(" "));
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
  /** Collects all that can be collected, and lets finalizers run. */
  const collect = async () => { for (let i = 0; i < 5; i++) { gc(); await turn(); } };
  const until = async (condition) => {
    for (const end = Date.now() + ${patience()}; !condition();) {
      if (Date.now() > end) throw new Error("Not in time: " + condition + JSON.stringify(warnings));
      await collect();
    }
  };
  let watcher = kup.open("host:echo");
  const free = () => watcher.info().channelsFree;
  const attach = async (options) => await kup.open("host:echo").attach(options);
  const check = (good, what) => { if (!good) throw new Error(what + " " + JSON.stringify(warnings)); };
`;

/** Runs a program that must end well; it has `gc`, and `warnings` has its warnings. */
async function runs(body: string): Promise<void> {
  const { code, error, signal } = await runScript(`${COMMON}\n${body}\nDeno.exit(0);`, FLAGS);
  assertEquals([code, signal, error], [0, null, ""]);
}

Deno.test("Device that is lost unclosed is closed, and named in one warning", () =>
  runs(`
    (() => kup.open("host:echo"))();
    await until(() => warnings.length > 0);
    await collect();
    check(warnings.length === 1, "one warning");
    for (const word of ["host:echo", "device", "using"]) check(warnings[0].includes(word), word);
  `));

Deno.test("Channel that is lost unclosed is closed, and named in one warning", () =>
  runs(`
    const other = kup.open("host:echo");
    const lose = async (options) => { (await other.attach({ channel: 5, ...options })).trySend("x"); };
    await lose();
    await until(() => free() === 8);
    await collect();
    check(warnings.length === 1, "one warning");
    for (const word of ["host:echo channel 5", "using"]) check(warnings[0].includes(word), word);
    // Also one that has waited.
    const wait = async () => {
      const channel = await other.attach({ channel: 4, spin: 0 });
      const received = channel.receive();
      setTimeout(() => channel.trySend("x"), 20);
      await received;
    };
    await wait();
    await until(() => free() === 8);
    check(warnings.length === 2 && warnings[1].includes("channel 4"), "one warning for each");
    using again = await other.attach({ channel: 5, wait: false });
    await again.send("works");
    check((await again.receive()).text() === "works", "it can be attached again");
  `));

Deno.test("Channel.close() and Device.close() leave nothing to warn about", () =>
  runs(`
    const use = async () => {
      using device = kup.open("host:echo");
      using channel = await device.attach();
      await channel.send("x");
      await channel.receive();
      await device.attach({ channel: 8 }).catch(() => {});
      await device.attach({ channel: channel.number, wait: false }).catch(() => {});
    };
    for (let i = 0; i < 20; i++) await use();
    await collect();
    check(warnings.length === 0, "no warning");
  `));

Deno.test("Channel that only a loop references gets thousands of messages, whatever is collected", () =>
  runs(`
    const begin = async () => {
      const channel = await attach({ spin: 0 });
      await channel.send(produce(4000), { type: PRODUCE });
      return channel;
    };
    let count = 0;
    for await (const message of await begin()) {
      if (message.type !== SAMPLE) break;
      check(message.length === 64 && message.bytes.length === 64, "its bytes are there");
      if (count < 200 || count % 20 === 0) gc();
      if (count % 100 === 0) await turn();
      count++;
    }
    check(count === 4000, count + " messages");
    check(warnings.length === 0, "no warning");
    await until(() => free() === 8 && warnings.length === 2);
  `));

Deno.test(
  "Channel.receive() keeps the channel in use while it waits, if only its promise is " +
    "referenced",
  () =>
    runs(`
    const wait = async (options) => {
      const channel = await attach({ spin: 0 });
      await channel.send(numbers(300, 0), { type: PAUSE });
      await channel.send("late");
      return { text: channel.receive(options).then((message) => message.text()) };
    };
    for (const options of [undefined, { signal: new AbortController().signal }]) {
      const { text } = await wait(options);
      let got;
      text.then((value) => got = value);
      await until(() => got !== undefined);
      check(got === "late", "the message " + got);
    }
  `),
);

Deno.test("Channel.messages() keeps the channel in use by its iterator, or by a step that waits", () =>
  runs(`
    const iterate = async () => {
      const channel = await attach({ spin: 0 });
      await channel.send("one");
      await channel.send(numbers(300, 0), { type: PAUSE });
      await channel.send("two");
      return channel[Symbol.asyncIterator]();
    };
    const iterator = await iterate();
    await collect();
    check((await iterator.next()).value.text() === "one", "the first");
    await collect();
    let second;
    iterator.next().then(({ value }) => second = value.text());
    await until(() => second !== undefined);
    check(second === "two" && warnings.length === 0, "the second");
  `));

Deno.test("Channel.readable and writable keep the channel in use while they are referenced", () =>
  runs(`
    const echoing = async () => {
      const channel = await attach({ spin: 0 });
      await channel.send("one");
      await channel.send(numbers(300, 0), { type: PAUSE });
      await channel.send("two");
      return channel.readable.getReader();
    };
    const reader = await echoing();
    await collect();
    const text = ({ value }) => new TextDecoder().decode(value);
    check(text(await reader.read()) === "one", "the first chunk");
    await collect();
    let second;
    reader.read().then((chunk) => second = text(chunk));
    await until(() => second !== undefined);
    check(second === "two" && warnings.length === 0, "the second chunk");
    const writer = (await attach({ spin: 0 })).writable.getWriter();
    await collect();
    for (let i = 0; i < 10; i++) {
      await writer.write("x".repeat(10_000));
      await collect();
    }
    check(warnings.length === 0, "no warning");
  `));

Deno.test("Channel.send() and reserve() keep the channel in use while they wait for room", () =>
  runs(`
    const fill = async (last) => {
      const channel = await attach({ spin: 0 });
      await channel.send(numbers(300, 0), { type: PAUSE });
      while (channel.trySend(new Uint8Array(10_000), { type: SAMPLE }));
      return { done: last(channel) };
    };
    const calls = [
      (channel) => channel.send(new Uint8Array(20_000)),
      (channel) => channel.sendBatch([new Uint8Array(20_000), "x"]),
      (channel) => channel.reserve(20_000).then((room) => room.commit()),
    ];
    for (const call of calls) {
      const { done } = await fill(call);
      let over = false;
      done.then(() => over = true);
      await until(() => over);
    }
    check(warnings.filter((text) => text.includes("channel")).length <= 3, "no more than one each");
  `));

Deno.test("Device.attach() keeps the device in use while it waits for a channel", () =>
  runs(`
    const all = [];
    for (let i = 0; i < 8; i++) all.push(await watcher.attach());
    const pending = (() => ({ channel: kup.open("host:echo").attach() }))();
    let got;
    pending.channel.then((channel) => got = channel);
    await collect();
    all[3].close();
    await until(() => got !== undefined);
    check(got.number === 3 && warnings.length === 0, "the channel");
    check(got.trySend("x"), "works");
  `));

Deno.test("Message keeps its channel in use, and so does a view of its bytes", () =>
  runs(`
    const receive = async () => {
      const channel = await attach();
      await channel.send("hello");
      return await channel.receive();
    };
    let message = await receive();
    await collect();
    check(message.text() === "hello" && free() === 7, "the message");
    let bytes = message.bytes;
    message = undefined;
    await collect();
    check(new TextDecoder().decode(bytes) === "hello" && free() === 7, "the view");
    let part = bytes.subarray(1);
    bytes = undefined;
    await collect();
    check(new TextDecoder().decode(part) === "ello" && free() === 7, "a part of the view");
    check(warnings.length === 0, "no warning");
    part = undefined;
    await until(() => free() === 8);
  `));

Deno.test("Reservation keeps its channel in use, and so does its view", () =>
  runs(`
    const reserve = async () => (await attach()).reserve(100);
    let room = await reserve();
    await collect();
    const { bytes } = room;
    bytes.fill(7);
    room.commit({ length: 10 });
    room = undefined;
    await collect();
    check(bytes[0] === 7 && free() === 7 && warnings.length === 0, "the view");
  `));

Deno.test("Channel.send() on a turn channel keeps it in use while a reservation has the turn", () =>
  runs(`
    watcher.close();
    kup.unload("host:echo");
    watcher = kup.open("host:echo", { parameters: { mode: 2 } });
    const begin = async () => {
      const channel = await attach({ spin: 0 });
      while (channel.turn !== "user") await turn();
      const room = channel.tryReserve(8);
      return { room, sent: channel.send("later", { discard: true }) };
    };
    const { room, sent } = await begin();
    let over = false;
    sent.then(() => over = true);
    await collect();
    check(warnings.length === 0, "no warning");
    room.commit();
    await until(() => over);
    // Without its reservation it waits forever, but it is not closed.
    const forever = await (async () => ({ sent: (await begin()).sent }))();
    for (let i = 0; i < 5; i++) await collect();
    check(warnings.length === 0 && free() === 6 && forever.sent, "it still waits");
  `));

Deno.test("Channel.call() keeps its channel in use until its reply comes, and no longer", () =>
  runs(`
    const KEEP = 0xfffe0003, RELEASE = 0xfffe0005, TRYING = 3;
    watcher.close();
    kup.unload("host:echo");
    watcher = kup.open("host:echo", { parameters: { mode: 3 } });
    const begin = async () => {
      const channel = await attach({ spin: 0 });
      return { channel: new WeakRef(channel), reply: channel.call(KEEP) };
    };
    const { channel, reply } = await begin();
    await collect();
    check(free() === 7 && warnings.length === 0, "the channel is in use");
    await channel.deref().call(RELEASE, numbers(TRYING));
    check((await reply).ok, "the reply");
    await until(() => free() === 8 && warnings.some((text) => text.includes("channel")));
  `));

Deno.test("Channel that is lost leaves no memory mapped", async () => {
  const body = `
    const mapped = () => Deno.readTextFileSync("/proc/self/maps").match(/memfd:kup /g)?.length ?? 0;
    const lose = async (options) => { await watcher.attach(options); };
    await lose();
    await until(() => free() === 8);
    const before = mapped();
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 8; j++) await lose({ wait: false });
      await until(() => free() === 8);
    }
    check(mapped() === before, "mapped before: " + before + ", now: " + mapped());
    check(warnings.length === 161, "a warning for each");
    Deno.exit(0);`;
  const { code, error } = await runScript(`${COMMON}\n${body}`, ["-A", "--v8-flags=--expose-gc"]);
  assertEquals([code, error], [0, ""]);
});

Deno.test("Channel that is lost warns on standard error, and the program continues", async () => {
  const { code, error } = await runScript(
    `
    (() => kup.open("host:echo"))();
    for (let i = 0; i < 10; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }`,
    FLAGS,
  );
  assertEquals(code, 0);
  assert(/^KUP: The device host:echo .*`using`.*\n$/.test(error), error);
});
