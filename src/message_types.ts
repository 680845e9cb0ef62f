// SPDX-License-Identifier: BSD-3-Clause
/**
 * The public API's shapes of what is received: a part of `types.ts`, which exports them.
 *
 * @module
 */

/** What the kernel's side had to leave out, because the ring was full when it could not wait. */
export interface Gap {
  /** Messages that are missing here. */
  readonly records: number;
  /** Their bytes. */
  readonly bytes: number;
}

/**
 * A message from the kernel. It lies in memory that is shared with the kernel, and is valid until
 * the next receive or iteration step on its channel, on a turn channel also until the next send,
 * pass or commit, or until the channel is closed. What is to live longer has to be copied. The
 * kernel gets its room, and that of all messages behind it, when it is no longer valid.
 */
export interface Message {
  /** The clients' own tag, from 0 to 2^32-1. */
  readonly type: number;
  /** Bytes. */
  readonly length: number;
  /**
   * Set if this is no message but a report that some are missing here. A gap has type and length 0;
   * its bytes, in any form, are the error `"gap"`.
   */
  readonly gap: Gap | undefined;
  /** On a turn channel: this is no message, it only passes the turn; then there are no bytes. */
  readonly pass: boolean;
  /**
   * The bytes themselves, not a copy. They begin at a multiple of 8, so other arrays can be laid
   * over them: `new Float64Array(bytes.buffer, bytes.byteOffset, n)`.
   *
   * A view that is kept for longer than the message is valid shows other messages, zeros or
   * nothing; it is never a danger to the process. To hand it to something that reads it later is to
   * keep it: a stream's queue (`controller.enqueue`, `writer.write`, `ReadableStream.from`), a write
   * or a hash that is not awaited before the next receive. These need a {@linkcode Message.copy}, or
   * the channel's {@linkcode Channel.readable}, whose chunks are copies.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * The same bytes as a `DataView`, for numbers: `view.getUint32(0, true)`. It is kept as `bytes`
   * are.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  readonly view: DataView<ArrayBuffer>;
  /**
   * The bytes as UTF-8; what isn't becomes U+FFFD.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  text(): string;
  /**
   * The bytes as JSON.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   * @throws {SyntaxError} If they are not JSON.
   */
  json(): unknown;
  /**
   * A copy of the bytes, the caller's to keep.
   *
   * @throws {KupError} `"released"` when the message is no longer valid, `"gap"` if it is a gap.
   */
  copy(): Uint8Array<ArrayBuffer>;
}

/**
 * The messages of a channel, one by one. A message is valid until the next step. One step at a time
 * may wait: another one is refused as `"busy"`, since its message would end the first one's
 * validity. A step that is refused or aborted takes nothing, and the next one may succeed: only the
 * channel's end and `return` end the iterator.
 */
export interface MessageIterator extends AsyncIterableIterator<Message>, AsyncDisposable {
  /**
   * Ends the iterator: its step that waits is done, and its newest message is released. The channel
   * stays open; other calls' waits and messages stay as they are.
   */
  return(): Promise<IteratorResult<Message>>;
  /** This iterator. */
  [Symbol.asyncIterator](): this;
  /** The same as {@linkcode MessageIterator.return}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How to go through a channel's messages. */
export interface MessagesOptions {
  /**
   * Ends the loop: the step that waits and every later one reject with the signal's reason. Nothing
   * is lost: another receive gets what the step would have got.
   */
  signal?: AbortSignal | undefined;
  /**
   * What a gap is: a message whose `gap` is set, the error `"gap"`, or a call of this function in
   * the place of a message. What the function throws goes to the reader. After an error, the
   * messages behind the gap can still be received.
   *
   * @default {"report"}
   */
  gaps?: "report" | "throw" | ((gap: Gap) => void) | undefined;
}

/** How to make a stream of a channel's messages. */
export interface ReadableOptions {
  /**
   * What a gap is: the error `"gap"`, with which the stream ends, or a call of this function, after
   * which the stream goes on; `() => {}` ignores gaps. The stream ends with what the function
   * throws.
   *
   * @default {"throw"}
   */
  gaps?: "throw" | ((gap: Gap) => void) | undefined;
}
