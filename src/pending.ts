// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls that wait, and can be aborted.
 *
 * @module
 */

import { offAbort, onAbort } from "./arguments.ts";

/** A call that has not been settled yet. */
export class Pending {
  readonly reject: (error: unknown) => void;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(reject: (error: unknown) => void) {
    this.reject = reject;
  }

  /** When the signal is aborted, calls `cancel` and then rejects. */
  watch(signal: AbortSignal | undefined, cancel: () => void): void {
    if (signal === undefined) return;
    this.#signal = signal;
    this.#onAbort = () => {
      cancel();
      this.reject(signal.reason);
    };
    onAbort(signal, this.#onAbort);
  }

  /** Called before the call is settled. */
  detach(): void {
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort!);
  }
}
