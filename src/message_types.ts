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

/** How to iterate over a channel's messages. */
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

/** How to make a stream of a channel's messages. */
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
