// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of calls: the part of the public API that `types.ts` exports from here.
 *
 * @module
 */

import type { Data } from "./types.ts";

/** How to make a call. */
export interface CallOptions {
  /** Ends the call. The promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * How long to wait, in milliseconds. By default, without a limit. The time for which the call
   * waits for room, or for one of the other calls to end, counts too.
   */
  timeout?: number | undefined;
}

/** Data that has come with a call. It is a copy, which belongs to the program. */
export interface CallData {
  /** The length of the data, in bytes. */
  readonly length: number;
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes, decoded as UTF-8; invalid sequences become U+FFFD. */
  text(): string;
  /**
   * The bytes, parsed as JSON.
   *
   * @throws {SyntaxError} If they are not JSON.
   */
  json(): unknown;
}

/** The other side's answer to a call. */
export interface Reply extends CallData {
  /** 0: success. Below 0xffff0000: the client's own. Otherwise one of {@linkcode CallStatus}. */
  readonly status: number;
  /** Whether the status is 0. */
  readonly ok: boolean;
}

/** A call of the kernel's side, for a {@linkcode CallHandler}. */
export interface CallRequest extends CallData {
  /** What is asked for, an integer from 0 to 0xfffeffff. */
  readonly method: number;
  /**
   * Aborted when the kernel's side does not wait for the reply any more, and when the channel ends.
   * A handler that stops because of it should throw the signal's reason.
   */
  readonly signal: AbortSignal;
}

/**
 * Answers calls of the kernel's side. What it returns is the data of the reply, with status 0. If
 * it throws, the reply has the status of a {@linkcode CallError}, or otherwise "failed", with the
 * error's message as its data.
 */
export type CallHandler = (
  request: CallRequest,
) => Data | undefined | void | Promise<Data | undefined | void>;

/** The part of a {@linkcode Channel} for devices in call mode. */
export interface CallMethods {
  /**
   * Call channels only: sends a request to the kernel's side, and waits for the reply. Up to 64
   * calls are open at a time; later ones wait. The kernel's side may answer in any order.
   *
   * However a call ends, it ends once. A call that ends early (by `signal` or `timeout`) sends a
   * cancel, and its reply is ignored. The kernel's side may have acted on it.
   *
   * @param method What to ask for, an integer from 0 to 0xfffeffff.
   * @param data The request's data, at most `maxMessage` bytes. It is copied at once.
   * @returns The reply, whatever its status is.
   * @throws {RangeError} If the data is longer than `maxMessage`, or `method` or `timeout` is out
   * of range.
   * @throws {TypeError} If the channel is not a call channel, or the data is not {@linkcode Data}.
   * @throws {KupError} `"timed-out"`, `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { open } from "jsr:@kup/kup";
   *
   * const GET = 1;
   * using device = open("/dev/store");
   * using channel = await device.attach();
   * const reply = await channel.call(GET, "name", { timeout: 1000 });
   * console.log(reply.ok ? reply.text() : `status ${reply.status}`);
   * ```
   */
  call(method: number, data?: Data, options?: CallOptions): Promise<Reply>;
  /**
   * Call channels only: sets the function that answers the kernel's requests, or removes it
   * (`undefined`). It runs for up to 64 requests at the same time. While it is set, the channel
   * keeps the program running, until it is closed.
   *
   * Without a handler, requests get the status "no handler" while a call is open; otherwise they
   * stay in the ring.
   *
   * @throws {TypeError} If the channel is not a call channel, or the handler is not a function.
   * @throws {KupError} `"closed"`, `"broken"`.
   *
   * @example
   * ```ts
   * import { CallError, open } from "jsr:@kup/kup";
   *
   * const DECIDE = 1;
   * using device = open("/dev/gate");
   * using channel = await device.attach();
   * channel.handle(({ method, bytes }) => {
   *   if (method !== DECIDE) throw new CallError(1, "There is no such method.");
   *   return new Uint8Array([bytes.length < 100 ? 1 : 0]);
   * });
   * ```
   */
  handle(handler: CallHandler | undefined): void;
}
