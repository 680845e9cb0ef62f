// SPDX-License-Identifier: BSD-3-Clause
/**
 * Message passing between kernel modules and Deno, over shared memory: zero-copy, in both
 * directions, and without system calls while both sides are busy. Runs with `--allow-ffi` and
 * nothing else, in Deno 2.7.12 or newer, on Linux (x86_64 and aarch64) and FreeBSD.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo"); // or "/dev/kup/echo": the same driver, in the kernel
 * using channel = await device.attach();
 * await channel.send("hello");
 * // The loop ends when either side closes the channel, and throws when the channel is broken. A
 * // message whose `gap` is set has no bytes: it reports messages that the kernel lost here,
 * // because the ring was full.
 * for await (const message of channel) {
 *   console.log(message.text()); // message.bytes is a view of the shared pages
 *   break;
 * }
 * ```
 *
 * @module
 */

export { open } from "./src/device.ts";
export { CallError, CallStatus } from "./src/call_error.ts";
export { mistakes, unload } from "./src/host.ts";
export { waitForDevice } from "./src/wait_for_device.ts";
export { KupError, type KupErrorCode, type KupErrorOptions } from "./src/errors.ts";
export type {
  AsyncBatchOptions,
  AsyncSendOptions,
  AsyncTurnOptions,
  AttachOptions,
  BatchOptions,
  CallData,
  CallHandler,
  CallMethods,
  CallOptions,
  CallRequest,
  Channel,
  ChannelStats,
  ChannelTotals,
  CommitOptions,
  Cursor,
  Data,
  Device,
  DeviceInfo,
  Gap,
  Message,
  MessageIterator,
  MessagesOptions,
  OpenOptions,
  ReadableOptions,
  Reads,
  Reply,
  Reservation,
  RingBytes,
  SendOptions,
  Stamp,
  SyncBatchOptions,
  SyncSendOptions,
  SyncTurnOptions,
  SyncWaitOptions,
  TurnOptions,
  UnloadOptions,
  WaitForDeviceOptions,
  WaitOptions,
  WatermarkBatchOptions,
  WatermarkOptions,
} from "./src/types.ts";
