// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of options: the part of the public API that `types.ts` exports from here.
 *
 * @module
 */

// deno-lint-ignore no-unused-vars -- `Channel` and `DeviceInfo` are for the links only.
import type { Channel, DeviceInfo, RingBytes } from "./types.ts";

/**
 * How to open a device.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo", { parameters: { name: "mine", channels: 2 }, checks: false });
 * assertEquals([device.name, device.channels], ["mine", 2]);
 * ```
 */
export interface OpenOptions {
  /**
   * The native library's file. By default, the file that `make native` builds beside this module,
   * if there is one; otherwise the one that this module contains.
   */
  library?: string;
  /**
   * For `host:` paths: the parameters with which the client module is loaded, as with `insmod`. The
   * names are those of its `KUP_PARAM`s. If the module is loaded already, the call throws `"busy"`.
   */
  parameters?: Readonly<Record<string, string | number>>;
  /**
   * For `host:` paths: whether to look for mistakes of the client module, which makes its calls
   * slower; see {@linkcode mistakes}. As with `parameters`, the call throws `"busy"` if the module
   * is loaded already. Benchmarks pass false.
   *
   * @default {true} Without it, the environment variable `KUP_HOST_CHECKS` decides, if it is set.
   */
  checks?: boolean;
}

/**
 * Options of {@linkcode waitForDevice}.
 *
 * @example
 * ```ts
 * import { waitForDevice } from "jsr:@kup/kup";
 *
 * using device = await waitForDevice("host:echo", { signal: AbortSignal.timeout(10_000) });
 * console.log(device.name);
 * ```
 */
export interface WaitForDeviceOptions extends OpenOptions {
  /** Ends the wait; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Options of {@linkcode unload} and {@linkcode mistakes}.
 *
 * @example
 * ```ts
 * import { mistakes, unload, type UnloadOptions } from "jsr:@kup/kup";
 *
 * const options: UnloadOptions = {}; // or the `library` that `open` was given
 * if (mistakes("host:echo", options).length > 0) unload("host:echo", options);
 * ```
 */
export interface UnloadOptions {
  /** The native library's file, if `open` was given one. */
  library?: string;
}

/**
 * How to attach a channel.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach({
 *   ringBytes: { toUser: 65536 },
 *   spin: 0, // sleep at once
 *   signal: AbortSignal.timeout(10_000),
 * });
 * console.log(channel.ringBytes);
 * ```
 */
export interface AttachOptions {
  /** The channel's number, from 0. By default, any free channel. */
  channel?: number;
  /**
   * The sizes of the channel's rings, in bytes: integers from 1 to the device's largest sizes
   * ({@linkcode DeviceInfo.maxRingBytes}). They are rounded up to a power of two of at least a
   * page; {@linkcode Channel.ringBytes} has the result. A ring that is left out gets the device's
   * default. The memory is charged to this process.
   */
  ringBytes?: Partial<RingBytes>;
  /** Ends the wait for a free channel. */
  signal?: AbortSignal;
  /**
   * How long a call that waits spins before it sleeps, at most, in microseconds: it looks again and
   * again for a message, or for room. The time is adapted to how long waits take. 0 disables
   * spinning.
   *
   * @default {100}
   */
  spin?: number;
  /**
   * Whether to wait while others have the channel. If its last user has gone, and the kernel's side
   * still reads what that user sent, the call waits for a second at most in any case.
   *
   * @default {true}
   */
  wait?: boolean;
}

/**
 * Turn channels only: what happens to a message that was not received.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 2 } }); // turn mode
 * using channel = await device.attach();
 * await channel.send("one");
 * await channel.send("two", { discard: true }); // the answer to "one" is dropped
 * console.log((await channel.receive())?.text());
 * ```
 */
export interface TurnOptions {
  /**
   * Whether to drop a message that came with the turn and was not received. If not, the call throws
   * `"unread"`.
   *
   * @default {false}
   */
  discard?: boolean | undefined;
}

/**
 * How to send one message.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * channel.trySend("hello", { type: 7 });
 * assertEquals((await channel.receive())?.type, 7);
 * ```
 */
export interface SendOptions extends TurnOptions {
  /**
   * The clients' own tag, an integer from 0 to 2^32-1.
   *
   * @default {0}
   */
  type?: number;
}

/**
 * How to send one message, with a promise.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello", { type: 7, signal: AbortSignal.timeout(1000) });
 * ```
 */
export interface AsyncSendOptions extends SendOptions {
  /** Ends the wait for room, or for the turn. The message is not sent then. */
  signal?: AbortSignal;
}

/**
 * How to send one message, blocking this thread. A worker that blocks can't be terminated, and
 * keeps its process from ending, until the call returns; use a `timeout`.
 *
 * @example
 * ```ts
 * import { KupError, open } from "jsr:@kup/kup";
 * import { assertThrows } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * channel.sendSync(new Uint32Array([0xffffffff]), { type: 0xffff0005 }); // the client pauses
 * const fill = () => {
 *   for (;;) channel.sendSync(new Uint8Array(1000), { timeout: 10 });
 * };
 * assertThrows(fill, KupError, "10 ms"); // the ring is full
 * ```
 */
export interface SyncSendOptions extends SendOptions {
  /** How long to wait for room, or for the turn, in milliseconds. By default, without a limit. */
  timeout?: number;
}

/**
 * How to wait, with a promise.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertRejects } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * const signal = AbortSignal.abort(new Error("enough"));
 * await assertRejects(() => channel.receive({ signal }), Error, "enough");
 * ```
 */
export interface WaitOptions {
  /** Ends the wait. No message is lost: the next receive gets what this one would have got. */
  signal?: AbortSignal;
}

/**
 * How to wait, blocking this thread. A worker that blocks can't be terminated, and keeps its
 * process from ending, until the call returns; use a `timeout`.
 *
 * @example
 * ```ts
 * import { KupError, open } from "jsr:@kup/kup";
 * import { assertThrows } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * assertThrows(() => channel.receiveSync({ timeout: 5 }), KupError); // nothing was sent
 * ```
 */
export interface SyncWaitOptions {
  /** How long to wait, in milliseconds. By default, without a limit. */
  timeout?: number;
}

/**
 * How to reserve, or to pass the turn, with a promise.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * using room = await channel.reserve(100, { signal: AbortSignal.timeout(1000) });
 * room.discard();
 * ```
 */
export interface AsyncTurnOptions extends WaitOptions, TurnOptions {}

/**
 * How to pass the turn, blocking this thread.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 2 } }); // turn mode
 * using channel = await device.attach();
 * channel.sendSync("hello");
 * channel.passSync({ timeout: 1000, discard: true }); // the answer is dropped
 * ```
 */
export interface SyncTurnOptions extends SyncWaitOptions, TurnOptions {}

/**
 * How to receive several messages at once.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * const count = channel.drain((message) => console.log(message.u8(0)), { max: 100 });
 * console.log(count);
 * ```
 */
export interface BatchOptions {
  /**
   * How many messages to take at most.
   *
   * @default {256}
   */
  max?: number;
}

/**
 * Stream channels only: how long to sleep while few messages are there. With one of the two, a wait
 * ends when `minBytes` can be read or `within` has passed; the program is then woken once for many
 * messages. It ends earlier if the kernel's side lacks room, has lost messages or has ended its
 * direction, or if the channel ends. If no message is there when the time has passed, the next one
 * ends the wait.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * // Half the ring, or what has come within 50 ms.
 * const messages = await channel.receiveBatch({ within: 50 });
 * console.log(messages.length);
 * ```
 */
export interface WatermarkOptions {
  /**
   * How many bytes to wait for, at most half the ring to the user. A message takes its length and
   * 8 bytes, rounded up to a multiple of 8. By default, 1; half the ring if `within` is given.
   */
  minBytes?: number | undefined;
  /**
   * After how many milliseconds, counted from the call, to take fewer bytes. By default, without a
   * limit.
   */
  within?: number | undefined;
}

/**
 * How to wait for several messages.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.sendBatch(["a", "b", "c"]);
 * const messages = await channel.receiveBatch({ minBytes: 3 * 16, max: 2 });
 * console.log(messages.length);
 * ```
 */
export interface WatermarkBatchOptions extends WatermarkOptions {
  /**
   * How many messages to take at most.
   *
   * @default {256}, or all of them with `minBytes` or `within`.
   */
  max?: number;
}

/**
 * How to receive several messages at once, with a promise.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * const signal = AbortSignal.timeout(10_000);
 * const messages = await channel.receiveBatch({ minBytes: 4096, within: 50, signal });
 * console.log(messages.length);
 * ```
 */
export interface AsyncBatchOptions extends WatermarkBatchOptions, WaitOptions {}

/**
 * How to receive several messages at once, blocking this thread.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * channel.sendSync("hello");
 * console.log(channel.receiveBatchSync({ minBytes: 4096, timeout: 50 }).length);
 * ```
 */
export interface SyncBatchOptions extends WatermarkBatchOptions, SyncWaitOptions {}

/**
 * How to finish a reservation.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * {
 *   using room = await channel.reserve(1000);
 *   room.bytes.fill(1, 0, 3);
 *   room.commit({ type: 7, length: 3 });
 * }
 * const message = await channel.receive();
 * assertEquals([message?.type, message?.length], [7, 3]);
 * ```
 */
export interface CommitOptions {
  /**
   * The clients' own tag, an integer from 0 to 2^32-1.
   *
   * @default {0}
   */
  type?: number;
  /** How many of the reserved bytes to send. By default, all of them. */
  length?: number;
}
