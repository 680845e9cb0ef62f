// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of what a program receives: the part of the public API that `types.ts` exports from
 * here.
 *
 * @module
 */

import type { WatermarkOptions } from "./option_types.ts";

/**
 * A report of messages that the kernel's side had to leave out, because the ring was full and it
 * could not wait.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach({ ringBytes: { toUser: 4096 } });
 * // The echo client sends 100 messages of 128 bytes, and does not wait for room.
 * const PRODUCE = 0xffff0001;
 * await channel.send(new Uint32Array([100, 0, 128, 3]), { type: PRODUCE });
 * let [received, lost] = [0, 0];
 * for await (const message of channel) {
 *   if (message.gap !== undefined) lost += message.gap.records;
 *   else if (message.type === PRODUCE) break; // the report that ends them
 *   else received++;
 * }
 * assertEquals(received + lost, 100);
 * ```
 */
export interface Gap {
  /** How many messages are missing here. */
  readonly records: number;
  /** The sum of their lengths, in bytes. */
  readonly bytes: number;
}

/**
 * Reads of a message's bytes, without a view of them. Offsets and lengths are in bytes from the
 * beginning of the message; numbers are little-endian, as all machines that KUP runs on write them.
 * A read beyond the message throws a RangeError, a read of a gap throws `"gap"`, and a read of a
 * message that is no longer valid throws `"released"`.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send(new Uint32Array([0x34333231, 0, 0, 0x3ff00000]));
 * const message = (await channel.receive())!;
 * assertEquals([message.u8(0), message.u16(0), message.u32(0)], [0x31, 0x3231, 0x34333231]);
 * assertEquals([message.i32(4), message.f32(4), message.f64(8)], [0, 0, 1]);
 * assertEquals([message.u64(4), message.i64(4)], [0n, 0n]);
 * assertEquals([message.text(0, 4), message.text(2, 1)], ["1234", "3"]);
 * assertEquals([...message.copy(0, 2)], [0x31, 0x32]);
 * const buffer = new Uint8Array(100);
 * assertEquals(message.copyInto(buffer, 10), 16);
 * await channel.send("[1, 2]");
 * assertEquals((await channel.receive())?.json(), [1, 2]);
 * ```
 */
export interface Reads {
  /** An unsigned integer of 8 bits. */
  u8(offset: number): number;
  /** An unsigned integer of 16 bits. */
  u16(offset: number): number;
  /** An unsigned integer of 32 bits; the fastest at multiples of 4. */
  u32(offset: number): number;
  /** A signed integer of 32 bits; the fastest at multiples of 4. */
  i32(offset: number): number;
  /** A number of 32 bits. */
  f32(offset: number): number;
  /** A number of 64 bits. */
  f64(offset: number): number;
  /** An unsigned integer of 64 bits. */
  u64(offset: number): bigint;
  /** A signed integer of 64 bits. */
  i64(offset: number): bigint;
  /** The bytes, or a part of them, decoded as UTF-8; invalid sequences become U+FFFD. */
  text(offset?: number, length?: number): string;
  /**
   * The bytes, parsed as JSON.
   *
   * @throws {SyntaxError} If they are not JSON.
   */
  json(): unknown;
  /** A copy of the bytes, or of a part of them, which belongs to the caller. */
  copy(offset?: number, length?: number): Uint8Array<ArrayBuffer>;
  /**
   * Copies the bytes into `target`, from the index `at` on, without an allocation.
   *
   * @param target An array with room for `length` bytes.
   * @param at The default is 0.
   * @returns The number of bytes, which is `length`.
   * @throws {TypeError} If `target` is no Uint8Array.
   * @throws {RangeError} If they do not fit, or `at` is no integer from 0. Then nothing is copied.
   */
  copyInto(target: Uint8Array, at?: number): number;
}

/**
 * The time, processor and number of a message. The kernel's side reserves a message's room under a
 * lock, and takes the stamp there, so neither times nor numbers go backwards. On a channel without
 * stamps all four are undefined; the kernel client decides that (`kup_config.stamps`).
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo", { parameters: { stamps: 1 } });
 * using channel = await device.attach();
 * await channel.send("hello");
 * const { sequence, timestamp = 0, cpu } = (await channel.receive())!;
 * assertEquals(sequence, 0);
 * console.log(`processor ${cpu} sent it ${performance.now() - timestamp} ms ago`);
 * ```
 */
export interface Stamp {
  /**
   * The time in milliseconds, comparable with `performance.now()` of this isolate. It may be
   * negative: before the isolate began.
   */
  readonly timestamp: number | undefined;
  /** The same time in nanoseconds of the system's monotonic clock. */
  readonly timestampNs: bigint | undefined;
  /** The number of the processor that sent the message. */
  readonly cpu: number | undefined;
  /**
   * The message's number on its channel, from 0, modulo 2^32. Messages that were lost have numbers,
   * too: a gap's is that of its first one. So the next one's number is 1 more; after a gap, it is
   * `gap.records` more. A number is missing only if the kernel's side discarded its message.
   */
  readonly sequence: number | undefined;
}

/**
 * A message from the kernel. It lies in memory that is shared with the kernel. It is valid until
 * the next receive or iteration step on its channel, and until the channel is closed; on a turn
 * channel, also only until the next send, pass or commit. To keep its bytes for longer, copy them.
 * When the message is no longer valid, the kernel gets its room back, and that of the messages
 * behind it.
 *
 * @example
 * ```ts
 * import { type Message, open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * // The numbers in a message, in its own memory: they are valid as long as it is.
 * function numbers({ bytes, length }: Message): Float64Array {
 *   return new Float64Array(bytes.buffer, bytes.byteOffset, length / 8);
 * }
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send(new Float64Array([1.5, 2.5]));
 * const message = await channel.receive();
 * if (message !== undefined) assertEquals([...numbers(message)], [1.5, 2.5]);
 * ```
 */
export interface Message extends Reads, Stamp {
  /** The clients' own tag, an integer from 0 to 2^32-1. */
  readonly type: number;
  /** The length of its bytes. */
  readonly length: number;
  /**
   * Set if this is not a message, but a report that messages are missing here. A gap has type 0 and
   * length 0. Each way to read its bytes throws `"gap"`.
   */
  readonly gap: Gap | undefined;
  /**
   * Turn channels only: `true` if this is not a message, but only passes the turn. It has no bytes.
   */
  readonly pass: boolean;
  /**
   * The bytes themselves, not a copy. They begin at a multiple of 8, so that arrays of other types
   * can be laid over them: `new Float64Array(bytes.buffer, bytes.byteOffset, n)`.
   *
   * After the message is no longer valid, a view that was kept shows other messages, zeros or
   * nothing; it never endangers the process. Passing a view to something that reads it later means
   * keeping it: a stream's queue (`controller.enqueue`, `writer.write`, `ReadableStream.from`), or
   * a write or a hash that is not awaited before the next receive. Use a {@linkcode Message.copy}
   * there, or the channel's {@linkcode Channel.readable}, whose chunks are copies.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * The same bytes as a `DataView`, for numbers: `view.getUint32(0, true)`. It is valid as long as
   * `bytes` is.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  readonly view: DataView<ArrayBuffer>;
}

/**
 * The message that {@linkcode Channel.drain} has reached. One object serves all messages: it is
 * valid until the callback returns.
 *
 * @example
 * ```ts
 * import { type Cursor, open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * let sum = 0;
 * const add = (message: Cursor) => void (sum += message.u32(0));
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.sendBatch([1, 2, 3].map((number) => new Uint32Array([number])));
 * await channel.end();
 * while (!channel.done) {
 *   if (channel.drain(add) === 0) await new Promise((resolve) => setTimeout(resolve));
 * }
 * assertEquals(sum, 6);
 * ```
 */
export interface Cursor extends Reads, Stamp {
  /** The clients' own tag, an integer from 0 to 2^32-1. */
  readonly type: number;
  /** The length of the message. */
  readonly length: number;
  /** Set if this is not a message, but a report that messages are missing here. */
  readonly gap: Gap | undefined;
}

/**
 * The messages of a channel, one by one. A message is valid until the next step. One step at a time
 * may wait; a second one is refused with `"busy"`, since its message would end the validity of the
 * first one's. A step that is refused or aborted takes no message, and the next step may succeed.
 * Only the end of the channel and `return` end the iterator.
 *
 * @example
 * ```ts
 * import { type MessageIterator, open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * const messages: MessageIterator = channel.messages();
 * const step = await messages.next();
 * if (!step.done) console.log(step.value.text());
 * await messages.return(); // the channel stays open
 * ```
 */
export interface MessageIterator extends AsyncIterableIterator<Message>, AsyncDisposable {
  /**
   * Ends the iterator: a step that waits is done, and the iterator's newest message is released.
   * The channel stays open, and other calls and their messages are not affected.
   */
  return(): Promise<IteratorResult<Message>>;
  /** Returns this iterator. */
  [Symbol.asyncIterator](): this;
  /** The same as {@linkcode MessageIterator.return}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * How to iterate over a channel's messages.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertRejects } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * const ending = new AbortController();
 * const loop = (async () => {
 *   for await (const message of channel.messages({ signal: ending.signal, gaps: "throw" })) {
 *     console.log(message.text());
 *   }
 * })();
 * ending.abort(new Error("enough"));
 * await assertRejects(() => loop, Error, "enough");
 * ```
 */
export interface MessagesOptions {
  /**
   * Ends the loop: the step that waits, and every later one, reject with the signal's reason. No
   * message is lost: the next receive gets what the step would have got.
   */
  signal?: AbortSignal | undefined;
  /**
   * What happens at a gap: the loop gets a message whose `gap` is set (`"report"`), the step throws
   * `"gap"` (`"throw"`), or this function is called and the loop gets the next message. If the
   * function throws, the step does. After an error, the messages behind the gap can still be
   * received.
   *
   * @default {"report"}
   */
  gaps?: "report" | "throw" | ((gap: Gap) => void) | undefined;
}

/**
 * How to make a stream of a channel's messages.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * const stream = channel.toReadable({ gaps: () => {}, minBytes: 4096, within: 50 });
 * await channel.send("hello");
 * await channel.end();
 * for await (const chunk of stream) console.log(chunk.length);
 * ```
 */
export interface ReadableOptions extends WatermarkOptions {
  /**
   * What happens at a gap: the stream fails with `"gap"` (`"throw"`), or this function is called
   * and the stream continues; `() => {}` ignores gaps. If the function throws, the stream fails
   * with that.
   *
   * @default {"throw"}
   */
  gaps?: "throw" | ((gap: Gap) => void) | undefined;
}
