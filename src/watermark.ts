// SPDX-License-Identifier: BSD-3-Clause
import { checkInteger, checkNumber } from "./arguments.ts";
import type { Native } from "./library.ts";
import type { WatermarkOptions } from "./types.ts";

/** What a wait for several messages sleeps for. */
export class Watermark {
  readonly bytes: number;
  /** The time of `kup_user_now` from which on fewer bytes are enough; Infinity if there is none. */
  readonly end: number;
  readonly #native: Native;

  constructor(native: Native, bytes: number, end: number) {
    this.#native = native;
    this.bytes = bytes;
    this.end = end;
  }

  /** Whether whatever is there is to be taken. */
  get isOver(): boolean {
    return this.end !== Infinity && this.#native.kup_user_now() >= this.end;
  }
}

/** The options of {@linkcode WatermarkOptions}, checked; `begin` starts the time of one wait. */
export class Watermarks {
  readonly #native: Native;
  readonly #bytes: number;
  readonly #within: number;

  private constructor(native: Native, bytes: number, within: number) {
    this.#native = native;
    this.#bytes = bytes;
    this.#within = within;
  }

  /**
   * @param ring The bytes of the ring to the user.
   * @returns Undefined if neither option is given.
   */
  static from(
    native: Native,
    ring: number,
    options: WatermarkOptions | undefined,
  ): Watermarks | undefined {
    const minBytes = options?.minBytes;
    const within = options?.within;
    if (minBytes === undefined && within === undefined) return undefined;
    const time = checkWithin(within);
    const half = ring / 2;
    return new Watermarks(native, minBytes === undefined ? half : checkBytes(minBytes, half), time);
  }

  begin(): Watermark {
    const end = this.#within === Infinity ? Infinity : this.#native.kup_user_now() + this.#within;
    return new Watermark(this.#native, this.#bytes, end);
  }
}

function checkBytes(minBytes: number, half: number): number {
  if (checkNumber("minBytes", minBytes) > half) {
    throw new RangeError(
      `\`minBytes\` must be at most ${half}, half the ring to the user, not ${minBytes}; ask for ` +
        "less, or make the ring larger.",
    );
  }
  return checkInteger("minBytes", minBytes, 1, half);
}

function checkWithin(within: number | undefined): number {
  if (within === undefined) return Infinity;
  if (checkNumber("within", within) >= 0) return within;
  throw new RangeError(
    `\`within\` must be a number of milliseconds, 0 or more, not ${String(within)}.`,
  );
}
