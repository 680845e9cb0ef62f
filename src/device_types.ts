// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of a device and its counters: the part of the public API that `types.ts` exports from
 * here.
 *
 * @module
 */

import type { Channel } from "./channel_types.ts";
import type { AttachOptions } from "./option_types.ts";

/**
 * What a device can report without a channel. Sizes are in bytes.
 *
 * @example
 * ```ts
 * import { type DeviceInfo, open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * const { name, mode, ringBytes }: DeviceInfo = device.info();
 * console.log(`${name} works in ${mode} mode, with ${ringBytes.toUser} bytes to the user`);
 * ```
 */
export interface DeviceInfo {
  /** The name that the kernel client gave the device: `kup/echo` is `/dev/kup/echo`. */
  readonly name: string;
  /** The contract's version. */
  readonly abiVersion: number;
  /**
   * How its channels work: in mode `"stream"` both sides may send at any time, in mode `"turn"` one
   * side at a time may send, and in mode `"call"` there are requests and replies.
   */
  readonly mode: "stream" | "turn" | "call";
  /** How many channels the device has. */
  readonly channels: number;
  /** How many channels are free. Other processes may change that at any time. */
  readonly channelsFree: number;
  /** The sizes of the rings of a channel that asks for no others. */
  readonly ringBytes: RingBytes;
  /** The largest rings that a channel may ask for: see {@linkcode AttachOptions.ringBytes}. */
  readonly maxRingBytes: RingBytes;
  /** How often the device's channels were attached since the device was created. */
  readonly attaches: number;
  /** How long the kernel's side spins before it sleeps, at most, in microseconds. */
  readonly spinMicroseconds: number;
}

/**
 * The sizes of a channel's two rings, in bytes.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach({ ringBytes: { toUser: 8192, toKernel: 5000 } });
 * assertEquals(channel.ringBytes, { toUser: 8192, toKernel: 8192 });
 * ```
 */
export interface RingBytes {
  /** The ring from the kernel to the user. */
  readonly toUser: number;
  /** The ring from the user to the kernel. */
  readonly toKernel: number;
}

/**
 * One channel's counters since the device was created, summed over all its users. Exact up to 2^53.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * for (let number = 0; number < device.channels; number++) {
 *   const { state, process, usedBytes } = device.totals(number);
 *   if (state !== "free") console.log(number, process, usedBytes.toUser);
 * }
 * ```
 */
export interface ChannelTotals extends ChannelStats {
  /** The channel's state now. */
  readonly state: "free" | "open" | "closed" | "broken" | "draining";
  /** How often the channel was attached. */
  readonly generation: number;
  /** How often users woke the kernel's side by a system call. */
  readonly kicks: number;
  /** All ioctl calls by users, kicks included. */
  readonly ioctls: number;
  /** poll(2) calls by users. */
  readonly polls: number;
  /**
   * The number of the process that attached the channel; `undefined` if the channel is free, or if
   * this process can't see that one (it has ended, or is in another container), or if the kernel
   * module does not report it.
   */
  readonly process: number | undefined;
  /** The sizes of the rings that its user has now; 0 if it is free. */
  readonly ringBytes: RingBytes;
  /** How full these rings are: the bytes of records that the reader has not given back yet. */
  readonly usedBytes: RingBytes;
}

/**
 * A channel's counters, as the kernel keeps them. Exact up to 2^53.
 *
 * @example
 * ```ts
 * import { type ChannelStats, open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * await channel.receive();
 * const { toUserRecords, toUserBytes }: ChannelStats = channel.stats();
 * assertEquals([toUserRecords, toUserBytes], [1, 5]);
 * ```
 */
export interface ChannelStats {
  /** How many messages the kernel's side has sent. */
  readonly toUserRecords: number;
  /** The sum of their lengths, in bytes. */
  readonly toUserBytes: number;
  /** How many messages the kernel's side has received. */
  readonly toKernelRecords: number;
  /** The sum of their lengths, in bytes. */
  readonly toKernelBytes: number;
  /** How many messages the kernel's side could not send because the ring was full. */
  readonly droppedNoSpace: number;
  /**
   * How many messages the kernel's side could not send because they were longer than `maxReceive`.
   */
  readonly droppedTooLong: number;
  /** How often the kernel woke the user. */
  readonly wakeups: number;
  /** How often the kernel's side went to sleep. */
  readonly sleeps: number;
}

/**
 * An open device. A program attaches channels through it; they stay attached when the device is
 * closed. The object stays with the device that it opened. When that device is gone (its module was
 * unloaded), every call fails with `"gone"`, even if there is a new device with the same path.
 * {@linkcode waitForDevice} opens the new one.
 *
 * Declare it with `using`, or close it. If the garbage collector finds a device that was not
 * closed, it is closed with a warning; a device is kept while one of its channels is in use. The
 * same holds for a {@linkcode Channel}. It is in use while a call waits, and while the program
 * keeps its iterator, a message, a reservation, or a view of their bytes.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * const { channels, channelsFree } = device.info();
 * console.log(`${channelsFree} of ${channels} channels are free`);
 * ```
 */
export interface Device extends Disposable {
  /** The path with which the device was opened; a relative path was made absolute. */
  readonly path: string;
  /** The name that the kernel client gave the device. */
  readonly name: string;
  /** The version of the contract that the device uses. */
  readonly abiVersion: number;
  /** How many channels the device has. */
  readonly channels: number;
  /** `true` after {@linkcode Device.close}. */
  readonly closed: boolean;
  /**
   * Returns what the device reports about itself now.
   *
   * @throws {KupError} `"closed"`, `"gone"`.
   */
  info(): DeviceInfo;
  /**
   * Attaches a channel of this device, exclusively. By default it waits until one is free. It loads
   * no module.
   *
   * @throws {RangeError} If the device has no such channel, or `spin` or a size in `ringBytes` is
   * out of range.
   * @throws {KupError} `"busy"` with `wait: false`; `"refused"` if the kernel client refuses the
   * channel; `"closed"`, `"gone"`, `"not-found"`, `"not-permitted"`, `"no-ffi-permission"`,
   * `"out-of-memory"`, `"too-many-files"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   * import { assertEquals } from "jsr:@std/assert@1";
   *
   * using device = open("host:echo");
   * using channel = await device.attach({ channel: 3 });
   * assertEquals(channel.number, 3);
   * ```
   */
  attach(options?: AttachOptions): Promise<Channel>;
  /**
   * Returns one channel's counters since the device was created. Any channel of the device may be
   * asked for.
   *
   * @throws {RangeError} If the device has no such channel.
   * @throws {KupError} `"closed"`, `"gone"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("host:echo");
   * console.log(device.totals(0).state);
   * ```
   */
  totals(channel: number): ChannelTotals;
  /**
   * Closes the device. Attaches that wait reject with `"closed"`; attached channels stay attached.
   * A second call does nothing.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * const device = open("host:echo");
   * const channel = await device.attach();
   * device.close();
   * await channel.send("The channel stays attached.");
   * channel.close();
   * ```
   */
  close(): void;
  /** The same as {@linkcode Device.close}. */
  [Symbol.dispose](): void;
}
