// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system resources of devices and channels. They are kept apart from the devices and channels,
 * so that they are given back in every case:
 *
 * - when `close` is called;
 * - when the isolate ends. The event "unload" announces that at the end of a program, and before
 *   `deno run --watch` restarts it. Deno announces neither the end of a worker nor an exception
 *   that ends a watched program: then the native library closes what the isolate's thread has left;
 * - when the garbage collector finds that nothing refers to the device or channel any more. A
 *   program that relies on this keeps other programs waiting for the channel, so it is warned.
 *
 * So nothing here may refer strongly to a device or a channel. A call that waits refers to it
 * strongly (through the reactor), and so does each of its messages and views.
 *
 * @module
 */

import { systemError } from "./errors.ts";
import { type Native, releaseNative } from "./library.ts";
import type { Registration } from "./reactor.ts";

// Saved here, because a test framework may replace it.
const { addEventListener } = globalThis;

/** Something with a `close` that gives its resources back, and may be called twice. */
interface Closable {
  close(): void;
}

/** A range of addresses that contains a channel's memory. */
export interface Mapping {
  readonly address: bigint;
  readonly bytes: number;
}

/**
 * The global property with the native library's number of this isolate. Every copy of this module
 * in the isolate finds it there.
 */
const ISOLATE = Symbol.for("jsr:@kup/kup#isolate");

/**
 * Makes a descriptor end with this isolate.
 *
 * @throws {KupError} `"out-of-memory"`; then the caller still has to close the descriptor.
 */
export function own(native: Native, fd: number, subject: string): void {
  const known: unknown = Reflect.get(globalThis, ISOLATE);
  const result = native.kup_user_own(fd, typeof known === "number" ? known : 0);
  if (result < 0) throw systemError("open", result, subject);
  if (known === undefined) Object.defineProperty(globalThis, ISOLATE, { value: result });
}

/**
 * All resources that are not freed, each with the object whose `close` frees it. A pending attach
 * has no such object yet.
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
      // The line below frees the resources in any case.
    }
    resources.free();
  }
}

/** One open file, and what belongs to it. It is freed once. */
export class Resources {
  readonly native: Native;
  readonly fd: number;
  /** The object's name for messages: "The channel host:echo channel 3". */
  subject: string;
  /** Removed first. */
  registration: Registration | undefined;
  /** The breath that a channel retains. */
  breath: { release(): void } | undefined;
  /** Replaced by zeros, unless its user has reset this before. */
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
   * From now on the resources are freed when `target` is collected, at the latest.
   *
   * @param target An object that everything that uses the resources refers to.
   * @param owner The object that is closed when the isolate ends.
   */
  belongTo(target: object, owner: Closable): void {
    all.set(this, new WeakRef(owner));
    registry.register(target, this, this);
  }

  /** Frees the resources: first the registration, then the pages, then the file. */
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
