// SPDX-License-Identifier: BSD-3-Clause
/**
 * Random calls on one attached channel, and what must hold for their results.
 *
 * Every message has its number as its type, and bytes that follow from number and length, so the
 * test can check what comes back: nothing damaged, nothing twice, nothing that was refused.
 * Sessions that do nothing to spoil it also check that everything comes back, in order.
 */

import { type Channel, type Gap, KupError } from "../../mod.ts";
import { type Checked, drainSome } from "./draining.ts";
import { int, oneOf, type Random, sleep } from "./random.ts";
import { isStreamError, readSome, tryLock, writeSome } from "./streams.ts";

/** The echo client's commands. */
export interface Commands {
  pause: number;
  close: number;
  /** Something unexpected, to be done in the middle of a call. */
  disturb?: () => void;
}

const MARKER = 0x40000000;
const RESERVED = 0x20000000;
const SIZES = [0, 1, 7, 8, 100, 1000, 5000, 20_000];

/** Errors that no use of the API may end in, in any session. */
const NEVER = ["system", "library", "abi-mismatch", "not-a-device", "no-ffi-permission"];

/** What all sessions of this isolate count and share. */
export const common = {
  calls: 0,
  /** How often each thing happened, for people. */
  counts: new Map<string, number>(),
  /** Views of channels that were closed long ago. */
  kept: [] as Uint8Array<ArrayBuffer>[],
  /** What happens with a finding; it may throw. */
  report(what: string): void {
    console.log(`FAILED ${what}`);
    console.log(new Error().stack);
    Deno.exit(1);
  },
};

/** A finding. */
export class Finding extends Error {}

export function fail(what: string): never {
  common.report(what);
  throw new Finding(what);
}

function pattern(number: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 61) bytes[i] = number + i;
  return bytes;
}

export function count(what: string): void {
  common.counts.set(what, (common.counts.get(what) ?? 0) + 1);
}

/** Errors that a correct call may end with; all others are findings. */
export function expected(error: unknown): void {
  if (error instanceof Finding) throw error;
  count(error instanceof KupError ? error.code : error instanceof Error ? error.name : "?");
  if (error instanceof KupError && !NEVER.includes(error.code)) return;
  if (error instanceof DOMException && /Abort|Timeout/.test(error.name)) return;
  if (isStreamError(error)) return;
  fail(`unexpected: ${error instanceof Error ? error.stack : error}`);
}

/** Reads and writes all of it. */
export function use(views: readonly Uint8Array<ArrayBuffer>[]): void {
  for (const view of views) {
    for (let i = 0; i < view.length; i += 1 + (view.length >> 6)) view[i]! ^= 1;
  }
}

/** One attached channel, and what is known about it. */
export class Session {
  readonly channel: Channel;
  readonly random: Random;
  readonly commands: Commands;
  /** Only calls that keep order and content right. */
  readonly clean: boolean;
  #next = 1;
  #last = 0;
  /** Certainly sent, and not back yet. */
  readonly #owed = new Set<number>();
  /** Their calls have failed, so they must never come. */
  readonly #refused = new Set<number>();
  readonly #seen = new Set<number>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #kept: Uint8Array<ArrayBuffer>[] = [];
  #marker = false;
  /** Certainly written to the stream, and not back yet. These have no number. */
  #streamed = 0;
  /**
   * On a turn device, where one message is in flight, and an answer stays until it is received or
   * dropped.
   */
  readonly #turns: boolean;

  constructor(channel: Channel, random: Random, commands: Commands) {
    this.channel = channel;
    this.random = random;
    this.commands = commands;
    this.clean = random.chance(0.5);
    this.#turns = channel.mode === "turn";
  }

  async run(end: number): Promise<void> {
    count(this.clean ? "clean sessions" : "dirty sessions");
    const steps = int(this.random, 1, 60);
    for (let i = 0; i < steps && !this.channel.closed && performance.now() < end; i++) {
      common.calls++;
      await this.#try(() => this.#step());
    }
    if (this.clean && !this.channel.closed && performance.now() < end) {
      await this.#try(() => this.#drain());
    }
    if (this.random.chance(0.3)) this.channel[Symbol.dispose]();
    this.channel.close();
    await Promise.allSettled(this.#background);
    const { kept } = common;
    use(this.#kept);
    use(kept);
    kept.push(...this.#kept.slice(0, 2));
    kept.splice(0, Math.max(0, kept.length - 200));
    await this.#afterClose();
  }

  async #try(step: () => unknown): Promise<void> {
    try {
      await step();
    } catch (error) {
      expected(error);
    }
  }

  #step(): unknown {
    const { random } = this;
    const clean = [
      () => this.#send(),
      () => this.#send(),
      () => this.#trySend(),
      () => this.#sendSync(),
      () => this.#sendBatch(),
      () => this.#reserve(),
      () => this.#receive(),
      () => this.#receive(),
      () => this.#tryReceive(),
      () => this.#tryReceive(),
      () => this.check(this.channel.receiveSync({ timeout: int(random, 0, 5) })),
      () => this.#receiveBatch(),
      () => this.#turns || drainSome(this.channel, random, this.clean, (one) => this.check(one)),
      () => this.#iterate(),
      () => this.#write(),
      () => this.#turns || tryLock(this.channel),
      () => this.#bad(),
      () => this.#look(),
    ];
    const dirty = [
      () => this.#later(this.#send()),
      () => this.#later(this.#receive()),
      () => this.#later(this.#receiveBatch()),
      () => this.#later(this.#iterate()),
      () => this.#later(this.#write()),
      () => this.#read(),
      () => this.#later(this.#read()),
      () => this.#scribble(),
      () => this.#transfer(),
      () => this.#forget(),
      () => this.#closing(),
      () => this.#post(),
      () => this.#hostileSignal(),
      () => this.#command(this.commands.pause),
      () => random.chance(0.2) ? this.#command(this.commands.close) : sleep(1),
    ];
    if (this.#turns && random.chance(0.2)) return this.#pass();
    return oneOf(random, this.clean || random.chance(0.5) ? clean : dirty)();
  }

  /** Any form of a pass. Checks that `turn` is right. */
  #pass(): unknown {
    const { channel, random } = this;
    const before = channel.turn;
    if (before !== "kernel" && before !== "user" && !channel.closed) this.#look();
    return oneOf<() => unknown>(random, [
      () => channel.tryPass(),
      () => channel.pass({ signal: this.#signal() }),
      () => channel.passSync({ timeout: int(random, 0, 5) }),
      () => this.#later(channel.pass({ signal: this.#signal(), ...this.#discard() })),
      () => this.#passInReservation(),
    ])();
  }

  /** Sometimes drops an answer, where that spoils nothing. */
  #discard(): { discard?: boolean } {
    return this.#turns && !this.clean ? { discard: this.random.chance(0.5) } : {};
  }

  /** While a reservation has the turn, no other call gets it. */
  #passInReservation(): void {
    using room = this.channel.tryReserve(8);
    if (room === undefined) return;
    if (this.channel.tryPass() || this.channel.trySend("x")) fail("passed beside a reservation");
  }

  #later(promise: Promise<unknown>): void {
    const settled = promise.catch(expected);
    this.#background.add(settled);
    settled.then(() => this.#background.delete(settled));
  }

  /** A signal that is over when the session is. */
  #timer(call: () => void, milliseconds: number): void {
    this.#background.add(sleep(milliseconds).then(call));
  }

  #signal(): AbortSignal {
    const { random } = this;
    if (random.chance(0.3)) return AbortSignal.timeout(int(random, 0, 5));
    const controller = new AbortController();
    this.#timer(() => controller.abort(), int(random, 0, 5));
    if (random.chance(0.05)) controller.abort();
    return controller.signal;
  }

  /** What fits into both rings: the echo client skips what it can't send back. */
  #size(): number {
    const { maxMessage, maxReceive } = this.channel;
    return Math.min(oneOf(this.random, SIZES), maxMessage, maxReceive);
  }

  #message(): { number: number; bytes: Uint8Array<ArrayBuffer> } {
    const number = this.#next++;
    return { number, bytes: pattern(number, this.#size()) };
  }

  /** The same bytes in any of the forms that can be sent. */
  #shape(bytes: Uint8Array<ArrayBuffer>): Uint8Array | ArrayBuffer | DataView {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    const growable = new Uint8Array(new ArrayBuffer(bytes.length, { maxByteLength: 30_000 }));
    const around = new Uint8Array(bytes.length + 10);
    for (const copy of [shared, growable, around.subarray(5)]) copy.set(bytes);
    return oneOf(this.random, [
      bytes,
      bytes.buffer,
      shared,
      growable,
      new DataView(around.buffer, 5, bytes.length),
      new (class extends Uint8Array<ArrayBuffer> {})(bytes.slice().buffer),
    ]);
  }

  /** Records a call for messages with these numbers: all are sent, or none. */
  async #booked(numbers: number[], call: () => unknown, all = true): Promise<void> {
    try {
      if (await call() === false) { for (const number of numbers) this.#refused.add(number); }
      else for (const number of numbers) if (!this.#seen.has(number)) this.#owed.add(number);
    } catch (error) {
      if (all) { for (const number of numbers) this.#refused.add(number); }
      throw error;
    } finally {
      for (const number of numbers) this.#compare(number);
    }
  }

  #compare(number: number): void {
    if (this.#refused.has(number) && this.#seen.has(number)) fail(`${number} was refused and came`);
  }

  #send(): Promise<void> {
    const { number, bytes } = this.#message();
    const options = { type: number, signal: this.#signal(), ...this.#discard() };
    return this.#booked([number], () => {
      const sent = this.channel.send(this.#shape(bytes), options);
      bytes.fill(99); // the message was copied
      return sent;
    });
  }

  #trySend(): Promise<void> {
    const { number, bytes } = this.#message();
    const options = { type: number, ...this.#discard() };
    return this.#booked([number], () => this.channel.trySend(this.#shape(bytes), options));
  }

  #sendSync(): Promise<void> {
    const { number, bytes } = this.#message();
    const timeout = int(this.random, 0, 5);
    const options = { type: number, timeout, ...this.#discard() };
    return this.#booked([number], () => this.channel.sendSync(bytes, options));
  }

  /** All have one type, so the bytes are those of that type. */
  #sendBatch(): Promise<void> {
    const number = this.#next++;
    const { channel, random, clean } = this;
    const { disturb } = this.commands;
    const count = this.#turns ? int(random, 0, 1) : int(random, 0, 20);
    const bytes = pattern(number, this.#size());
    const options = { type: number | MARKER, signal: this.#signal() };
    const inner = () => random.chance(clean ? 0 : 0.1) && this.#later(this.#send());
    function* messages() {
      for (let i = 0; i < count; i++) {
        inner();
        if (!clean && random.chance(0.005)) channel.close();
        if (random.chance(0.002)) disturb?.();
        yield bytes;
      }
    }
    return channel.sendBatch(
      random.chance(0.5) ? messages() : new Array(count).fill(bytes),
      options,
    );
  }

  async #reserve(): Promise<void> {
    const { number, bytes } = this.#message();
    const { random, channel } = this;
    const extra = Math.min(int(random, 0, 200), channel.maxMessage - bytes.length);
    const discard = this.#discard();
    using room = random.chance(0.5)
      ? channel.tryReserve(bytes.length + extra, discard)
      : await channel.reserve(bytes.length + extra, { signal: this.#signal(), ...discard });
    if (room === undefined) return;
    if (random.chance(0.3)) await sleep(0);
    room.bytes.set(bytes);
    if (!this.clean && random.chance(0.2)) room.bytes.buffer.transfer(0);
    if (random.chance(0.2)) return room.discard();
    const type = number | RESERVED;
    room.commit({ type, length: bytes.length });
    this.#owed.add(type);
  }

  #forget(): void {
    this.#kept.push(this.channel.tryReserve(this.#size())?.bytes ?? new Uint8Array());
  }

  async #receive(): Promise<void> {
    this.check(await this.channel.receive({ signal: this.#signal() }));
  }

  #tryReceive(): void {
    const { random, channel } = this;
    if (random.chance(0.5)) this.check(channel.tryReceive());
    else for (const one of channel.tryReceiveBatch({ max: int(random, 1, 9) })) this.check(one);
  }

  async #receiveBatch(): Promise<void> {
    const signal = this.#signal();
    const mark = this.#turns || this.random.chance(0.5)
      ? {}
      : { minBytes: int(this.random, 1, 2048), within: int(this.random, 0, 20) };
    const max = int(this.random, 1, 9);
    const batch = await this.channel.receiveBatch({ max, signal, ...mark });
    for (const message of batch) this.check(message);
  }

  async #iterate(): Promise<void> {
    const { channel, random } = this;
    const onGap = (gap: Gap) => {
      if (gap.records < 1) fail("a gap of no records");
      if (!this.clean && random.chance(0.2)) channel.close();
    };
    const messages = random.chance(0.3) ? channel[Symbol.asyncIterator]() : channel.messages({
      signal: random.chance(0.5) ? this.#signal() : undefined,
      gaps: oneOf(random, [undefined, "report", "throw", onGap] as const),
    });
    const timer = setTimeout(() => messages.return(), 10);
    try {
      for await (const message of messages) {
        this.check(message);
        if (random.chance(0.3)) break;
        if (!this.clean && random.chance(0.05)) channel.close();
        if (!this.clean && random.chance(0.1)) this.#later(messages.next());
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Messages of type 0, in both kinds of sessions. */
  async #write(): Promise<void> {
    if (this.#turns) return;
    const chunks = Array.from({ length: int(this.random, 1, 5) }, () => pattern(0, this.#size()));
    await writeSome(this.channel, this.random, chunks, () => this.#streamed++);
  }

  /** Receives messages without checking their numbers, so only where none is expected. */
  async #read(): Promise<void> {
    if (!this.#turns && !this.clean) await readSome(this.channel, this.random, this.#kept);
  }

  /**
   * Checks a message: it has the bytes of its number, its number comes for the first time, and was
   * not refused.
   */
  check(message: Checked | undefined): void {
    if (message === undefined) return;
    const { type, length } = message;
    if (message.pass) {
      if (!this.#turns || length !== 0 || type !== 0) fail("a pass with data");
      return;
    }
    if (type === MARKER) this.#marker = true;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = this.random.chance(0.5) ? message.copy() : message.bytes;
    } catch (error) {
      expected(error); // released meanwhile
    }
    if (this.random.chance(0.1) && bytes !== undefined) this.#kept.push(bytes);
    if (!this.clean) return;
    const want = pattern(type & ~(MARKER | RESERVED), length);
    if (bytes?.some((byte, i) => byte !== want[i])) fail(`message ${type} is damaged`);
    if ((type & MARKER) !== 0) return;
    if (type === 0) {
      if (--this.#streamed < 0) fail("a message came that no stream was given");
      return;
    }
    if (this.#seen.has(type)) fail(`message ${type} came twice`);
    if ((type & RESERVED) === 0) {
      if (type < this.#last) fail(`message ${type} came after ${this.#last}`);
      this.#last = type;
    }
    this.#seen.add(type);
    this.#owed.delete(type);
    this.#compare(type);
  }

  /** Everything that was sent comes back before a last message. */
  async #drain(): Promise<void> {
    const send = () => this.channel.send(new Uint8Array(0), { type: MARKER });
    const sent = this.#turns ? this.#afterAnswer(send) : send();
    sent.catch(() => {});
    // On a turn device one waits for the other.
    if (this.#turns) await sent;
    while (!this.#marker) {
      const message = await this.channel.receive();
      if (message === undefined) return;
      this.check(message);
      if (message.pass) await this.channel.pass();
    }
    await sent;
    count("drained");
    if (this.#streamed > 0) fail(`${this.#streamed} messages of a stream never came`);
    if (this.#owed.size > 0) fail(`${[...this.#owed].slice(0, 5)} never came`);
  }

  /** Sends in turns. An answer may have to be received first. */
  async #afterAnswer(send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      if (!(error instanceof KupError && error.code === "unread")) throw error;
      this.check(this.channel.tryReceive());
      await send();
    }
  }

  /** Each of these is refused, and nothing of it is sent: `drain` would see it. */
  async #bad(): Promise<void> {
    const { channel, random } = this;
    // deno-lint-ignore no-explicit-any
    const any = (value: unknown) => value as any;
    const detached = new Uint8Array(8);
    detached.buffer.transfer();
    const value = oneOf<unknown>(random, ["5", null, {}, -1, NaN, 1.5, 2 ** 40, {
      valueOf: () => 1,
    }]);
    const bytes = oneOf(random, [detached, detached.buffer, 42, {}, new Uint8Array(1 << 20)]);
    const call = oneOf<() => unknown>(random, [
      () => channel.trySend(any(bytes), { type: 1 }),
      () => channel.send(any(bytes), { type: 1 }),
      () => channel.sendBatch(["x", any(bytes)], { type: 1 }),
      () => channel.sendBatch(any(5)),
      () => channel.trySend("x", { type: any(value) }),
      () => channel.sendSync("x", { type: any(value), timeout: 0 }),
      () => channel.send("x", { type: 1, signal: any({}) }),
      () => channel.tryReserve(any(value)),
      () => channel.receive({ signal: any(1) }),
      () => channel.tryReceiveBatch({ max: any({}) }),
      () => channel.drain(any(value)),
      () => channel.receive(any({ timeout: 1 })),
      () => channel.receiveSync(any({ signal: AbortSignal.abort() })),
      () => channel.messages({ gaps: any(value) }),
      () => channel.toReadable({ gaps: any("report") }),
    ]);
    try {
      await call();
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) return;
      throw error;
    }
    fail(`accepted: ${call} with ${String(value)} and ${String(bytes)}`);
  }

  #look(): void {
    const { channel } = this;
    channel.stats();
    channel.totals();
    if (channel.done && !channel.closed) this.check(channel.tryReceive());
  }

  #scribble(): void {
    const view = this.channel.tryReceive()?.bytes;
    if (view === undefined) return;
    const all = new Uint8Array(view.buffer);
    const from = int(this.random, 0, all.length);
    const length = int(this.random, 1, 64);
    if (this.random.chance(0.3)) all.fill(int(this.random, 0, 255));
    else for (let i = from; i < from + length; i++) all[i] = int(this.random, 0, 255);
    this.#kept.push(view, all);
  }

  #transfer(): void {
    const buffer = this.channel.tryReceive()?.bytes.buffer;
    if (buffer === undefined) return;
    this.#kept.push(
      new Uint8Array(
        this.random.chance(0.5)
          ? buffer.transfer()
          : structuredClone(buffer, { transfer: [buffer] }),
      ),
    );
  }

  /** To another thread and back, which then reads and writes it too. */
  async #post(): Promise<void> {
    const bytes = this.channel.tryReceive()?.bytes;
    if (bytes === undefined) return;
    const { port1, port2 } = new MessageChannel();
    const came = new Promise<Uint8Array<ArrayBuffer>>((resolve) => {
      port2.onmessage = ({ data }) => resolve(data);
    });
    port1.postMessage(bytes, this.random.chance(0.5) ? [bytes.buffer] : []);
    this.#kept.push(await came);
    port1.close();
    port2.close();
  }

  async #closing(): Promise<void> {
    const { channel, random } = this;
    if (random.chance(0.8)) return;
    for (let i = 0; i < 3; i++) this.#later(random.chance(0.5) ? this.#send() : this.#receive());
    const { disturb } = this.commands;
    const options = {
      get type() {
        if (disturb !== undefined && random.chance(0.1)) disturb();
        channel.close();
        return 1;
      },
    };
    const room = channel.tryReserve(8);
    if (random.chance(0.5)) await sleep(1);
    if (room !== undefined && random.chance(0.3)) room.commit(options);
    else if (random.chance(0.5)) channel.trySend("x", options);
    else await channel.send("x", options);
    fail("a call worked on a closed channel");
  }

  async #hostileSignal(): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    signal.addEventListener("abort", () => {
      if (this.random.chance(0.3)) this.channel.close();
      else this.#later(this.channel.receive({ signal: AbortSignal.timeout(5) }));
    });
    this.#timer(() => controller.abort(), 1);
    this.check(await this.channel.receive({ signal }));
  }

  #command(type: number): Promise<void> {
    const bytes = new Uint32Array([int(this.random, 0, 30), 0]);
    const empty = type === this.commands.close;
    return this.channel.send(empty ? "" : bytes, { type, signal: this.#signal() });
  }

  async #afterClose(): Promise<void> {
    const { channel } = this;
    for (
      const call of [
        () => channel.send("x"),
        () => channel.trySend("x"),
        () => channel.receiveBatch(),
        () => channel.tryReserve(1),
        () => channel.stats(),
      ]
    ) {
      try {
        await call();
        fail(`${call} on a closed channel`);
      } catch (error) {
        if (!(error instanceof KupError && error.code === "closed")) fail(String(error));
      }
    }
    await channel[Symbol.asyncDispose]();
  }
}
