// SPDX-License-Identifier: BSD-3-Clause
/**
 * The type of a channel: the part of the public API that `types.ts` exports from here.
 *
 * @module
 */

import type { CallMethods } from "./call_types.ts";
import type { ChannelStats, ChannelTotals, RingBytes } from "./device_types.ts";
import type {
  Cursor,
  Message,
  MessageIterator,
  MessagesOptions,
  ReadableOptions,
} from "./message_types.ts";
import type {
  AsyncBatchOptions,
  AsyncSendOptions,
  AsyncTurnOptions,
  BatchOptions,
  SendOptions,
  SyncBatchOptions,
  SyncSendOptions,
  SyncTurnOptions,
  SyncWaitOptions,
  TurnOptions,
  WaitOptions,
} from "./option_types.ts";
import type { Data, Reservation } from "./types.ts";

/**
 * One channel: messages in both directions, through shared memory, and without system calls while
 * both sides are busy. Only the isolate that attached it can use it.
 *
 * Messages arrive in the order in which they were sent. `for await` over a channel yields its
 * messages, ends when either side has closed the channel, and throws when the channel is broken.
 * Leaving the loop early keeps the channel open.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * for await (const message of channel) {
 *   console.log(message.type, message.text());
 *   break;
 * }
 * ```
 */
export interface Channel extends Disposable, AsyncDisposable, AsyncIterable<Message>, CallMethods {
  /** The channel's number on the device, from 0. */
  readonly number: number;
  /** How often this channel number was attached, this attach included. */
  readonly generation: number;
  /**
   * How the channel works. On a `"turn"` channel one side at a time may send; the kernel has the
   * first turn. A record from the kernel, which is a message or a pass, gives the turn to this
   * side. A send or a pass gives the turn back, and releases the record that brought it.
   * - `send`, `pass` and `reserve` wait for the turn, in the order of the calls. The `try` forms
   *   return at once.
   * - A message is valid until this side's next send, pass, commit or receive. A send over a
   *   message that was not received throws `"unread"`, or drops the message (see {@linkcode
   *   TurnOptions.discard}). A pass that was not received is dropped.
   * - Receiving while it is this side's turn throws `"turn"`, since nothing can come. The same
   *   holds while a reservation is open: it has the turn until it is committed. A reservation that
   *   is discarded keeps the turn on this side.
   * - Either one receive waits, or sends wait. While they do, a call of the other kind throws
   *   `"busy"`.
   *
   * On a `"call"` channel, {@linkcode Channel.call} and {@linkcode Channel.handle} are the only
   * ways to send and receive. All others throw a TypeError.
   */
  readonly mode: "stream" | "turn" | "call";
  /**
   * Whose turn it is; `undefined` on a stream channel, and when the channel is over. It is the
   * user's turn as soon as the kernel's record can be received.
   */
  readonly turn: "kernel" | "user" | undefined;
  /** The sizes of its rings. */
  readonly ringBytes: RingBytes;
  /** The longest message that can be sent, or the longest data of a call, in bytes. */
  readonly maxMessage: number;
  /** The longest message, or data of a call, that can be received, in bytes. */
  readonly maxReceive: number;
  /** `true` after {@linkcode Channel.close}. */
  readonly closed: boolean;
  /**
   * `true` when the kernel's side has closed the channel, or has ended its direction, and its last
   * message was received.
   */
  readonly done: boolean;
  /**
   * `true` when the kernel's side has ended its direction, and its last message was received: it
   * sends nothing more, but still receives. So `done && !peerEnded` is a close.
   */
  readonly peerEnded: boolean;

  /**
   * Sends a message. Waits for room if the ring is full; on a turn channel, waits for the turn.
   * Sends keep the order of the calls, even if they are not awaited.
   *
   * @returns When the message is in the ring. The kernel may not have seen it yet.
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`, and `"busy"` while a
   * receive waits.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.send("hello");
   * await channel.send(new Uint8Array(100), { type: 7, signal: AbortSignal.timeout(1000) });
   * ```
   */
  send(data: Data, options?: AsyncSendOptions): Promise<void>;
  /**
   * Sends a message if there is room for it now, no `send` waits, and, on a turn channel, it is
   * this side's turn.
   *
   * @returns Whether the message was sent.
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * let sent = 0;
   * while (channel.trySend("hello")) sent++;
   * console.log(`the ring had room for ${sent} messages`);
   * ```
   */
  trySend(data: Data, options?: SendOptions): boolean;
  /**
   * Sends a message. Blocks this thread while the ring is full, or while it is the kernel's turn.
   *
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` or `timeout` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"timed-out"`, `"closed"`, `"broken"`; `"busy"` while a reservation keeps 63
   * messages back; on a turn channel `"unread"`, and `"busy"` while another call waits or a
   * reservation has the turn.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * channel.sendSync("hello", { timeout: 1000 });
   * ```
   */
  sendSync(data: Data, options?: SyncSendOptions): void;
  /**
   * Sends several messages, in this order and with the same type. On a turn channel a batch has one
   * message at most, since each message takes a turn.
   *
   * @param messages The messages. Each is copied as the iterator yields it, so an iterator may use
   * one buffer for all.
   * @returns When the last message is in the ring. If `signal` ends the call before that, the
   * remaining messages are not sent.
   * @throws {RangeError} If one is longer than `maxMessage`, or `type` is out of range; none is
   * sent.
   * @throws {TypeError} If one is not {@linkcode Data}, or its buffer is detached, or there are
   * several on a turn channel; none is sent.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel as `send`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.sendBatch(["one", "two"], { type: 7 });
   * const texts = [];
   * for await (const message of channel) if (texts.push(message.text()) === 2) break;
   * assertEquals(texts, ["one", "two"]);
   * ```
   */
  sendBatch(messages: Iterable<Data>, options?: AsyncSendOptions): Promise<void>;

  /**
   * Ends this side's direction, behind all that was sent: the kernel's side reads what is left, and
   * then sees the end. This side can still receive. A reservation that is open may still be
   * committed.
   *
   * @returns When the end is in the ring. If `signal` ends the wait for room, this side may send
   * again.
   * @throws {TypeError} On a turn or call channel.
   * @throws {KupError} `"closed"`, also for each send after an `end`, and for a second `end`;
   * `"broken"`; `"abi-mismatch"` if the kernel module is too old.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.send("the last one");
   * await channel.end();
   * for await (const message of channel) console.log(message.text());
   * console.log(channel.peerEnded); // the echo client has ended its direction, too
   * ```
   */
  end(options?: WaitOptions): Promise<void>;

  /**
   * Waits for the turn, and passes it without a message. The kernel's side receives a pass.
   *
   * @throws {TypeError} On a stream channel.
   * @throws {KupError} `"unread"`, `"busy"` while a receive waits, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo", { parameters: { mode: 2 } }); // turn mode
   * using channel = await device.attach();
   * await channel.pass(); // waits for the kernel's first pass
   * const answer = await channel.receive();
   * console.log(answer?.pass, channel.turn);
   * ```
   */
  pass(options?: AsyncTurnOptions): Promise<void>;
  /**
   * Passes the turn if it is this side's now, and no `send` waits for it.
   *
   * @returns Whether the turn was passed.
   * @throws {TypeError} On a stream channel.
   * @throws {KupError} `"unread"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo", { parameters: { mode: 2 } }); // turn mode
   * using channel = await device.attach();
   * console.log(channel.tryPass() ? "passed" : "it is the kernel's turn");
   * ```
   */
  tryPass(options?: TurnOptions): boolean;
  /**
   * Passes the turn. Blocks this thread until it is this side's turn.
   *
   * @throws {TypeError} On a stream channel.
   * @throws {RangeError} If `timeout` is out of range.
   * @throws {KupError} `"timed-out"`, `"unread"`, `"busy"` while another call waits or a
   * reservation has the turn, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo", { parameters: { mode: 2 } }); // turn mode
   * using channel = await device.attach();
   * channel.passSync({ timeout: 1000 });
   * ```
   */
  passSync(options?: SyncTurnOptions): void;

  /**
   * Waits for room for a message of `length` bytes, to be written in place. On a turn channel it
   * also waits for the turn, and the record that brought the turn stays valid until the commit.
   *
   * A reservation keeps back what is sent after it, at most 63 messages or reservations. Then the
   * channel has no room for more, and `sendSync` throws `"busy"`.
   *
   * @throws {RangeError} If `length` is no integer from 0 to `maxMessage`.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel as `send`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * {
   *   using room = await channel.reserve(8);
   *   new DataView(room.bytes.buffer, room.bytes.byteOffset).setFloat64(0, 1.5, true);
   *   room.commit({ type: 7 });
   * }
   * assertEquals((await channel.receive())?.f64(0), 1.5);
   * ```
   */
  reserve(length: number, options?: AsyncTurnOptions): Promise<Reservation>;
  /**
   * Reserves room for a message of `length` bytes, if there is room now and, on a turn channel, it
   * is this side's turn.
   *
   * @returns `undefined` if there is no room, or it is the kernel's turn.
   * @throws {RangeError} If `length` is no integer from 0 to `maxMessage`.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * using room = channel.tryReserve(100);
   * if (room === undefined) console.log("There is no room now.");
   * else room.commit({ length: 0 });
   * ```
   */
  tryReserve(length: number, options?: TurnOptions): Reservation | undefined;

  /**
   * Receives the next message, and releases the ones that were received before.
   *
   * @returns `undefined` when the kernel's side has closed the channel, or has ended its direction,
   * and there are no more messages.
   * @throws {TypeError} If an option belongs to another call, such as `timeout`, which belongs to
   * `receiveSync`. Every call throws this.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait
   * for the turn; `"turn"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.send("hello");
   * const message = await channel.receive({ signal: AbortSignal.timeout(10_000) });
   * assertEquals(message?.text(), "hello");
   * ```
   */
  receive(options?: WaitOptions): Promise<Message | undefined>;
  /**
   * Receives the next message if there is one now, and releases the ones that were received before.
   *
   * @returns `undefined` if there is none. Then `done` is `true` if there will never be one.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait
   * for the turn; `"turn"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * assertEquals(channel.tryReceive(), undefined); // nothing was sent
   * ```
   */
  tryReceive(): Message | undefined;
  /**
   * Receives the next message, and releases the ones that were received before. Blocks this thread
   * until there is one.
   *
   * @returns `undefined` when the kernel's side has closed the channel, or has ended its direction,
   * and there are no more messages.
   * @throws {RangeError} If `timeout` is out of range.
   * @throws {KupError} `"timed-out"`; `"busy"` while another receive waits, `readable` is locked,
   * or sends wait for the turn; `"turn"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * channel.sendSync("hello");
   * assertEquals(channel.receiveSync({ timeout: 10_000 })?.text(), "hello");
   * ```
   */
  receiveSync(options?: SyncWaitOptions): Message | undefined;
  /**
   * Waits for a message, and receives the ones behind it as well (on a turn channel there are
   * none). All of them are valid until the next receive. With `minBytes` and `within` it sleeps
   * longer, and the program is woken once for many messages; see {@linkcode WatermarkOptions}.
   *
   * @returns An empty array when the kernel's side has closed the channel, or has ended its
   * direction, and there are no more messages.
   * @throws {RangeError} If `max` is no integer from 1, `minBytes` is more than half the ring to
   * the user, or `within` is out of range.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait
   * for the turn; `"turn"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.sendBatch(["a", "b", "c"]);
   * let bytes = 0;
   * while (bytes < 3) {
   *   for (const message of await channel.receiveBatch()) bytes += message.length;
   * }
   * ```
   */
  receiveBatch(options?: AsyncBatchOptions): Promise<Message[]>;
  /**
   * As {@linkcode Channel.receiveBatch}, but blocks this thread. At the timeout it takes what is
   * there.
   *
   * @throws {RangeError} If an option is out of range.
   * @throws {KupError} `"timed-out"` if there is no message; and as {@linkcode
   * Channel.receiveBatch}.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * channel.sendSync("hello");
   * for (const message of channel.receiveBatchSync({ max: 10, timeout: 10_000 })) {
   *   console.log(message.text());
   * }
   * ```
   */
  receiveBatchSync(options?: SyncBatchOptions): Message[];
  /**
   * Receives the messages that are there now, if any. All of them are valid until the next receive.
   *
   * @throws {RangeError} If `max` is no integer from 1.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait
   * for the turn; `"turn"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * const messages = channel.tryReceiveBatch({ max: 10 });
   * console.log(`${messages.length} messages are there`);
   * ```
   */
  tryReceiveBatch(options?: BatchOptions): Message[];
  /**
   * Calls `callback` for each message that is there now, and releases the message when it returns:
   * the fastest way to receive, for hot loops. No object is made for a message; the cursor reads
   * numbers from it. It stops after `max` messages, after 5 ms, or when this side closes the
   * channel. It looks at the clock after 4 messages, and then less and less often, up to every 32.
   * Inside the callback, calls that send are allowed, and calls that receive throw `"busy"`. If the
   * callback throws, so does `drain`, and that message counts as received.
   *
   * @param options `max`: the default is 65,536.
   * @returns The number of messages and gaps. 0: there is none now; then `done` is `true` if there
   * will never be one. Otherwise call it again, after other work.
   * @throws {TypeError} If the callback returns a promise; on a turn channel.
   * @throws {RangeError} If `max` is no integer from 1.
   * @throws {KupError} `"busy"` while another receive waits or `readable` is locked; `"closed"`,
   * `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.sendBatch(["a", "b", "c"]);
   * let bytes = 0;
   * for await (const message of channel) {
   *   bytes += message.length;
   *   channel.drain((message) => {
   *     bytes += message.length;
   *   });
   *   if (bytes === 3) break;
   * }
   * ```
   */
  drain(callback: (message: Cursor) => void, options?: BatchOptions): number;

  /**
   * Iterates over the messages, until either side closes the channel, the kernel's side ends its
   * direction, or the channel breaks. A step
   * rejects with `"busy"` while another receive waits, `readable` is locked, or sends wait for the
   * turn; with `"gap"` if gaps are errors; with `"turn"` or `"broken"`.
   *
   * @throws {TypeError} If an option is of the wrong kind, or belongs to another call.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.send("hello");
   * let lost = 0;
   * for await (const message of channel.messages({ gaps: (gap) => lost += gap.records })) {
   *   console.log(message.text(), `after ${lost} that were lost`);
   *   break;
   * }
   * ```
   */
  messages(options?: MessagesOptions): MessageIterator;
  /** The same as {@linkcode Channel.messages}. */
  [Symbol.asyncIterator](): MessageIterator;
  /**
   * The messages as a stream. Each chunk is a copy of one message; its `type` is lost. A message is
   * taken from the ring only when a reader asks for it, so a slow reader makes the kernel's side
   * wait.
   *
   * While the stream is locked (it has a reader, or is piped), all other calls that receive are
   * refused with `"busy"`. Canceling the stream or releasing its lock leaves the channel open. The
   * stream ends when either side closes the channel, or the kernel's side ends its direction. It
   * fails when the channel breaks, at a gap (see {@linkcode Channel.toReadable}), and with `"busy"`
   * when it is read while a receive waits.
   * The property is the same stream until that stream was cancelled or has failed; then it is a new
   * one, which continues where the old one stopped.
   *
   * @throws {TypeError} On a turn channel.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.send("line\n");
   * for await (const text of channel.readable.pipeThrough(new TextDecoderStream())) {
   *   console.log(text);
   *   break;
   * }
   * ```
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Makes a stream with options, which {@linkcode Channel.readable} is from now on. An earlier
   * stream fails with `"busy"`. With `minBytes` and `within`, a read that finds no message sleeps
   * for the watermark (see {@linkcode WatermarkOptions}), and the reads that follow take what is
   * there.
   *
   * @throws {TypeError} On a turn channel; if an option is of the wrong kind, or belongs to another
   * call.
   * @throws {KupError} `"busy"` while the earlier stream is locked.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await channel.sendBatch(["one ", "two"]);
   * await channel.end();
   * let lost = 0;
   * const stream = channel.toReadable({ gaps: (gap) => lost += gap.records });
   * console.log(await new Response(stream).text(), `after ${lost} that were lost`);
   * ```
   */
  toReadable(options?: ReadableOptions): ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * A stream that sends. Each chunk becomes one message of type 0. For another type write `new
   * WritableStream({ write: (data) => channel.send(data, { type }) })`.
   *
   * A write is done when its message is in the ring. Until then the chunk waits in the stream's
   * queue, and it is not copied: don't change it, and don't write a message's `bytes`. `close` is
   * done when all chunks are in the ring, and an end behind them (see {@linkcode Channel.end});
   * this side can still receive. To send on after a pipe, use `{ preventClose: true }`. `abort`
   * drops the chunks that are not in the ring yet. Other calls may send at the same time. If `send`
   * refuses a chunk, the stream fails; when the channel is closed or broken, every write fails. The
   * property is the same stream until that stream was closed or aborted, or has failed.
   *
   * @throws {TypeError} On a turn channel.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * await ReadableStream.from(["one", "two"]).pipeTo(channel.writable);
   * for await (const message of channel) console.log(message.text());
   * ```
   */
  readonly writable: WritableStream<Data>;

  /**
   * Returns the counters since this attach. Reads them from shared memory, without a system call.
   *
   * @throws {KupError} `"closed"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * const { droppedNoSpace, wakeups } = channel.stats();
   * console.log(`${droppedNoSpace} were lost; the kernel woke this program ${wakeups} times`);
   * ```
   */
  stats(): ChannelStats;
  /**
   * Returns the counters of this channel number, summed over all its users. Makes a system call.
   *
   * @throws {KupError} `"closed"`, `"gone"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * const { kicks, toKernelRecords } = channel.totals();
   * console.log(`${kicks} system calls for ${toKernelRecords} messages`);
   * ```
   */
  totals(): ChannelTotals;
  /**
   * Gives the channel back. Calls that wait reject with `"closed"`, loops and `readable` end,
   * messages are released, and views that were kept become empty. The kernel still gets what was
   * sent before. A second call does nothing.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * const channel = await device.attach();
   * channel.close();
   * assertEquals(channel.closed, true);
   * ```
   */
  close(): void;
  /** The same as {@linkcode Channel.close}. */
  [Symbol.dispose](): void;
  /** The same as {@linkcode Channel.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
