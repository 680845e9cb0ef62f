// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of options: the part of the public API that `types.ts` exports from here.
 *
 * @module
 */

// deno-lint-ignore no-unused-vars -- `Channel` and `DeviceInfo` are for the links only.
import type { Channel, DeviceInfo, RingBytes } from "./types.ts";

/** How to open a device. */
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
}

/** Options of {@linkcode waitForDevice}. */
export interface WaitForDeviceOptions extends OpenOptions {
  /** Ends the wait; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of {@linkcode unload}. */
export interface UnloadOptions {
  /** The native library's file, if `open` was given one. */
  library?: string;
}

/** How to attach a channel. */
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

/** Turn channels only: what happens to a message that was not received. */
export interface TurnOptions {
  /**
   * Whether to drop a message that came with the turn and was not received. If not, the call throws
   * `"unread"`.
   *
   * @default {false}
   */
  discard?: boolean | undefined;
}

/** How to send one message. */
export interface SendOptions extends TurnOptions {
  /**
   * The clients' own tag, an integer from 0 to 2^32-1.
   *
   * @default {0}
   */
  type?: number;
}

/** How to send one message, with a promise. */
export interface AsyncSendOptions extends SendOptions {
  /** Ends the wait for room, or for the turn. The message is not sent then. */
  signal?: AbortSignal;
}

/**
 * How to send one message, blocking this thread. A worker that blocks can't be terminated, and
 * keeps its process from ending, until the call returns; use a `timeout`.
 */
export interface SyncSendOptions extends SendOptions {
  /** How long to wait for room, or for the turn, in milliseconds. By default, without a limit. */
  timeout?: number;
}

/** How to wait, with a promise. */
export interface WaitOptions {
  /** Ends the wait. No message is lost: the next receive gets what this one would have got. */
  signal?: AbortSignal;
}

/**
 * How to wait, blocking this thread. A worker that blocks can't be terminated, and keeps its
 * process from ending, until the call returns; use a `timeout`.
 */
export interface SyncWaitOptions {
  /** How long to wait, in milliseconds. By default, without a limit. */
  timeout?: number;
}

/** How to reserve, or to pass the turn, with a promise. */
export interface AsyncTurnOptions extends WaitOptions, TurnOptions {}

/** How to pass the turn, blocking this thread. */
export interface SyncTurnOptions extends SyncWaitOptions, TurnOptions {}

/** How to receive several messages at once. */
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

/** How to wait for several messages. */
export interface WatermarkBatchOptions extends WatermarkOptions {
  /**
   * How many messages to take at most.
   *
   * @default {256}, or all of them with `minBytes` or `within`.
   */
  max?: number;
}

/** How to receive several messages at once, with a promise. */
export interface AsyncBatchOptions extends WatermarkBatchOptions, WaitOptions {}

/** How to receive several messages at once, blocking this thread. */
export interface SyncBatchOptions extends WatermarkBatchOptions, SyncWaitOptions {}

/** How to finish a reservation. */
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
