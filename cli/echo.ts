// SPDX-License-Identifier: BSD-3-Clause
/**
 * Round trips to a device that echoes, in each mode.
 *
 * @module
 */

import type { Channel } from "../mod.ts";
import { Failure, Interrupted, pause } from "./command.ts";

/** How long an answer may take, in milliseconds. */
const PATIENCE_MS = 5000;

/** How often {@linkcode Patience} looks in that time. */
const LOOKS = 10;

/**
 * A signal that also aborts when an answer does not come. `touch` starts the time again. The time
 * in which this process itself could not run does not count, since it could not see an answer.
 */
export class Patience implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly signal: AbortSignal;
  #looks = 0;

  constructor(signal: AbortSignal, path: string, milliseconds = PATIENCE_MS) {
    this.signal = AbortSignal.any([signal, this.#controller.signal]);
    this.#timer = setInterval(() => {
      if (++this.#looks <= LOOKS) return;
      this.#controller.abort(
        new Failure(
          `${path} has not answered for ${milliseconds / 1000} s; this needs a device that sends ` +
            "each message back, as host:echo does.",
        ),
      );
    }, milliseconds / LOOKS);
  }

  touch(): void {
    this.#looks = 0;
  }

  /** Waits while no answer is expected. */
  async rest(milliseconds: number): Promise<void> {
    this.#looks = -Infinity;
    await pause(milliseconds, this.signal);
    this.touch();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function wrong(reason: string): Failure {
  return new Failure(`The device does not echo: ${reason}; use a device that sends the same back.`);
}

/** Compares the length and the ends of an answer with what was sent. */
function compare(answer: Uint8Array, sent: Uint8Array): void {
  const same = answer.length === sent.length && answer[0] === sent[0] &&
    answer.at(-1) === sent.at(-1);
  if (!same) throw wrong(`it answered ${sent.length} bytes with ${answer.length} others`);
}

/** Makes one round trip. The bytes must come back. */
export async function roundTrip(
  channel: Channel,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (channel.mode === "call") {
    const reply = await channel.call(0, bytes, { signal });
    if (!reply.ok) throw wrong(`it answered with status ${reply.status}`);
    return compare(reply.bytes, bytes);
  }
  // The kernel has the first turn.
  if (channel.mode === "turn" && channel.turn !== "user") await receive(channel, signal);
  await channel.send(bytes, { signal });
  compare((await receive(channel, signal)).bytes, bytes);
}

async function receive(channel: Channel, signal: AbortSignal) {
  const message = await channel.receive({ signal });
  if (message === undefined) throw wrong("it closed the channel");
  if (message.gap !== undefined) throw wrong(`it lost ${message.gap.records} messages`);
  return message;
}

/** The bytes of a message of this length. Messages with successive numbers differ. */
export function numbered(length: number, number: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(number & 0xff);
}

/** Whether an error is the end that a person asked for. */
export function isInterrupt(error: unknown): boolean {
  return error instanceof Interrupted;
}
