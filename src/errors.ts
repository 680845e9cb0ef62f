// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one class of errors that a caller is expected to catch, and the one place that maps the
 * system's errno values to it.
 *
 * @module
 */

import { checkOptions } from "./arguments.ts";
import { errnoName, negativeErrno } from "./errno.ts";
import type { Gap } from "./types.ts";

/**
 * What went wrong, in a form that a program can act on:
 *
 * | code | meaning |
 * |---|---|
 * | `"not-found"` | There is no device of that name: is its module loaded? |
 * | `"not-permitted"` | The device's file mode or owner keeps this user out. |
 * | `"no-ffi-permission"` | Deno has no permission for FFI, or only for some files. |
 * | `"unsupported"` | Another runtime, a Deno that is too old, or another system. |
 * | `"library"` | The native library was not found, can't be loaded, or is of another version. |
 * | `"not-a-device"` | The file exists, but is not a KUP device, or not a client module. |
 * | `"abi-mismatch"` | The kernel module has another version of the contract. |
 * | `"busy"` | The channel is taken, another call or reservation is open, or a module is loaded. |
 * | `"mistakes"` | The host driver has found mistakes in a client module; see {@linkcode unload}. |
 * | `"refused"` | The kernel client refused the attachment, or to be loaded: see `errno`. |
 * | `"gone"` | The device has been destroyed; close it. `waitForDevice` opens the next one. |
 * | `"closed"` | This object, or the other side of the channel, is closed. |
 * | `"broken"` | One side broke the channel's protocol; the channel is over. |
 * | `"released"` | A message or a reservation was used when it was no longer valid. |
 * | `"gap"` | Messages are missing here: the ring was full. See {@linkcode Gap}. |
 * | `"turn"` | Nothing can come: it is this side's turn to send, or to pass. |
 * | `"unread"` | Sending would drop a message; receive it, or pass `discard: true`. |
 * | `"timed-out"` | The `timeout` of a synchronous call passed. |
 * | `"out-of-memory"` | There is no memory or address space, or the cgroup allows no more. |
 * | `"too-many-files"` | The process (or the system) can't open more files. |
 * | `"system"` | The operating system refused something else: see `errno`. |
 *
 * @example
 * ```ts
 * import { KupError, type KupErrorCode, open } from "jsr:@kup/kup";
 *
 * const later: readonly KupErrorCode[] = ["not-found", "gone", "busy"];
 * try {
 *   open("/dev/kup/none").close();
 * } catch (error) {
 *   if (!(error instanceof KupError && later.includes(error.code))) throw error;
 *   console.log("It may work later.");
 * }
 * ```
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
  | "mistakes"
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

/**
 * The options of the constructor of {@linkcode KupError}.
 *
 * @example
 * ```ts
 * import { KupError } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * const error = new KupError("gone", "The device has been destroyed.", { errno: 19 });
 * assertEquals([error.code, error.errno], ["gone", 19]);
 * ```
 */
export interface KupErrorOptions {
  /** The error that caused this one. */
  cause?: unknown;
  /** The positive errno value, if the operating system returned one. */
  errno?: number;
}

/**
 * The error that every call of this module throws, or rejects with, if something is wrong that the
 * caller did not cause. A wrong argument is a `RangeError` or a `TypeError` instead, and an aborted
 * call rejects with its signal's reason.
 *
 * @example
 * ```ts
 * import { KupError, open } from "jsr:@kup/kup";
 *
 * try {
 *   open("/dev/kup/none").close();
 * } catch (error) {
 *   if (!(error instanceof KupError) || error.code !== "not-found") throw error;
 *   console.log("That module isn't loaded.");
 * }
 * ```
 */
export class KupError extends Error {
  /** The name of the class, as every `Error` has it. */
  override readonly name: string = "KupError";
  /** What went wrong. */
  readonly code: KupErrorCode;
  /** The positive errno value, if the operating system returned one. */
  readonly errno: number | undefined;

  /**
   * For this module itself, and for tests that need an error.
   *
   * @param code What went wrong.
   * @param message A sentence for people that says what to do.
   * @param options The cause and the errno value, if there are any.
   */
  constructor(code: KupErrorCode, message: string, options: KupErrorOptions = {}) {
    checkOptions(options);
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.errno = options.errno;
  }
}

/**
 * The system's errno values; the native library returns them negated. Most are the same on all
 * systems.
 */
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
 * These differ between the systems. Node and Bun, which have no `Deno`, must be able to import this
 * file.
 */
const FREEBSD = typeof Deno === "object" && Deno.build.os === "freebsd";
const ENAMETOOLONG = FREEBSD ? 63 : 36;
const ELOOP = FREEBSD ? 62 : 40;
const EPROTONOSUPPORT = FREEBSD ? 43 : 93;
const EOPNOTSUPP = FREEBSD ? 45 : 95;

type Explanation = readonly [KupErrorCode, string];

/** The meanings that do not depend on the call. */
const COMMON: Readonly<Record<number, Explanation>> = {
  [ENOMEM]: ["out-of-memory", "There is not enough memory, or the cgroup allows no more."],
  [ENODEV]: ["gone", "The device has been destroyed; close it, and open a new one."],
  [ENFILE]: [
    "too-many-files",
    "The system has reached its limit of open files; close some, or raise its limit (fs.file-max, " +
    "on FreeBSD kern.maxfiles).",
  ],
  [EMFILE]: [
    "too-many-files",
    "This process has reached its limit of open files; close some, or raise the limit (`ulimit -n`).",
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
  // The system returns this for every node without a driver, and for a socket.
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
  // The system returns both for ordinary files only, not for devices.
  [EROFS]: ["not-a-device", "This is a file in a read-only file system, not a KUP device."],
  [ETXTBSY]: ["not-a-device", "This is a program that is running, not a KUP device."],
};

/** For client modules of the host driver. The driver itself can say more. */
const CLIENT: Readonly<Record<number, Explanation>> = {
  ...PATH,
  [ENOENT]: ["not-found", "There is no such device or client module."],
  [ENXIO]: ["not-found", "The device is being destroyed."],
  [EACCES]: ["not-permitted", "This user may not read the client module."],
  [ENOEXEC]: ["not-a-device", "This file is not a KUP client module."],
  [EBUSY]: ["busy", "The client module can't be unloaded."],
  [EEXIST]: ["busy", "The client module is loaded already; unload it first."],
  [ENOMEM]: ["out-of-memory", "There is not enough memory."],
  [ENFILE]: ["too-many-files", "The system has reached its limit of open files; close some."],
  [EMFILE]: [
    "too-many-files",
    "This process has reached its limit of open devices of the host driver; close some.",
  ],
};

const INFO: Readonly<Record<number, Explanation>> = {
  [ENOTTY]: ["not-a-device", "This file is not a KUP device."],
  [EINVAL]: ["not-a-device", "This file is not a KUP device."],
};

const CHANNEL: Readonly<Record<number, Explanation>> = {
  [EPIPE]: ["closed", "The kernel's side has closed the channel."],
};

/**
 * The operation that failed. It selects the table that is searched first, and what an unknown
 * errno's message says.
 */
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
 * @param reason The native library's own sentence about the failure, if there is one.
 */
export function systemError(
  operation: Operation,
  result: number,
  subject: string,
  reason?: string,
): KupError {
  const errno = -result;
  // A client module may fail with any number, so the driver's own meanings are in the table alone.
  const common = operation === "client" ? undefined : COMMON[errno];
  const [code, sentence] = TABLES[operation][errno] ?? common ?? unknown(operation, errno);
  return new KupError(code, `${subject}: ${reason || sentence}`, { errno });
}

/** Whether this is EMFILE or ENFILE, whose meaning does not depend on the call. */
export function meansTooManyFiles(errno: number): boolean {
  return errno === EMFILE || errno === ENFILE;
}

/** The names of the calls in manual pages and in the contract. */
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
 * The error for a channel that another process, or another handle, has.
 *
 * @param channel The number that was asked for, or undefined for any.
 * @param channels How many channels the device has.
 * @param held How many of them this process has; negative if that is not known.
 * @param isFree Whether the channel that was asked for is free, but was refused all the same.
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

/** The error for an object that `using` or `close` has closed. */
export function closedError(what: string): KupError {
  return new KupError("closed", `${what} is closed; open a new one.`);
}

/**
 * The error that replaces a gap, for a reader that asked for errors.
 *
 * @param advice What to do.
 */
export function gapError(subject: string, { records, bytes }: Gap, advice: string): KupError {
  const what = records === 1 ? "1 message is" : `${records} messages are`;
  const sentence = `${what} missing here (${bytes} bytes), because the ring was full`;
  return new KupError("gap", `${subject}: ${sentence}; ${advice}.`);
}
