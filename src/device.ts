// SPDX-License-Identifier: BSD-3-Clause
/**
 * Opening a device, and attaching its channels.
 *
 * @module
 */

import {
  ABI_VERSION,
  ATTACH_AT,
  ATTACH_DRAIN_MS,
  ATTACH_NOWAIT,
  CHANNEL_ANY,
  CONTROL_END,
  CONTROL_GAP,
  FEATURES,
  INFO_AT,
  MODE_CALL,
  MODE_STREAM,
  MODE_TURN,
} from "./abi.ts";
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOptions,
  checkSignal,
  cString,
  kindOf,
  offAbort,
  onAbort,
} from "./arguments.ts";
import { CALL_CONTROLS, CallChannel } from "./call.ts";
import { AttachedChannel, type Attachment } from "./channel.ts";
import { closedError, EBUSY, KupError, systemError, takenError } from "./errors.ts";
import { attachError, checkPermission, hostError, loadClient } from "./host.ts";
import { loadNative, type Native, POLLIN, releaseNative, retainNative } from "./library.ts";
import { ChannelMemory, type Geometry } from "./memory.ts";
import { ATTACH, check } from "./options.ts";
import { HOST, rememberPath, toPath } from "./paths.ts";
import { checkFfi, requireFfi } from "./permission.ts";
import { register, type Waiter } from "./reactor.ts";
import { Resources } from "./resources.ts";
import { checkRuntime } from "./runtime.ts";
import { readTotals } from "./stats.ts";
import { TURN_CONTROLS, TurnChannel } from "./turn.ts";
import type {
  AttachOptions,
  Channel,
  ChannelTotals,
  Device,
  DeviceInfo,
  OpenOptions,
  RingBytes,
} from "./types.ts";

const MODES: Readonly<Record<number, DeviceInfo["mode"]>> = {
  [MODE_STREAM]: "stream",
  [MODE_TURN]: "turn",
  [MODE_CALL]: "call",
};

const DEFAULT_SPIN_US = 100;
const MAX_SPIN_US = 1_000_000;

// Saved here, because a test framework may replace them.
const { setTimeout, clearTimeout } = globalThis;

/** What INFO returns: the public part, and what only this library needs. */
interface FullInfo extends DeviceInfo {
  readonly pageSize: number;
  /** The number of this device; no other device has it. */
  readonly instance: bigint;
}

/** What ATTACH is asked for. Sizes are in bytes; 0 is the device's default. */
interface Request {
  readonly channel: number;
  readonly wait: boolean;
  readonly toUser: number;
  readonly toKernel: number;
}

function openFile(native: Native, path: string): number {
  const name = cString("path", path);
  if (path.startsWith(HOST)) checkPermission(path);
  const fd = native.kup_user_open(name);
  if (fd >= 0) return fd;
  throw path.startsWith(HOST) ? hostError(native, fd, path) : systemError("open", fd, path);
}

/** A stream channel, or the layer on it that the device's mode requires. */
function makeChannel(attachment: Omit<Attachment, "controls">): Channel {
  const { mode } = attachment.memory;
  if (mode === MODE_STREAM) {
    return new AttachedChannel({ ...attachment, controls: 1 << CONTROL_GAP | 1 << CONTROL_END });
  }
  if (mode === MODE_CALL) {
    return new CallChannel(new AttachedChannel({ ...attachment, controls: CALL_CONTROLS }));
  }
  return new TurnChannel(new AttachedChannel({ ...attachment, controls: TURN_CONTROLS }));
}

/** Takes over one use of the native calls, and releases it if it fails. */
function openDevice(native: Native, path: string): Resources {
  let fd: number;
  try {
    fd = openFile(native, path);
  } catch (error) {
    releaseNative(native);
    throw error;
  }
  return new Resources(native, fd, `The device ${path}`);
}

function readInfo(native: Native, fd: number, path: string): FullInfo {
  const buffer = new Uint8Array(INFO_AT.SIZE);
  const result = native.kup_user_info(fd, buffer);
  if (result < 0) throw systemError("info", result, path);
  const view = new DataView(buffer.buffer);
  const number = (at: number) => view.getUint32(at, true);
  const abiVersion = number(INFO_AT.abiVersion);
  if (abiVersion !== ABI_VERSION) {
    throw new KupError(
      "abi-mismatch",
      `${path}: The kernel module has version ${abiVersion} of the contract, this library ` +
        `${ABI_VERSION}; update the older one.`,
    );
  }
  const mode = MODES[number(INFO_AT.mode)];
  if (mode === undefined) {
    throw new KupError(
      "abi-mismatch",
      `${path}: This library does not know the mode of this device; update it.`,
    );
  }
  const name = buffer.subarray(INFO_AT.name);
  return {
    name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
    abiVersion,
    mode,
    channels: number(INFO_AT.channels),
    channelsFree: number(INFO_AT.channelsFree),
    ringBytes: {
      toUser: number(INFO_AT.toUserBytes),
      toKernel: number(INFO_AT.toKernelBytes),
    },
    maxRingBytes: {
      toUser: number(INFO_AT.maxToUserBytes),
      toKernel: number(INFO_AT.maxToKernelBytes),
    },
    attaches: Number(view.getBigUint64(INFO_AT.attaches, true)),
    spinMicroseconds: number(INFO_AT.spinUs),
    pageSize: number(INFO_AT.pageSize),
    instance: view.getBigUint64(INFO_AT.instance, true),
  };
}

/** Waits for POLLIN on a file, once or several times. */
class ReadyWait implements Waiter, Disposable {
  readonly #file: Resources;
  readonly #signal: AbortSignal | undefined;
  /** Set while a wait is pending. Rejecting a promise that nothing awaits would end the process. */
  #present: PromiseWithResolvers<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(file: Resources, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#signal = signal;
    if (signal !== undefined) onAbort(signal, this.#onAbort);
  }

  /** @param limit Milliseconds after which the wait ends too. */
  wait(limit?: number): Promise<void> {
    this.#signal?.throwIfAborted();
    if (limit !== undefined) this.#timer = setTimeout(() => this.wake(), limit);
    const file = this.#file;
    file.registration ??= register(file.native, file.fd, this);
    file.registration.arm(POLLIN);
    this.#present = Promise.withResolvers<void>();
    return this.#present.promise;
  }

  wake(): void {
    this.#end()?.resolve();
  }

  fail(error: unknown): void {
    this.#end()?.reject(error);
  }

  #end(): PromiseWithResolvers<void> | undefined {
    const present = this.#present;
    this.#present = undefined;
    clearTimeout(this.#timer);
    this.#file.registration?.rest();
    return present;
  }

  [Symbol.dispose](): void {
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort);
    clearTimeout(this.#timer);
    this.#file.registration?.remove();
    this.#file.registration = undefined;
  }

  readonly #onAbort = (): void => {
    this.fail(this.#signal?.reason);
  };
}

/**
 * An open device. It has a handle of its own for INFO and STATS; each attach opens another one. The
 * device, each pending attach and each channel retain the native calls for as long as they may make
 * some.
 */
export class OpenDevice implements Device {
  readonly path: string;
  readonly name: string;
  readonly abiVersion: number;
  readonly channels: number;

  readonly #native: Native;
  readonly #fd: number;
  readonly #file: Resources;
  /** Attaching a later device of the same path would be a surprise. */
  readonly #instance: bigint;
  readonly #pageSize: number;
  readonly #maxRingBytes: RingBytes;
  readonly #waits = new Set<ReadyWait>();
  #closed = false;

  /** @param native The native calls, which the device releases, also if it can't be opened. */
  constructor(native: Native, path: string) {
    this.#native = native;
    this.path = path;
    this.#file = openDevice(native, path);
    this.#fd = this.#file.fd;
    try {
      const info = readInfo(native, this.#fd, path);
      this.name = info.name;
      this.abiVersion = info.abiVersion;
      this.channels = info.channels;
      this.#instance = info.instance;
      this.#pageSize = info.pageSize;
      this.#maxRingBytes = info.maxRingBytes;
    } catch (error) {
      this.#file.free();
      throw error;
    }
    this.#file.belongTo(this, this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  info(): DeviceInfo {
    this.#check();
    const { pageSize: _, instance: __, ...info } = readInfo(this.#native, this.#fd, this.path);
    return info;
  }

  async attach(options: AttachOptions = {}): Promise<Channel> {
    check(ATTACH, options);
    const { channel, spin = DEFAULT_SPIN_US, wait = true } = options;
    const signal = checkSignal(options.signal);
    if (channel !== undefined) checkInteger("channel", channel, 0, this.channels - 1);
    checkBoolean("wait", wait);
    if (!(checkNumber("spin", spin) >= 0 && spin <= MAX_SPIN_US)) {
      throw new RangeError(
        `\`spin\` must be a number of microseconds from 0 to ${MAX_SPIN_US}, not ${String(spin)}.`,
      );
    }
    const request = { channel: channel ?? CHANNEL_ANY, wait, ...this.#sizes(options.ringBytes) };
    this.#check();
    signal?.throwIfAborted();
    checkFfi(this.path);
    const resources = this.#openAgain();
    try {
      const geometry = await this.#claim(resources, request, signal);
      const memory = ChannelMemory.map(resources, geometry, this);
      return makeChannel({ resources, memory, spin: spin / 1000 });
    } catch (error) {
      resources.free();
      throw error;
    }
  }

  /** Checks the ring sizes that a caller asks for. 0: the device's default. */
  #sizes(asked: Partial<RingBytes> | undefined): Pick<Request, "toUser" | "toKernel"> {
    if (asked !== undefined && (typeof asked !== "object" || asked === null)) {
      throw new TypeError(
        `\`ringBytes\` must be an object with the sizes \`toUser\` and \`toKernel\`, not ` +
          `${kindOf(asked)}.`,
      );
    }
    const size = (name: keyof RingBytes) => {
      const bytes = asked?.[name];
      if (bytes === undefined) return 0;
      return checkInteger(`ringBytes.${name}`, bytes, 1, this.#maxRingBytes[name]);
    };
    return { toUser: size("toUser"), toKernel: size("toKernel") };
  }

  totals(channel: number): ChannelTotals {
    checkInteger("channel", channel, 0, this.channels - 1);
    this.#check();
    return readTotals(this.#native, this.#fd, channel, this.path);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const wait of this.#waits) wait.fail(closedError(`The device ${this.path}`));
    this.#file.free();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(): void {
    if (this.#closed) throw closedError(`The device ${this.path}`);
  }

  /** Opens another file of the same device. Unlike `open`, it never loads a module. */
  #openAgain(): Resources {
    const native = this.#native;
    const fd = this.path.startsWith(HOST)
      ? native.kup_user_host_open_again(this.#fd)
      : native.kup_user_open(cString("path", this.path));
    if (fd < 0) {
      // If the device is gone, this throws the better explanation of why its path leads nowhere.
      readInfo(native, this.#fd, this.path);
      throw systemError(this.path.startsWith(HOST) ? "attach" : "open", fd, this.path);
    }
    retainNative(native);
    return new Resources(native, fd, `The file ${this.path}`);
  }

  /** Whether the channel that was asked for (or any channel) is in one of these states. */
  #some(channel: number, ...states: readonly ChannelTotals["state"][]): boolean {
    const first = channel === CHANNEL_ANY ? 0 : channel;
    const last = channel === CHANNEL_ANY ? this.channels - 1 : channel;
    for (let number = first; number <= last; number++) {
      const { state } = readTotals(this.#native, this.#fd, number, this.path);
      if (states.includes(state)) return true;
    }
    return false;
  }

  #taken(channel: number): KupError {
    const number = channel === CHANNEL_ANY ? undefined : channel;
    return takenError(
      this.path,
      number,
      this.channels,
      this.#native.kup_user_held(this.#fd),
      this.#some(channel, "free"),
    );
  }

  /**
   * Calls ATTACH repeatedly while others have the channel. ATTACH never blocks: polling shows when
   * to try again.
   */
  async #claim(
    file: Resources,
    { channel, wait, toUser, toKernel }: Request,
    signal: AbortSignal | undefined,
  ): Promise<Geometry> {
    // Not with `using`, which Node 22 can't parse: Node may import this module, which then refuses
    // it.
    const ready = new ReadyWait(file, signal);
    this.#waits.add(ready);
    try {
      const buffer = new Uint8Array(ATTACH_AT.SIZE);
      const view = new DataView(buffer.buffer);
      view.setUint32(ATTACH_AT.abiVersion, ABI_VERSION, true);
      view.setUint32(ATTACH_AT.flags, ATTACH_NOWAIT, true);
      view.setUint32(ATTACH_AT.channel, channel, true);
      view.setUint32(ATTACH_AT.toUserBytes, toUser, true);
      view.setUint32(ATTACH_AT.toKernelBytes, toKernel, true);
      view.setBigUint64(ATTACH_AT.instance, this.#instance, true);
      view.setBigUint64(ATTACH_AT.understood, FEATURES, true);
      const native = this.#native;
      const end = native.kup_user_now() + ATTACH_DRAIN_MS;
      for (;;) {
        const result = native.kup_user_attach(file.fd, buffer);
        if (result >= 0) {
          return {
            pageSize: this.#pageSize,
            toUserSize: view.getUint32(ATTACH_AT.toUserBytes, true),
            toKernelSize: view.getUint32(ATTACH_AT.toKernelBytes, true),
          };
        }
        if (result !== -EBUSY) throw attachError(native, result, this.path);
        // A channel whose last user has gone becomes free as soon as the kernel client has read
        // what that user sent.
        const left = end - native.kup_user_now();
        if (wait) await ready.wait();
        else if (left > 0 && this.#some(channel, "draining", "free")) await ready.wait(left);
        else throw this.#taken(channel);
        signal?.throwIfAborted();
        this.#check();
      }
    } finally {
      this.#waits.delete(ready);
      ready[Symbol.dispose]();
    }
  }
}

/**
 * Opens a device. This needs Deno 2.7.12 or newer with `--allow-ffi`, and for a kernel's device the
 * right to open its file for reading and writing.
 *
 * @param path One of the following. A relative path begins at the process's current working
 * directory; changing the directory later does not matter to the device.
 * - a device's file, such as `/dev/kup/echo`, or its URL: `new URL("file:///dev/kup/echo")`;
 * - `host:NAME`, a device of the host driver, which is the same engine in threads of this process:
 *   the name of a device, or `host:echo` for the built-in echo client;
 * - `host:FILE.so`, the first device of a client module that was built as a shared object. The
 *   first open loads it, and it stays loaded until {@linkcode unload}. The path may also be a URL:
 *   `"host:" + import.meta.resolve("./client.so")` is a file beside the script.
 *
 * @returns The device, which the caller closes.
 * @throws {KupError} `"not-found"`, `"not-permitted"`, `"not-a-device"`, `"abi-mismatch"`,
 * `"no-ffi-permission"`, `"library"`, `"too-many-files"`; `"unsupported"` in another runtime, an
 * older Deno, or another system; for a client module also `"refused"`, and `"busy"` if parameters
 * or checks are given and the module is loaded already, or if another copy of this library has
 * loaded a client module in this process.
 * @throws {TypeError} If the path is empty, contains a NUL character or is a URL that is not a
 * file's, or if the parameters make no sense.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo");
 * using channel = await device.attach();
 * await channel.send("hello");
 * const message = await channel.receive();
 * console.log(message?.text());
 * ```
 */
export function open(path: string | URL, options: OpenOptions = {}): Device {
  checkOptions(options);
  checkRuntime();
  // This comes first, because looking up the working directory calls the system's library.
  requireFfi(typeof path === "string" ? path : "KUP");
  const whole = toPath(path);
  const native = loadNative(options.library);
  try {
    const { parameters, checks } = options;
    if (parameters !== undefined || checks !== undefined) {
      loadClient(native, whole, parameters === undefined ? {} : parameters, checks);
    }
  } catch (error) {
    releaseNative(native);
    throw error;
  }
  const device = new OpenDevice(native, whole);
  rememberPath(path, whole);
  return device;
}
