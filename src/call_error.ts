// SPDX-License-Identifier: BSD-3-Clause
import {
  STATUS_CANCELLED,
  STATUS_FAILED,
  STATUS_NO_HANDLER,
  STATUS_NO_METHOD,
  STATUS_NO_ROOM,
  STATUS_OK,
  STATUS_TOO_LONG,
} from "./abi.ts";
import { checkInteger } from "./arguments.ts";
import type { Data } from "./types.ts";

/**
 * The statuses of replies that have a meaning to KUP. All of them but `ok` mean a failure.
 *
 * @example
 * ```ts
 * import { CallStatus, open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * const reply = await channel.call(1, "hello");
 * if (reply.status === CallStatus.noMethod) console.log("The module is too old.");
 * ```
 */
export const CallStatus = {
  /** The call succeeded. */
  ok: STATUS_OK,
  /** The other side answers no calls. */
  noHandler: STATUS_NO_HANDLER,
  /** The other side does not know this method. */
  noMethod: STATUS_NO_METHOD,
  /** The other side's handler failed; the reply's text may be a sentence. */
  failed: STATUS_FAILED,
  /** The reply is longer than its ring allows. */
  tooLong: STATUS_TOO_LONG,
  /** The ring had no room for the reply; call again. */
  noRoom: STATUS_NO_ROOM,
  /** The handler stopped because the call was cancelled. */
  cancelled: STATUS_CANCELLED,
} as const;

/**
 * Thrown by a handler that wants to answer with a status.
 *
 * @example
 * ```ts
 * import { CallError, CallStatus, open } from "jsr:@kup/kup";
 *
 * using device = open("host:echo", { parameters: { mode: 3 } }); // call mode
 * using channel = await device.attach();
 * channel.handle((request) => {
 *   if (request.method !== 1) throw new CallError(CallStatus.noMethod, "There is no such method.");
 *   return request.text();
 * });
 * ```
 */
export class CallError extends Error {
  /** The name of the class, as every `Error` has it. */
  override readonly name: string = "CallError";
  /** The status of the reply. */
  readonly status: number;
  /** The data of the reply. */
  readonly data: Data;

  /**
   * Makes the error.
   *
   * @param status The status of the reply, an integer from 1 to 0xffffffff.
   * @param data The data of the reply. If it is a string, it is the error's message too.
   * @throws {RangeError} If the status is out of range.
   */
  constructor(status: number, data: Data = "") {
    checkInteger("status", status, 1, 0xffffffff);
    super(typeof data === "string" && data !== "" ? data : `The status is ${status}.`);
    this.status = status;
    this.data = data;
  }
}
