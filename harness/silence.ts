// SPDX-License-Identifier: BSD-3-Clause
/**
 * When a guest is ended: an emulated machine may be slow without a limit that is known in advance,
 * but a guest that prints nothing for minutes is stuck.
 */

import { HarnessError } from "./error.ts";

/** How long a guest may take, in milliseconds. */
export interface Limits {
  /** Without a byte on any of its ports. */
  readonly silence: number;
  /** In all. */
  readonly total: number;
}

const DEFAULT_SILENCE_S = 300;

/** Only a guest that prints in a loop gets here. */
const TOTAL_MS = 6 * 60 * 60 * 1000;

/** A shell waits for its user. */
export const NO_LIMITS: Limits = { silence: Infinity, total: Infinity };

/**
 * The limits for a guest that runs by itself. `seconds` is the value of VM_SILENCE.
 *
 * @throws {HarnessError} `"setting"` when `seconds` is given and is not a positive number.
 */
export function guestLimits(seconds: string | undefined): Limits {
  if (seconds === undefined || seconds === "") {
    return { silence: DEFAULT_SILENCE_S * 1000, total: TOTAL_MS };
  }
  const number = /^\d+(\.\d+)?$/.test(seconds) ? Number(seconds) : NaN;
  if (!(number > 0)) {
    throw new HarnessError(
      "setting",
      `VM_SILENCE must be a number of seconds above 0, not "${seconds}".`,
    );
  }
  return { silence: number * 1000, total: Math.max(TOTAL_MS, 2000 * number) };
}

/** Watches how much a guest has printed. Times are in milliseconds of one clock. */
export class SilenceWatch {
  readonly #limits: Limits;
  readonly #start: number;
  #printed = 0;
  #changed: number;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#start = now;
    this.#changed = now;
  }

  /**
   * Receives the number of bytes on all ports so far. Returns the reason if the guest has to be
   * ended.
   */
  look(now: number, printed: number): string | undefined {
    if (printed !== this.#printed) {
      this.#printed = printed;
      this.#changed = now;
    }
    if (now - this.#changed >= this.#limits.silence) {
      const seconds = this.#limits.silence / 1000;
      return `it printed nothing for ${seconds} s; VM_SILENCE sets how many seconds it may`;
    }
    if (now - this.#start < this.#limits.total) return undefined;
    return `it continued to print for ${(this.#limits.total / 3_600_000).toFixed(1)} hours`;
  }
}
