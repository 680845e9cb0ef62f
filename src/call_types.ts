// SPDX-License-Identifier: BSD-3-Clause
/**
 * The types of calls: the part of the public API that `types.ts` exports from here.
 *
 * @module
 */

import type { Data } from "./types.ts";

/**
 * How to make a call.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * await channel.call(1, "hello", { timeout: 1000, signal: AbortSignal.timeout(10_000) });
 * ```
 */
export interface CallOptions {
  /** Ends the call. The promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * How long to wait, in milliseconds. By default, without a limit. The time for which the call
   * waits for room, or for one of the other calls to end, counts too.
   */
  timeout?: number | undefined;
}

/**
 * Data that has come with a call. It is a copy, which belongs to the program.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * const reply = await channel.call(1, '{"a": 5}');
 * assertEquals(reply.text(), '{"a": 5}');
 * assertEquals(reply.json(), { a: 5 });
 * assertEquals(reply.bytes.length, reply.length);
 * ```
 */
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

/**
 * The other side's answer to a call.
 *
 * @example
 * ```ts
 * import { open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * const { ok, status } = await channel.call(0xfffe0001, new Uint32Array([7]));
 * console.log(ok, status); // false 7: the echo client answers with the status that it is sent
 * ```
 */
export interface Reply extends CallData {
  /** 0: success. Below 0xffff0000: the client's own. Otherwise one of {@linkcode CallStatus}. */
  readonly status: number;
  /** Whether the status is 0. */
  readonly ok: boolean;
}

/**
 * A call of the kernel's side, for a {@linkcode CallHandler}.
 *
 * @example
 * ```ts
 * import { type CallRequest, open } from "jsr:@kup/kup";
 *
 * async function answer({ method, signal }: CallRequest): Promise<string> {
 *   const timer = AbortSignal.any([signal, AbortSignal.timeout(10)]);
 *   await new Promise((resolve) => timer.addEventListener("abort", resolve));
 *   signal.throwIfAborted();
 *   return `the method is ${method}`;
 * }
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * channel.handle(answer);
 * // The echo client calls method 5 then, and replies with the answer.
 * const reply = await channel.call(0xfffe0006, new Uint32Array([5, 10_000]));
 * console.log(reply.text());
 * ```
 */
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
 *
 * @example
 * ```ts
 * import { type CallHandler, open } from "jsr:@kup/kup";
 * import { assertEquals } from "jsr:@std/assert@1";
 *
 * const upperCase: CallHandler = (request) => request.text().toUpperCase();
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * channel.handle(upperCase);
 * // The echo client calls method 5 then, with the bytes behind the first eight.
 * const request = new Uint8Array([5, 0, 0, 0, 0x10, 0x27, 0, 0, 0x61, 0x62, 0x63]);
 * assertEquals((await channel.call(0xfffe0006, request)).text(), "ABC");
 * ```
 */
export type CallHandler = (
  request: CallRequest,
) => Data | undefined | void | Promise<Data | undefined | void>;

/**
 * The part of a {@linkcode Channel} for devices in call mode.
 *
 * @example
 * ```ts
 * import { type CallMethods, open } from "jsr:@kup/kup";
 *
 * // Needs no more of a channel than its calls.
 * async function ask(device: CallMethods, question: string): Promise<string> {
 *   return (await device.call(1, question, { timeout: 1000 })).text();
 * }
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * console.log(await ask(channel, "hello"));
 * ```
 */
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
   * const GET = 1; // a method of the module
   * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
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
   * const DECIDE = 1; // what the module calls
   * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
   * using channel = await device.attach();
   * channel.handle(({ method, bytes }) => {
   *   if (method !== DECIDE) throw new CallError(1, "There is no such method.");
   *   return new Uint8Array([bytes.length < 100 ? 1 : 0]);
   * });
   * ```
   */
  handle(handler: CallHandler | undefined): void;
}
