// SPDX-License-Identifier: BSD-3-Clause
/**
 * The public API's shapes. Everything here belongs to the isolate (the main thread or one worker)
 * that opened the device: objects can't be handed to another one, which opens the device itself.
 * What is open when the isolate ends is closed: also when a worker is terminated, or when a
 * program under `deno run --watch` starts again.
 *
 * @module
 */

import type {
  Message,
  MessageIterator,
  MessagesOptions,
  ReadableOptions,
} from "./message_types.ts";

export type * from "./message_types.ts";

/**
 * What can be sent. Strings become UTF-8. The bytes are copied before the call returns, so the
 * caller may reuse its buffer at once, also while the message still waits for room.
 */
export type Data = string | Uint8Array | ArrayBuffer | ArrayBufferView;

/** How to open a device. */
export interface OpenOptions {
  /**
   * The native library's file. Without it, the one that `make native` builds beside this module is used
   * if it is there, and otherwise the one that this module brings with it.
   */
  library?: string;
  /**
   * For `host:` paths: loads the client module with these parameters, as `insmod` would; the
   * names are those of its `KUP_PARAM`s. A module that is loaded already has its parameters: that is the
   * error `"busy"`.
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

/** What a device tells without a channel. Sizes are in bytes. */
export interface DeviceInfo {
  /** The name that the kernel client gave it: `kup/echo` is `/dev/kup/echo`. */
  readonly name: string;
  /** The contract's version. */
  readonly abiVersion: number;
  /** How its channels work: `"stream"` is full duplex, in `"turn"` one side at a time may send. */
  readonly mode: "stream" | "turn";
  /** How many channels it has. */
  readonly channels: number;
  /** How many of them nobody has attached. Others may change that at any time. */
  readonly channelsFree: number;
  /** One channel's ring from the kernel to the user. */
  readonly toUserBytes: number;
  /** One channel's ring from the user to the kernel. */
  readonly toKernelBytes: number;
  /** How often its channels were attached since it was created. */
  readonly attaches: number;
  /** How long the kernel's side looks before it sleeps, in microseconds. */
  readonly spinMicroseconds: number;
}

/** How to attach a channel. */
export interface AttachOptions {
  /** A channel's number, from 0; without it any free one. */
  channel?: number;
  /** Ends the wait for a free channel. */
  signal?: AbortSignal;
  /**
   * For how many microseconds at most a receive (or a send into a full ring) looks for what it
   * wants before it sleeps. That time is adapted to what pays. 0 is never; 100 without it.
   */
  spin?: number;
  /**
   * Whether to wait while others have the channel; `true` without it. For one whose last user has
   * gone, and which the kernel's side is still reading to its end, it waits a second at most anyway.
   */
  wait?: boolean;
}

/** One channel's counters since the device was created, over all its users. Exact up to 2^53. */
export interface KernelStats extends ChannelStats {
  /** What the channel is doing now. */
  readonly state: "free" | "open" | "closed" | "broken" | "draining";
  /** How often it was attached. */
  readonly generation: number;
  /** Wake-up calls by users. */
  readonly kicks: number;
  /** All ioctl calls by users, kicks included. */
  readonly ioctls: number;
  /** poll(2) calls by users. */
  readonly polls: number;
}

/** A channel's counters, as the kernel counts. Exact up to 2^53. */
export interface ChannelStats {
  /** Messages from the kernel. */
  readonly toUserRecords: number;
  /** Their bytes. */
  readonly toUserBytes: number;
  /** Messages to the kernel that it has taken. */
  readonly toKernelRecords: number;
  /** Their bytes. */
  readonly toKernelBytes: number;
  /** Messages that the kernel could not place, because the ring was full. */
  readonly droppedNoSpace: number;
  /** Messages that the kernel could not place, because they were longer than any ring. */
  readonly droppedTooLong: number;
  /** How often the kernel woke the user. */
  readonly wakeups: number;
  /** How often the kernel's side went to sleep. */
  readonly sleeps: number;
}

/** Turn channels only: what becomes of a message that nothing has received. */
export interface TurnOptions {
  /**
   * Whether to drop the message that came with the turn, if it was not received. Otherwise it is the
   * error `"unread"`.
   *
   * @default {false}
   */
  discard?: boolean | undefined;
}

/** How to send one message. */
export interface SendOptions extends TurnOptions {
  /** The clients' own tag, an integer from 0 to 2^32-1; 0 without it. */
  type?: number;
}

/** How to send, with a promise. */
export interface AsyncSendOptions extends SendOptions {
  /** Ends the wait for room, or for the turn; the message is then not sent at all. */
  signal?: AbortSignal;
}

/**
 * How to send, blocking this thread. A worker that blocks can't be terminated until it goes on, so a process does not
 * end by itself meanwhile; a `timeout` helps.
 */
export interface SyncSendOptions extends SendOptions {
  /** How long to wait for room, or for the turn, in milliseconds; without a limit by default. */
  timeout?: number;
}

/** How to wait, with a promise. */
export interface WaitOptions {
  /**
   * Ends the wait. Nothing is lost: the next receive gets what this one would have got. What is no AbortSignal is
   * a `TypeError`.
   */
  signal?: AbortSignal;
}

/**
 * How to wait, blocking this thread. A worker that blocks can't be terminated until it goes on, so a process does not
 * end by itself meanwhile; a `timeout` helps.
 */
export interface SyncWaitOptions {
  /** How long, in milliseconds; for ever without it. */
  timeout?: number;
}

/** How to reserve, or to pass the turn, with a promise. */
export interface AsyncTurnOptions extends WaitOptions, TurnOptions {}

/** How to pass the turn, blocking this thread. */
export interface SyncTurnOptions extends SyncWaitOptions, TurnOptions {}

/** How to receive several messages at once. */
export interface BatchOptions {
  /** How many at most; 256 without it. */
  max?: number;
}

/** How to receive several messages at once, with a promise. */
export interface AsyncBatchOptions extends BatchOptions, WaitOptions {}

/** How to finish a reservation. */
export interface CommitOptions {
  /** The clients' own tag, an integer from 0 to 2^32-1; 0 without it. */
  type?: number;
  /** How many of the reserved bytes to send; all of them without it. */
  length?: number;
}

/**
 * Room in the ring to the kernel, for a message that is written in place. The kernel stops at it until it is
 * committed or discarded, also if messages behind it are finished, so don't keep it long.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("/dev/kup/echo");
 * using channel = await device.attach();
 * using room = await channel.reserve(1000);
 * const { written } = new TextEncoder().encodeInto("in place", room.bytes);
 * room.commit({ length: written });
 * ```
 */
export interface Reservation extends Disposable {
  /** Bytes that were reserved. */
  readonly length: number;
  /**
   * Where the message goes. Its first content is arbitrary.
   *
   * @throws {KupError} `"released"` after commit and discard, `"closed"` after the channel's close.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Sends it.
   *
   * @throws {RangeError} If `length` is more than was reserved, or `type` is out of range.
   * @throws {KupError} `"released"` if it was committed or discarded before; `"closed"`; `"broken"`,
   * also if the kernel's side has sent out of turn.
   */
  commit(options?: CommitOptions): void;
  /** Gives the room back; nothing is sent. Does nothing after commit. */
  discard(): void;
  /** Discards it unless it was committed. */
  [Symbol.dispose](): void;
}

/**
 * One channel: messages in both directions, through shared memory and without system calls while
 * both sides are busy. Not for use by several threads.
 *
 * Messages arrive in the order in which they were sent. `for await` over a channel gives its
 * messages, ends when either side has closed it, and throws when it is broken; leaving the loop
 * early keeps the channel open.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("/dev/kup/echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * for await (const message of channel) {
 *   console.log(message.type, message.text());
 *   break;
 * }
 * ```
 */
export interface Channel extends Disposable, AsyncDisposable, AsyncIterable<Message> {
  /** Its number on the device, from 0. */
  readonly number: number;
  /** Counts the attaches of this number, from 1. */
  readonly generation: number;
  /**
   * How it works. On a `"turn"` channel one side at a time may send; the kernel has the first turn. A
   * record of the kernel's (a message, or a pass) gives the turn to this side, and a send or a pass
   * gives it back, with what came with it:
   * - `send`, `pass` and `reserve` wait for the turn, several of them in the order of the calls; the
   *   `try` forms return at once.
   * - A message is valid until this side's next send, pass, commit or receive. To send over one that
   *   was not received is the error `"unread"`, or drops it (see {@linkcode TurnOptions.discard}). A pass
   *   that was not received is dropped.
   * - To receive at one's own turn is the error `"turn"`, since nothing can come. The same holds
   *   while a reservation is open, which has the turn until it is committed; a discarded one keeps
   *   it.
   * - Either a receive waits or sends do: the other kind of call is the error `"busy"` meanwhile.
   */
  readonly mode: "stream" | "turn";
  /**
   * Whose turn it is; `undefined` on a stream channel, and when the channel is over. It is the user's
   * as soon as the kernel's record is there.
   */
  readonly turn: "kernel" | "user" | undefined;
  /** The longest message that can be sent, in bytes. */
  readonly maxMessage: number;
  /** The longest message that can be received, in bytes. */
  readonly maxReceive: number;
  /** `true` after {@linkcode Channel.close}. */
  readonly closed: boolean;
  /** `true` when the kernel's side has closed the channel and its last message was received. */
  readonly ended: boolean;

  /**
   * Sends a message, waiting for room if the ring is full, and on a turn channel for the turn. Sends
   * that nothing awaits keep their order.
   *
   * @returns When the message is in the ring. The kernel may not have seen it yet.
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`, and `"busy"` while a
   * receive waits.
   */
  send(data: Data, options?: AsyncSendOptions): Promise<void>;
  /**
   * Sends a message if there is room for it now (on a turn channel: and the turn), and no `send`
   * waits.
   *
   * @returns Whether it was sent.
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`.
   */
  trySend(data: Data, options?: SendOptions): boolean;
  /**
   * Sends a message, blocking this thread while the ring is full, or it is the kernel's turn.
   *
   * @throws {RangeError} If it is longer than `maxMessage`, or `type` or `timeout` is out of range.
   * @throws {TypeError} If it is not {@linkcode Data}, or its buffer is detached.
   * @throws {KupError} `"timed-out"`, `"closed"`, `"broken"`; `"busy"` while a reservation holds up as
   * much as it may; on a turn channel `"unread"`, and `"busy"` while another call waits or a
   * reservation has the turn.
   */
  sendSync(data: Data, options?: SyncSendOptions): void;
  /**
   * Sends several messages in this order, all with the same type. On a turn channel a batch has one
   * message at most, since each takes a turn.
   *
   * @param messages An iterator's messages are copied as they come, so it may use one buffer for all.
   * @returns When the last one is in the ring. If `signal` ends it before, the rest isn't sent.
   * @throws {RangeError} If one is longer than `maxMessage`, or `type` is out of range; none is sent.
   * @throws {TypeError} If one is not {@linkcode Data}, or its buffer is detached, or there are
   * several on a turn channel; none is sent.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel as `send`.
   */
  sendBatch(messages: Iterable<Data>, options?: AsyncSendOptions): Promise<void>;

  /**
   * Passes the turn without a message, waiting for the turn first. The kernel's side sees a pass.
   *
   * @throws {TypeError} On a stream channel.
   * @throws {KupError} `"unread"`, `"busy"` while a receive waits, `"closed"`, `"broken"`.
   */
  pass(options?: AsyncTurnOptions): Promise<void>;
  /**
   * Passes the turn if it is this side's now, and no `send` waits for it.
   *
   * @returns Whether it was passed.
   * @throws {TypeError} On a stream channel.
   * @throws {KupError} `"unread"`, `"closed"`, `"broken"`.
   */
  tryPass(options?: TurnOptions): boolean;
  /**
   * Passes the turn, blocking this thread until it is this side's.
   *
   * @throws {TypeError} On a stream channel.
   * @throws {RangeError} If `timeout` is out of range.
   * @throws {KupError} `"timed-out"`, `"unread"`, `"busy"` while another call waits or a reservation
   * has the turn, `"closed"`, `"broken"`.
   */
  passSync(options?: SyncTurnOptions): void;

  /**
   * Waits for room for a message of `length` bytes, to be written in place; on a turn channel also
   * for the turn. There, what came with the turn stays valid until the commit.
   *
   * A reservation holds up what is sent after it, 63 messages or reservations at most: with these the
   * channel has no room for more, and `sendSync` is the error `"busy"`.
   *
   * @throws {RangeError} If `length` is no integer from 0 to `maxMessage`.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel as `send`.
   */
  reserve(length: number, options?: AsyncTurnOptions): Promise<Reservation>;
  /**
   * Room for a message of `length` bytes, or `undefined` if there is none now, or it is the kernel's
   * turn.
   *
   * @throws {RangeError} If `length` is no integer from 0 to `maxMessage`.
   * @throws {KupError} `"closed"`, `"broken"`; on a turn channel `"unread"`.
   */
  tryReserve(length: number, options?: TurnOptions): Reservation | undefined;

  /**
   * The next message; releases those that were received before.
   *
   * @returns `undefined` when the kernel's side has closed the channel and there are no more.
   * @throws {TypeError} If an option belongs to another call, such as `timeout` to `receiveSync`;
   * as for every call.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait for
   * the turn; `"turn"`, `"closed"`, `"broken"`.
   */
  receive(options?: WaitOptions): Promise<Message | undefined>;
  /**
   * The next message if there is one now; releases those that were received before.
   *
   * @returns `undefined` if there is none; then `ended` tells whether there will ever be one.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait for
   * the turn; `"turn"`, `"closed"`, `"broken"`.
   */
  tryReceive(): Message | undefined;
  /**
   * The next message, blocking this thread; releases those that were received before.
   *
   * @returns `undefined` when the kernel's side has closed the channel and there are no more.
   * @throws {RangeError} If `timeout` is out of range.
   * @throws {KupError} `"timed-out"`; `"busy"` while another receive waits, `readable` is locked, or
   * sends wait for the turn; `"turn"`, `"closed"`, `"broken"`.
   */
  receiveSync(options?: SyncWaitOptions): Message | undefined;
  /**
   * Waits for a message, and takes those behind it as well (on a turn channel there are none). All of
   * them are valid until the next receive.
   *
   * @returns None when the kernel's side has closed the channel and there are no more.
   * @throws {RangeError} If `max` is no integer from 1.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait for
   * the turn; `"turn"`, `"closed"`, `"broken"`.
   */
  receiveBatch(options?: AsyncBatchOptions): Promise<Message[]>;
  /**
   * The messages that are there now, perhaps none. All are valid until the next receive.
   *
   * @throws {RangeError} If `max` is no integer from 1.
   * @throws {KupError} `"busy"` while another receive waits, `readable` is locked, or sends wait for
   * the turn; `"turn"`, `"closed"`, `"broken"`.
   */
  tryReceiveBatch(options?: BatchOptions): Message[];

  /**
   * Messages until either side closes the channel, or it breaks. A step throws (rejects with)
   * `"busy"` while another receive waits, `readable` is locked, or sends wait for the turn; `"gap"` if
   * gaps are errors; `"turn"` and `"broken"`.
   *
   * @throws {TypeError} If an option is of the wrong kind, or belongs to another call.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("/dev/kup/echo");
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
   * The messages as a stream. Each chunk is a copy of one message; its `type` is lost. Nothing is
   * taken from the ring before a reader asks for it, so a slow reader holds up the kernel's side.
   *
   * While the stream is locked (it has a reader, or is piped), all other calls that receive are
   * refused as `"busy"`. To cancel it or to release its lock leaves the channel open. It ends when
   * either side closes the channel, and fails when the channel breaks, at a gap (see {@linkcode
   * Channel.toReadable}), and as `"busy"` when it is read while a receive waits. It is the same
   * stream until it was cancelled or has failed; the next one goes on where it ended.
   *
   * @throws {TypeError} On a turn channel.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * using device = open("/dev/kup/echo");
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
   * A stream with options, which is {@linkcode Channel.readable} from now on; an earlier one fails
   * as `"busy"`.
   *
   * @throws {TypeError} On a turn channel; if an option is of the wrong kind, or belongs to another
   * call.
   * @throws {KupError} `"busy"` while the earlier one is locked.
   */
  toReadable(options?: ReadableOptions): ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * A stream to send by. Each chunk becomes one message of type 0; for another type write `new
   * WritableStream({ write: (data) => channel.send(data, { type }) })`.
   *
   * A write is done when its message is in the ring. Until its turn comes, a chunk waits in the
   * stream's queue as it is: not as a copy, so don't write to it, and don't write a message's
   * `bytes`. `close` is done when all is in the ring, and leaves the channel open; `abort` drops
   * what is not yet there. Other calls may send meanwhile. A write of what `send` refuses fails the
   * stream; when the channel is closed or broken, so does every write. It is the same stream until
   * it was closed or aborted or has failed.
   *
   * @throws {TypeError} On a turn channel.
   */
  readonly writable: WritableStream<Data>;

  /**
   * Counters since this attach, read from shared memory without a system call.
   *
   * @throws {KupError} `"closed"`.
   */
  stats(): ChannelStats;
  /**
   * Counters of this channel number over all its users, by a system call.
   *
   * @throws {KupError} `"closed"`, `"gone"`.
   */
  kernelStats(): KernelStats;
  /**
   * Gives the channel back. Calls that wait reject with `"closed"`, loops and `readable` end,
   * messages are released, kept views are empty. The kernel still gets what was sent before. Does
   * nothing the second time.
   */
  close(): void;
  /** The same as {@linkcode Channel.close}. */
  [Symbol.dispose](): void;
  /** The same as {@linkcode Channel.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * An open device. Its channels are attached through it, but live on without it. It stays the
 * device that was opened: when that is gone (its module was unloaded), every call fails with
 * `"gone"`, also if a device of the same path exists again; {@linkcode waitForDevice} opens that
 * one.
 *
 * Declare it with `using`, or close it. A device that the garbage collector finds unclosed is
 * closed, with a warning; it is kept while a channel of it is in use. The same holds for a
 * {@linkcode Channel}, which is in use while a call waits, or while the program has its iterator,
 * a message, a reservation, or a view of their bytes.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("/dev/kup/echo");
 * const { channels, channelsFree } = device.info();
 * console.log(`${channelsFree} of ${channels} channels are free`);
 * ```
 */
export interface Device extends Disposable {
  /** The path that it was opened by, made absolute where it was relative. */
  readonly path: string;
  /** The name that the kernel client gave it. */
  readonly name: string;
  /** The contract's version that it speaks. */
  readonly abiVersion: number;
  /** How many channels it has. */
  readonly channels: number;
  /** `true` after {@linkcode Device.close}. */
  readonly closed: boolean;
  /**
   * What the device tells about itself now.
   *
   * @throws {KupError} `"closed"`, `"gone"`.
   */
  info(): DeviceInfo;
  /**
   * Attaches a channel of this device, exclusively. By default it waits until one is free. It
   * loads no module.
   *
   * @throws {RangeError} If the device has no such channel, or `spin` is out of range.
   * @throws {KupError} `"busy"` with `wait: false`; `"refused"` if the kernel client doesn't want
   * it; `"closed"`, `"gone"`, `"not-found"`, `"not-permitted"`, `"no-ffi-permission"`,
   * `"out-of-memory"`, `"too-many-files"`.
   */
  attach(options?: AttachOptions): Promise<Channel>;
  /**
   * One channel's counters since the device was created. The channel need not be one's own.
   *
   * @throws {RangeError} If the device has no such channel.
   * @throws {KupError} `"closed"`, `"gone"`.
   */
  stats(channel: number): KernelStats;
  /**
   * Closes it. Attaches that wait reject with `"closed"`; channels that are attached stay so. Does
   * nothing the second time.
   */
  close(): void;
  /** The same as {@linkcode Device.close}. */
  [Symbol.dispose](): void;
}
