// SPDX-License-Identifier: BSD-3-Clause
/**
 * The calls that wait for room, in the queue of a sender.
 *
 * @module
 */

import { CONTROL_END, RECORD_CONTROL } from "./abi.ts";
import { Pending } from "./pending.ts";
import { recordSpace } from "./ring.ts";
import type { Reservation } from "./types.ts";

const NOTHING = new Uint8Array(0);

/** What a call needs of its sender; see there. */
export interface Producing {
  claim(length: number): Reservation | undefined;
  fits(length: number): boolean;
  put(bytes: Uint8Array, type: number, flags?: number): boolean;
  putAll(messages: readonly Uint8Array[], from: number, type: number): number;
}

/** A call that waits in the queue because there was no room for it. */
export abstract class Queued extends Pending {
  /** The room that it waits for, in bytes of the ring. */
  abstract get space(): number;
  /** Takes as much room as it can; returns true when it needs no more. */
  abstract attempt(sender: Producing): boolean;
  /** Resolves the call's promise. */
  abstract resolve(): void;
}

/** One or several messages, sent in this order. */
export class PendingSend extends Queued {
  readonly resolve: () => void;
  readonly #messages: readonly Uint8Array[];
  readonly #type: number;
  #next: number;

  constructor(
    messages: readonly Uint8Array[],
    next: number,
    type: number,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    super(reject);
    this.resolve = resolve;
    this.#messages = messages;
    this.#next = next;
    this.#type = type;
  }

  get space(): number {
    return recordSpace(this.#messages[this.#next]?.length ?? 0);
  }

  attempt(sender: Producing): boolean {
    this.#next = sender.putAll(this.#messages, this.#next, this.#type);
    return this.#next === this.#messages.length;
  }
}

export class PendingReserve extends Queued {
  readonly #resolve: (reservation: Reservation) => void;
  readonly #length: number;
  #reservation: Reservation | undefined;

  constructor(
    length: number,
    resolve: (reservation: Reservation) => void,
    reject: (error: unknown) => void,
  ) {
    super(reject);
    this.#resolve = resolve;
    this.#length = length;
  }

  get space(): number {
    return recordSpace(this.#length);
  }

  attempt(sender: Producing): boolean {
    this.#reservation = sender.claim(this.#length);
    return this.#reservation !== undefined;
  }

  resolve(): void {
    this.#resolve(this.#reservation!);
  }
}

/** The end of this direction. */
export class PendingEnd extends Queued {
  readonly resolve: () => void;
  readonly space = recordSpace(0);

  constructor(resolve: () => void, reject: (error: unknown) => void) {
    super(reject);
    this.resolve = resolve;
  }

  attempt(sender: Producing): boolean {
    return sender.put(NOTHING, CONTROL_END, RECORD_CONTROL);
  }
}

/** A layer that waits for room. */
export class PendingRoom extends Queued {
  readonly resolve: () => void;
  readonly #length: number;

  constructor(length: number, resolve: () => void, reject: (error: unknown) => void) {
    super(reject);
    this.resolve = resolve;
    this.#length = length;
  }

  get space(): number {
    return recordSpace(this.#length);
  }

  attempt(sender: Producing): boolean {
    return sender.fits(this.#length);
  }
}
