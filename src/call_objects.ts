// SPDX-License-Identifier: BSD-3-Clause
/**
 * A call that waits, and what calls bring: replies and requests.
 *
 * @module
 */

import { KupError } from "./errors.ts";
import { Pending } from "./pending.ts";
import type { CallData, CallRequest, Reply } from "./types.ts";

// Saved here, because a test framework may replace them.
const { setTimeout, clearTimeout } = globalThis;

/** The longest timeout of the system's timers, in milliseconds. A longer one is no limit. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A call of this side that has not ended. */
export class OpenCall extends Pending {
  readonly method: number;
  /** The request's payload. */
  readonly frame: Uint8Array<ArrayBuffer>;
  /** Undefined until the request is sent. */
  slot: number | undefined;
  readonly #resolve: (reply: Reply) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    method: number,
    frame: Uint8Array<ArrayBuffer>,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    super(reject);
    this.method = method;
    this.frame = frame;
    this.#resolve = resolve;
  }

  /**
   * Begins to watch the signal and the time.
   *
   * @param timeout Milliseconds; negative for no limit.
   * @param leave Called when the call ends early, before its promise rejects.
   */
  begin(
    subject: string,
    signal: AbortSignal | undefined,
    timeout: number,
    leave: () => void,
  ): void {
    this.watch(signal, () => {
      clearTimeout(this.#timer);
      leave();
    });
    if (timeout < 0 || timeout > LONGEST_TIMEOUT) return;
    this.#timer = setTimeout(() => {
      this.detach();
      leave();
      this.reject(new KupError("timed-out", `${subject}: No reply within ${timeout} ms.`));
    }, timeout);
  }

  /** Ends the call with a reply. */
  finish(reply: Reply): void {
    this.#end();
    this.#resolve(reply);
  }

  /** Ends the call with an error. */
  fail(error: unknown): void {
    this.#end();
    this.reject(error);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.detach();
  }
}

/** A copy of the data that a call has brought. */
class ReceivedData implements CallData {
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  text(): string {
    return decoder.decode(this.bytes);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }
}

/** The kernel's reply. */
export class ReceivedReply extends ReceivedData implements Reply {
  readonly status: number;

  constructor(status: number, bytes: Uint8Array<ArrayBuffer>) {
    super(bytes);
    this.status = status;
  }

  get ok(): boolean {
    return this.status === 0;
  }
}

/** The kernel's request. Its signal is made when the handler asks for it, because most don't. */
export class ReceivedRequest extends ReceivedData implements CallRequest {
  readonly method: number;
  #controller: AbortController | undefined;
  #ended: { readonly reason: unknown } | undefined;

  constructor(method: number, bytes: Uint8Array<ArrayBuffer>) {
    super(bytes);
    this.method = method;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended.reason);
    }
    return this.#controller.signal;
  }

  /** Aborts the signal. Without a reason, it gets the standard one. */
  cancel(reason?: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    this.#controller?.abort(reason);
  }
}
