// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waking promises. The native library's one waiter thread watches the files of all channels, and
 * reports events to each isolate over a pipe. This file has the pipe's reading end, which Deno's
 * own event loop watches. That wakes a promise in a third of the time that a nonblocking native
 * call takes, and occupies no thread of a limited pool.
 *
 * @module
 */

import type { Socket } from "node:net";
import { KupError, systemError } from "./errors.ts";
import { type Native, POLLOUT } from "./library.ts";
import { own } from "./resources.ts";

/**
 * Something that waits. It is called from the event loop, never from within `arm`. While it is
 * armed, it is kept from the garbage collector; otherwise its users keep it.
 */
export interface Waiter {
  /** Something may have happened: look. Finding nothing is not an error. */
  wake(): void;
  /** Nothing will wake this waiter any more. */
  fail(error: unknown): void;
}

let net: typeof import("node:net") | undefined;

/**
 * Not a literal: bundlers that write a script (iife) turn an import that they recognise into a
 * `require`, which Deno's modules don't have.
 */
const NODE_NET = ["node", "net"].join(":");

/** Loading takes some 15 ms, which a program that never waits need not pay. */
async function loadNet(): Promise<void> {
  try {
    net ??= await import(NODE_NET);
  } catch (cause) {
    throw socketError(cause);
  }
}

/** Something else in this process has closed the pipe. */
function closedError(cause: unknown): KupError {
  return new KupError("system", "KUP: The pipe of wake-ups was closed; wait again.", { cause });
}

function socketError(cause: unknown): KupError {
  const message = "KUP: This runtime can't watch a pipe by node:net; update Deno.";
  return new KupError("system", message, { cause });
}

/**
 * Makes a pipe, whose two ends are closed when this isolate ends. Returns the reading and the
 * writing end.
 */
function openPipe(native: Native): [number, number] {
  const fds = new Int32Array(2);
  const result = native.kup_user_pipe(fds);
  if (result < 0) throw systemError("wait", result, "KUP");
  const [reading, writing] = fds as unknown as [number, number];
  try {
    own(native, reading, "KUP");
    own(native, writing, "KUP");
  } catch (error) {
    native.kup_user_close(reading);
    native.kup_user_close(writing);
    throw error;
  }
  return [reading, writing];
}

/**
 * The pipe of one isolate and one native library. It exists while there are registrations. What the
 * waiter reports before `node:net` is loaded stays in the pipe.
 */
class Reactor {
  readonly native: Native;
  /** The end that the waiter writes to. */
  readonly pipe: number;
  readonly #reading: number;
  /** Undefined until `node:net` is loaded. */
  #socket: Socket | undefined;
  readonly #waiters = new Map<number, WeakRef<Waiter>>();
  /** The armed ones. While there are any, the event loop must not end. */
  readonly #armed = new Map<number, Waiter>();
  /** The first bytes of an id that a read has split. */
  #rest = new Uint8Array(0);
  /** Set before the socket is destroyed; from then on its end is expected. */
  #over = false;
  /** All writing ends are closed, also this one; another file may have its number by now. */
  #pipeGone = false;

  constructor(native: Native) {
    this.native = native;
    [this.#reading, this.pipe] = openPipe(native);
    loadNet().then(() => this.#watch()).catch((error) => this.#fail(error));
  }

  #watch(): void {
    if (this.#over) return;
    let socket: Socket;
    try {
      socket = new net!.Socket({ fd: this.#reading, readable: true, writable: false });
    } catch (cause) {
      throw socketError(cause);
    }
    this.#socket = socket;
    socket.on("data", (data: Uint8Array) => this.#read(data));
    socket.on("end", () => this.#pipeGone = true);
    socket.on("error", (error: unknown) => this.#fail(closedError(error)));
    socket.on("close", () => this.#fail(closedError(undefined)));
    if (this.#armed.size === 0) socket.unref();
  }

  add(fd: number, waiter: Waiter): number {
    const id = this.native.kup_user_waiter_add(fd, this.pipe);
    if (id > 0) this.#waiters.set(id, new WeakRef(waiter));
    return id;
  }

  remove(fd: number, id: number): void {
    this.native.kup_user_waiter_remove(fd, id);
    this.#waiters.delete(id);
    this.closeIfUnused();
  }

  closeIfUnused(): void {
    if (this.#waiters.size > 0 || this.#over) return;
    this.#end();
  }

  #end(): void {
    this.#over = true;
    if (reactors.get(this.native) === this) reactors.delete(this.native);
    if (this.#socket === undefined) {
      this.native.kup_user_close(this.#reading);
    } else {
      // The socket closes this end.
      this.native.kup_user_disown(this.#reading);
      this.#socket.destroy();
    }
    // No file is registered, so the waiter does not write to the pipe any more.
    if (this.#pipeGone) this.native.kup_user_disown(this.pipe);
    else this.native.kup_user_close(this.pipe);
  }

  /** Called by the owner of a registration, so its waiter exists. */
  hold(id: number): void {
    this.#armed.set(id, this.#waiters.get(id)!.deref()!);
    if (this.#armed.size === 1) this.#socket?.ref();
  }

  letGo(id: number): void {
    if (this.#armed.delete(id) && this.#armed.size === 0) this.#socket?.unref();
  }

  #read(data: Uint8Array): void {
    let bytes = data;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + data.length);
      bytes.set(this.#rest);
      bytes.set(data, this.#rest.length);
    }
    const whole = bytes.length & ~3;
    const view = new DataView(bytes.buffer, bytes.byteOffset, whole);
    for (let at = 0; at < whole; at += 4) this.#wake(view.getInt32(at, true));
    this.#rest = bytes.slice(whole);
  }

  #wake(id: number): void {
    this.#waiters.get(id)?.deref()?.wake();
  }

  /** The pipe can't be watched. The next wait gets a new one. */
  #fail(error: unknown): void {
    if (this.#over) return;
    reactors.delete(this.native);
    for (const waiter of [...this.#waiters.values()]) waiter.deref()?.fail(error);
    this.closeIfUnused();
  }
}

const reactors = new Map<Native, Reactor>();

/**
 * One file's registration with the waiter. Its creator owns it, and removes it before closing
 * the file.
 */
export class Registration {
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #id: number;
  #armed = false;

  /** For {@linkcode register} only. */
  constructor(reactor: Reactor, fd: number, id: number) {
    this.#reactor = reactor;
    this.#fd = fd;
    this.#id = id;
  }

  /**
   * Asks for one wake-up, the next time that poll(2) reports one of `events`, an error or a hangup;
   * or at once if it does already. Replaces what was asked for before, and keeps the event loop
   * alive.
   */
  arm(events: number): void {
    const { native } = this.#reactor;
    const result = native.kup_user_waiter_arm(this.#fd, this.#id, events);
    if (result < 0) throw systemError("wait", result, "KUP");
    if (this.#armed) return;
    this.#armed = true;
    this.#reactor.hold(this.#id);
  }

  /**
   * Asks for one wake-up at this time of `kup_user_now`, besides those of `arm`. Infinity cancels
   * the request.
   */
  alarm(at: number): void {
    const result = this.#reactor.native.kup_user_waiter_alarm(this.#fd, this.#id, at);
    if (result < 0) throw systemError("wait", result, "KUP");
  }

  /**
   * Called when the wake-up has come, or is not needed any more. A wake-up that was asked for may
   * still come.
   */
  rest(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.#reactor.letGo(this.#id);
  }

  /** Removes the file from the waiter. */
  remove(): void {
    this.rest();
    this.#reactor.remove(this.#fd, this.#id);
  }
}

function reactorOf(native: Native): Reactor {
  let reactor = reactors.get(native);
  if (reactor === undefined) reactors.set(native, reactor = new Reactor(native));
  return reactor;
}

/**
 * Registers an open file with the waiter.
 *
 * @throws {KupError} `"too-many-files"`, `"out-of-memory"` or `"system"`.
 */
export function register(native: Native, fd: number, waiter: Waiter): Registration {
  const reactor = reactorOf(native);
  const id = reactor.add(fd, waiter);
  if (id < 0) {
    reactor.closeIfUnused();
    throw systemError("wait", id, "KUP");
  }
  return new Registration(reactor, fd, id);
}

/**
 * One round of the event loop: the loop has run out of work and has polled, so it has looked at
 * timers and at all input. No timer is used, because a test framework may have replaced them all;
 * instead the waiter reports a file that is always ready.
 */
export class Round implements Waiter {
  readonly #done = Promise.withResolvers<void>();
  readonly #registration: Registration;
  #over = false;

  /** @throws {KupError} `"too-many-files"`, `"out-of-memory"` or `"system"`. */
  constructor(native: Native) {
    const { pipe } = reactorOf(native);
    this.#registration = register(native, pipe, this);
    try {
      this.#registration.arm(POLLOUT);
    } catch (error) {
      this.#registration.remove();
      throw error;
    }
  }

  /** Resolves when the round is over. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Makes `done` resolve now. */
  cancel(): void {
    this.wake();
  }

  wake(): void {
    // A cancellation may come just after the wake-up.
    if (this.#over) return;
    this.#over = true;
    this.#registration.remove();
    this.#done.resolve();
  }

  fail(error: unknown): void {
    this.#registration.remove();
    this.#done.reject(error);
  }
}
