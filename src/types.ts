// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of the public API. An object belongs to the isolate (the main thread, or one worker)
 * that opened the device. It can't be passed to another isolate, which has to open the device
 * itself. When the isolate ends, what it has open is closed. This includes a worker that is
 * terminated, and a program that `deno run --watch` restarts.
 *
 * @module
 */

import type { CommitOptions } from "./option_types.ts";

export type * from "./call_types.ts";
export type * from "./channel_types.ts";
export type * from "./device_types.ts";
export type * from "./message_types.ts";
export type * from "./option_types.ts";

/**
 * The bytes of a message. A string is encoded as UTF-8. The bytes are copied before the call
 * returns, so the caller may reuse its buffer at once, even while the message still waits for room.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.sendBatch(["text", new Uint8Array([1, 2, 3]), new Float64Array(2)]);
 * const lengths = [];
 * for await (const message of channel) if (lengths.push(message.length) === 3) break;
 * assertEquals(lengths, [4, 3, 16]);
 * ```
 */
export type Data = string | Uint8Array | ArrayBuffer | ArrayBufferView;

/**
 * Room in the ring to the kernel, for a message to be written in place. The kernel stops at it
 * until it is committed or discarded, even if messages behind it are finished, so finish it soon.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * using room = await channel.reserve(1000);
 * const { written } = new TextEncoder().encodeInto("in place", room.bytes);
 * room.commit({ length: written });
 * ```
 */
export interface Reservation extends Disposable {
  /** How many bytes were reserved. */
  readonly length: number;
  /**
   * Where to write the message. The initial content is arbitrary.
   *
   * @throws {KupError} `"released"` after commit and discard, `"closed"` after the channel's close.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Sends the message.
   *
   * @throws {RangeError} If `length` is more than was reserved, or `type` is out of range.
   * @throws {KupError} `"released"` if the reservation was committed or discarded before;
   * `"closed"`; `"broken"`, also if the kernel's side has sent out of turn.
   */
  commit(options?: CommitOptions): void;
  /**
   * Gives the room back; nothing is sent. Does nothing after a commit.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * using channel = await device.attach();
   * const room = await channel.reserve(100);
   * room.discard(); // nothing is sent
   * ```
   */
  discard(): void;
  /** Discards the reservation unless it was committed. */
  [Symbol.dispose](): void;
}
