// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one class of errors that a caller is expected to catch, and the one place where the system's errno
 * values turn into it.
 *
 * @module
 */

import { checkOptions } from "./arguments.ts";
import { errnoName, negativeErrno } from "./errno.ts";
import type { Gap } from "./types.ts";

/**
 * What went wrong, for a program to act on:
 *
 * | code | meaning |
 * |---|---|
 * | `"not-found"` | There is no device of that name: is its module loaded? |
 * | `"not-permitted"` | The device's file mode or owner keeps this user out. |
 * | `"no-ffi-permission"` | Deno lacks the whole permission for FFI (`--allow-ffi`), or it was revoked. |
 * | `"unsupported"` | Another runtime, a Deno that is too old, or another system. |
 * | `"library"` | The native library was not found, can't be loaded, or is of another version. |
 * | `"not-a-device"` | The file exists, but is no KUP device, or no client module. |
 * | `"abi-mismatch"` | The kernel module speaks another version of the contract. |
 * | `"busy"` | The channel (or every channel) is taken, another call waits or a reservation has the turn (await or finish it first), or a client module is loaded already. |
 * | `"refused"` | The kernel client did not accept this attachment, or to be loaded: see `errno`. |
 * | `"gone"` | The device has been destroyed; close it. `waitForDevice` opens the next one. |
 * | `"closed"` | This object, or the other side of the channel, is closed. |
 * | `"broken"` | The channel's memory made no sense to one of its sides; it is over. |
 * | `"released"` | The bytes of a message or of a reservation were used after their time. |
 * | `"gap"` | Messages are missing here: the ring was full. See {@linkcode Gap}. |
 * | `"turn"` | Nothing can come: it is this side's turn to send, or to pass. |
 * | `"unread"` | The turn came with a message that sending would drop: receive it, or pass `discard: true`. |
 * | `"timed-out"` | A synchronous call's `timeout` went by. |
 * | `"out-of-memory"` | No memory or no address space, or the cgroup allows no more. |
 * | `"too-many-files"` | The process (or the system) can't open more files. |
 * | `"system"` | Something else that the operating system refused: see `errno`. |
 */
export type KupErrorCode =
  | "not-found"
  | "not-permitted"
  | "no-ffi-permission"
  | "unsupported"
  | "library"
  | "not-a-device"
  | "abi-mismatch"
  | "busy"
  | "refused"
  | "gone"
  | "closed"
  | "broken"
  | "released"
  | "gap"
  | "turn"
  | "unread"
  | "timed-out"
  | "out-of-memory"
  | "too-many-files"
  | "system";

/** What a {@linkcode KupError} is made with, beside its code and its message. */
export interface KupErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
  /** The positive errno value, where the operating system gave one. */
  errno?: number;
}

/**
 * What every call of this module throws (or rejects with) when the world is not as it should be. A wrong
 * argument is a `RangeError` or a `TypeError` instead, and an aborted call rejects with its
 * signal's reason.
 *
 * @example
 * ```ts
 * import { KupError, open } from "jsr:@kup/kup";
 *
 * try {
 *   using device = open("/dev/kup/none");
 * } catch (error) {
 *   if (!(error instanceof KupError) || error.code !== "not-found") throw error;
 *   console.log("That module isn't loaded.");
 * }
 * ```
 */
export class KupError extends Error {
  /** The class's name, as `Error` has it. */
  override readonly name: string = "KupError";
  /** What went wrong. */
  readonly code: KupErrorCode;
  /** The positive errno value, where the operating system gave one. */
  readonly errno: number | undefined;

  /**
   * For this module's own use, and for tests that need one.
   *
   * @param code What went wrong.
   * @param message A sentence for people, that says what to do.
   * @param options The cause and the errno value, if there are any.
   */
  constructor(code: KupErrorCode, message: string, options: KupErrorOptions = {}) {
    checkOptions(options);
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.errno = options.errno;
  }
}

/** The system's numbers; the native library returns them negated. Most are as old as Unix. */
export const EBUSY = 16;
const EPERM = 1;
export const ENOENT = 2;
export const ENXIO = 6;
const ENOEXEC = 8;
const ENOMEM = 12;
const EACCES = 13;
const EEXIST = 17;
export const ENODEV = 19;
export const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
const ENOTTY = 25;
const ETXTBSY = 26;
const EROFS = 30;
const EPIPE = 32;
/**
 * Others each system has numbered for itself. Node and Bun, which have no `Deno`, may import this
 * too.
 */
const FREEBSD = typeof Deno === "object" && Deno.build.os === "freebsd";
const ENAMETOOLONG = FREEBSD ? 63 : 36;
const ELOOP = FREEBSD ? 62 : 40;
const EPROTONOSUPPORT = FREEBSD ? 43 : 93;
const EOPNOTSUPP = FREEBSD ? 45 : 95;

type Explanation = readonly [KupErrorCode, string];

/** What they mean whatever was called. */
const COMMON: Readonly<Record<number, Explanation>> = {
  [ENOMEM]: ["out-of-memory", "There is not enough memory, or the cgroup allows no more."],
  [ENODEV]: ["gone", "The device has been destroyed; close it, and open a new one."],
  [ENFILE]: [
    "too-many-files",
    "The system has as many files open as it may; close some, or raise its limit (fs.file-max, " +
    "on FreeBSD kern.maxfiles).",
  ],
  [EMFILE]: [
    "too-many-files",
    "This process has as many files open as it may; close some, or raise the limit (`ulimit -n`).",
  ],
  [EPROTONOSUPPORT]: [
    "abi-mismatch",
    "The kernel module speaks another version; update the module or this library.",
  ],
  [EOPNOTSUPP]: ["abi-mismatch", "The kernel module lacks a feature; update it."],
};

const PATH: Readonly<Record<number, Explanation>> = {
  [ENAMETOOLONG]: ["not-found", "The path is too long."],
  [ELOOP]: ["not-found", "The path has too many symbolic links, or they lead in a circle."],
  [ENOTDIR]: ["not-found", "A part of the path is not a directory."],
};

const OPEN: Readonly<Record<number, Explanation>> = {
  ...PATH,
  [ENOENT]: ["not-found", "There is no such device; load the module that makes it."],
  // The system's answer for every node without a driver behind it, and for a socket.
  [ENXIO]: [
    "not-found",
    "No device answers here now: it is being destroyed, or the file is not a KUP device.",
  ],
  [EPERM]: [
    "not-permitted",
    "The system does not let this process open the device; its container or sandbox has to " +
    "allow it.",
  ],
  [EACCES]: [
    "not-permitted",
    "This user may not open the device; see the owner and mode of it and of its folders.",
  ],
  [ENODEV]: ["not-a-device", "This file is not a KUP device: no driver answers."],
  [EISDIR]: ["not-a-device", "This is a directory, not a KUP device."],
  // Both are said of ordinary files only, and not of devices.
  [EROFS]: ["not-a-device", "This is a file in a read-only file system, not a KUP device."],
  [ETXTBSY]: ["not-a-device", "This is a program that is running, not a KUP device."],
};

/** Client modules of the host driver; the driver itself says more. */
const CLIENT: Readonly<Record<number, Explanation>> = {
  ...PATH,
  [ENOENT]: ["not-found", "There is no such device or client module."],
  [ENXIO]: ["not-found", "The device is being destroyed."],
  [EACCES]: ["not-permitted", "This user may not read the client module."],
  [ENOEXEC]: ["not-a-device", "This file is not a KUP client module."],
  [EBUSY]: ["busy", "The client module can't be unloaded."],
  [EEXIST]: ["busy", "The client module is loaded already; unload it first."],
  [ENOMEM]: ["out-of-memory", "There is not enough memory."],
  [ENFILE]: ["too-many-files", "The system has as many files open as it may; close some."],
  [EMFILE]: [
    "too-many-files",
    "This process has as many devices of the host driver open as it may; close some.",
  ],
};

const INFO: Readonly<Record<number, Explanation>> = {
  [ENOTTY]: ["not-a-device", "This file is not a KUP device."],
  [EINVAL]: ["not-a-device", "This file is not a KUP device."],
};

const CHANNEL: Readonly<Record<number, Explanation>> = {
  [EPIPE]: ["closed", "The kernel's side has closed the channel."],
};

/** Which table explains an errno first, and how the message begins. */
export type Operation = "open" | "client" | "info" | "attach" | "memory" | "map" | "stats" | "wait";

const TABLES: Readonly<Record<Operation, Readonly<Record<number, Explanation>>>> = {
  open: OPEN,
  client: CLIENT,
  info: INFO,
  attach: {},
  memory: {},
  map: {},
  stats: {},
  wait: CHANNEL,
};

/**
 * The error for a negative result of the native library.
 *
 * @param result The negative errno value.
 * @param subject What the call was about, such as the device's path.
 * @param told What the library itself has to say about it, if anything.
 */
export function systemError(
  operation: Operation,
  result: number,
  subject: string,
  told?: string,
): KupError {
  const errno = -result;
  // A client module may refuse with any number; only its own table says what those of the driver mean.
  const common = operation === "client" ? undefined : COMMON[errno];
  const [code, sentence] = TABLES[operation][errno] ?? common ?? unknown(operation, errno);
  return new KupError(code, `${subject}: ${told || sentence}`, { errno });
}

/** EMFILE or ENFILE, which mean the same whatever was called. */
export function meansTooManyFiles(errno: number): boolean {
  return errno === EMFILE || errno === ENFILE;
}

/** What was called, as manual pages and the contract name it. */
const CALLS: Readonly<Record<Operation, string>> = {
  open: "open",
  client: "the host driver",
  info: "the ioctl INFO",
  attach: "the ioctl ATTACH",
  memory: "making a channel's memory",
  map: "mmap",
  stats: "the ioctl STATS",
  wait: "waiting for events",
};

function unknown(operation: Operation, errno: number): Explanation {
  switch (operation) {
    case "attach":
      return [
        "refused",
        `The kernel client refused the channel: its attach returned ${negativeErrno(errno)}.`,
      ];
    case "client":
      return ["refused", `The host driver failed with ${errnoName(errno)}.`];
    default:
      return [
        "system",
        `The system refused: ${CALLS[operation]} failed with ${errnoName(errno)}.`,
      ];
  }
}

/**
 * The error for a channel that others have.
 *
 * @param channel The number that was asked for, or undefined: any.
 * @param channels How many the device has.
 * @param held How many of them this process has; negative: that is not known.
 * @param isFree A channel that was asked for is free, and was refused all the same.
 */
export function takenError(
  subject: string,
  channel: number | undefined,
  channels: number,
  held: number,
  isFree: boolean,
): KupError {
  const which = channel === undefined ? "A channel" : `Channel ${channel}`;
  const own = held < 0 ? "" : ` (this process holds ${held} of its ${channels} channels)`;
  let sentence = `${which} is taken${own}; wait for it, or take another one.`;
  if (channel === undefined) sentence = `All ${channels} channels are taken${own}; wait for one.`;
  if (channels === 1) sentence = `The only channel is taken${own}; wait for it.`;
  if (isFree) {
    sentence =
      `${which} is free, and yet ATTACH failed with ${errnoName(EBUSY)}: the kernel client ` +
      "refuses it, or another process was faster; try again later.";
  }
  return new KupError("busy", `${subject}: ${sentence}`, { errno: EBUSY });
}

/** What `using` and `close` have ended. */
export function closedError(what: string): KupError {
  return new KupError("closed", `${what} is closed; open a new one.`);
}

/**
 * A gap in the place of a message.
 *
 * @param advice What to do.
 */
export function gapError(subject: string, { records, bytes }: Gap, advice: string): KupError {
  const what = records === 1 ? "1 message is" : `${records} messages are`;
  const sentence = `${what} missing here (${bytes} bytes), because the ring was full`;
  return new KupError("gap", `${subject}: ${sentence}; ${advice}.`);
}
