// SPDX-License-Identifier: BSD-3-Clause
/**
 * What devices and channels have of the system, known apart from them, so that it is given back
 * however they end:
 *
 * - by `close`;
 * - by the end of the isolate, which the event "unload" announces (at the end of a program, and
 *   before `deno run --watch` starts it again). Deno announces neither the end of a worker nor an
 *   exception that ends a watched program: then the native library closes what the isolate's
 *   thread has left;
 * - by the garbage collector, when nothing refers to them any more. A program that relies on that
 *   keeps others waiting for the channel, so it is warned.
 *
 * Nothing here may refer to the devices and channels themselves but weakly. The code that waits
 * (in the reactor) refers to them strongly for as long as it does, and so does each of their
 * messages and views.
 *
 * @module
 */

import { systemError } from "./errors.ts";
import { type Native, releaseNative } from "./library.ts";
import type { Registration } from "./reactor.ts";

// Taken here, because a test framework may replace it.
const { addEventListener } = globalThis;

/** Something with a `close` that gives its resources back, and may be called twice. */
interface Closable {
  close(): void;
}

/** A range of addresses, with a channel's memory in it. */
export interface Mapping {
  readonly address: bigint;
  readonly bytes: number;
}

/**
 * The number by which the native library knows this isolate. It lies where every copy of this
 * module in this isolate finds it.
 */
const ISOLATE = Symbol.for("jsr:@kup/kup#isolate");

/**
 * Makes a descriptor end with this isolate.
 *
 * @throws {KupError} `"out-of-memory"`; then the descriptor is still the caller's to close.
 */
export function own(native: Native, fd: number, subject: string): void {
  const known: unknown = Reflect.get(globalThis, ISOLATE);
  const result = native.kup_user_own(fd, typeof known === "number" ? known : 0);
  if (result < 0) throw systemError("open", result, subject);
  if (known === undefined) Object.defineProperty(globalThis, ISOLATE, { value: result });
}

/**
 * All that are not freed, with the objects that would close them; without one: an attach that is
 * under way.
 */
const all = new Map<Resources, WeakRef<Closable> | undefined>();

const registry = new FinalizationRegistry<Resources>((resources) => {
  if (!all.has(resources)) return;
  resources.free();
  console.warn(
    `KUP: ${resources.subject} was garbage-collected before it was closed, and is closed now. ` +
      "Declare it with `using`, or call `close()`.",
  );
});

let listens = false;

function onUnload(): void {
  for (const [resources, owner] of [...all]) {
    try {
      owner?.deref()?.close();
    } catch {
      // What follows gives back all the same.
    }
    resources.free();
  }
}

/** One open file, and what belongs to it. Frees itself once. */
export class Resources {
  readonly native: Native;
  readonly fd: number;
  /** As a message names it: "The channel host:echo channel 3". */
  subject: string;
  /** Removed first. */
  registration: Registration | undefined;
  /** What a channel retains of it. */
  breath: { release(): void } | undefined;
  /** Replaced by zeros, unless its user takes it away before. */
  mapping: Mapping | undefined;

  /**
   * Takes over `fd`, and one use of the native calls.
   *
   * @throws {KupError} `"out-of-memory"`; then both are given back.
   */
  constructor(native: Native, fd: number, subject: string) {
    this.native = native;
    this.fd = fd;
    this.subject = subject;
    all.set(this, undefined);
    try {
      own(native, fd, subject);
    } catch (error) {
      this.free();
      throw error;
    }
    if (listens) return;
    addEventListener.call(globalThis, "unload", onUnload);
    listens = true;
  }

  /**
   * From now on they end with `target` at the latest.
   *
   * @param target What everything that uses them refers to.
   * @param owner What is closed when the isolate ends.
   */
  belongTo(target: object, owner: Closable): void {
    all.set(this, new WeakRef(owner));
    registry.register(target, this, this);
  }

  /** The waiter goes first, then the pages, then the file. */
  free(): void {
    if (!all.delete(this)) return;
    registry.unregister(this);
    const { native, fd, registration, breath, mapping } = this;
    registration?.remove();
    breath?.release();
    if (mapping !== undefined) native.kup_user_unmap(mapping.address, BigInt(mapping.bytes));
    native.kup_user_close(fd);
    releaseNative(native);
  }
}
