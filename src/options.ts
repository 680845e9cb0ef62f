// SPDX-License-Identifier: BSD-3-Clause
/**
 * Options that a call does not take because they belong to another call. They are refused: a call
 * that ignored a `timeout` would wait without a limit.
 *
 * @module
 */

import { checkOptions } from "./arguments.ts";
import { gapError } from "./errors.ts";
import type { Gap } from "./types.ts";

/** For each option that a call does not take: what to do instead. */
interface Advice {
  readonly signal?: string;
  readonly timeout?: string;
  readonly type?: string;
  readonly max?: string;
  readonly gaps?: string;
  readonly length?: string;
  readonly discard?: string;
  readonly minBytes?: string;
  readonly within?: string;
}

/** All options of a channel's calls. */
type Options = Readonly<Partial<Record<keyof Advice, unknown>>>;

/** One call, and the options that it refuses. */
export class Form {
  readonly #name: string;
  readonly #timeout: string | undefined;
  readonly #signal: string | undefined;
  readonly #type: string | undefined;
  readonly #max: string | undefined;
  readonly #gaps: string | undefined;
  readonly #length: string | undefined;
  readonly #discard: string | undefined;
  readonly #minBytes: string | undefined;
  readonly #within: string | undefined;

  constructor(name: string, advice: Advice) {
    this.#name = name;
    this.#timeout = advice.timeout;
    this.#signal = advice.signal;
    this.#type = advice.type;
    this.#max = advice.max;
    this.#gaps = advice.gaps;
    this.#length = advice.length;
    this.#discard = advice.discard;
    this.#minBytes = advice.minBytes;
    this.#within = advice.within;
  }

  /**
   * Reads the options that the call does not take, and no others.
   *
   * @throws {TypeError} An error that names the option, and what to do instead.
   */
  check(options: object): void {
    checkOptions(options);
    const given: Options = options;
    if (this.#timeout !== undefined && given.timeout !== undefined) {
      this.#refuse("timeout", this.#timeout);
    }
    if (this.#signal !== undefined && given.signal !== undefined) {
      this.#refuse("signal", this.#signal);
    }
    if (this.#type !== undefined && given.type !== undefined) this.#refuse("type", this.#type);
    if (this.#max !== undefined && given.max !== undefined) this.#refuse("max", this.#max);
    if (this.#gaps !== undefined && given.gaps !== undefined) this.#refuse("gaps", this.#gaps);
    if (this.#length !== undefined && given.length !== undefined) {
      this.#refuse("length", this.#length);
    }
    if (this.#discard !== undefined && given.discard !== undefined) {
      this.#refuse("discard", this.#discard);
    }
    if (this.#minBytes !== undefined && given.minBytes !== undefined) {
      this.#refuse("minBytes", this.#minBytes);
    }
    if (this.#within !== undefined && given.within !== undefined) {
      this.#refuse("within", this.#within);
    }
  }

  #refuse(name: string, advice: string): never {
    throw new TypeError(`${this.#name} takes no \`${name}\`: ${advice}.`);
  }
}

/** Checks a call's options; without options it costs nothing. */
export function check(form: Form, options: object | undefined): void {
  if (options !== undefined) form.check(options);
}

// Two calls are made for each message. V8 inlines these functions, since they are small; `check` took
// a fifth of a trySend. They only look whether there is something to refuse.

/** The same as `check(TRY_SEND, options)`. */
export function checkTrySend(options: object | undefined): void {
  if (options === undefined) return;
  const given: Options = options;
  if (
    typeof given !== "object" || given === null || given.timeout !== undefined ||
    given.signal !== undefined || given.length !== undefined || given.discard !== undefined
  ) TRY_SEND.check(options);
}

/** The same as `check(COMMIT, options)`. */
export function checkCommit(options: object | undefined): void {
  if (options === undefined) return;
  const given: Options = options;
  if (
    typeof given !== "object" || given === null || given.timeout !== undefined ||
    given.signal !== undefined || given.discard !== undefined
  ) COMMIT.check(options);
}

const WITH_SIGNAL = "use `signal: AbortSignal.timeout(milliseconds)`";
const NO_TYPE = { type: "a pass has no type" };
const OF_COMMIT = { type: "give it to commit" };
const OF_BYTES = { length: "send a `subarray` of the bytes" };
const OF_TURNS = { discard: "it is for turn channels, and this is a stream channel" };
const OF_BATCHES = { minBytes: "use receiveBatch", within: "use receiveBatch" };
const WITHOUT_MARK = {
  minBytes: "a turn brings one message",
  within: `a turn brings one message; ${WITH_SIGNAL}`,
};
const OF_SENDER = {
  type: "it takes messages of every type; look at `message.type`",
  discard: "give it to the send or pass that follows",
  gaps: "look at `message.gap`, or use messages",
};
const ONE = { ...OF_SENDER, ...OF_BATCHES, max: "use receiveBatch or tryReceiveBatch" };

export const ATTACH = new Form("attach", {
  timeout: `${WITH_SIGNAL}, or \`wait: false\``,
});

export const WAIT_FOR_DEVICE = new Form("waitForDevice", { timeout: WITH_SIGNAL });

const SEND_ADVICE = { ...OF_BYTES, timeout: `${WITH_SIGNAL}, or sendSync` };
const SEND_BATCH_ADVICE = { ...OF_BYTES, timeout: WITH_SIGNAL };
const TRY_SEND_ADVICE = {
  ...OF_BYTES,
  timeout: "it never waits; use sendSync",
  signal: "it never waits; use send",
};
const SEND_SYNC_ADVICE = { ...OF_BYTES, signal: "use `timeout`, or send" };
const RESERVE_ADVICE = { ...OF_COMMIT, timeout: WITH_SIGNAL };
const TRY_RESERVE_ADVICE = {
  ...OF_COMMIT,
  timeout: "it never waits; use reserve and its `signal`",
  signal: "it never waits; use reserve",
};

export const SEND = new Form("send", { ...SEND_ADVICE, ...OF_TURNS });
export const SEND_BATCH = new Form("sendBatch", { ...SEND_BATCH_ADVICE, ...OF_TURNS });
export const TRY_SEND = new Form("trySend", { ...TRY_SEND_ADVICE, ...OF_TURNS });
export const SEND_SYNC = new Form("sendSync", { ...SEND_SYNC_ADVICE, ...OF_TURNS });
export const RESERVE = new Form("reserve", { ...RESERVE_ADVICE, ...OF_TURNS });
export const TRY_RESERVE = new Form("tryReserve", { ...TRY_RESERVE_ADVICE, ...OF_TURNS });

/** The same calls on a turn channel. */
export const TURN_SEND = new Form("send", SEND_ADVICE);
export const TURN_SEND_BATCH = new Form("sendBatch", SEND_BATCH_ADVICE);
export const TURN_TRY_SEND = new Form("trySend", TRY_SEND_ADVICE);
export const TURN_SEND_SYNC = new Form("sendSync", SEND_SYNC_ADVICE);
export const TURN_RESERVE = new Form("reserve", RESERVE_ADVICE);
export const TURN_TRY_RESERVE = new Form("tryReserve", TRY_RESERVE_ADVICE);

export const END = new Form("end", {
  timeout: WITH_SIGNAL,
  type: "an end has no type",
  length: "send the last message before it",
  discard: "discard open reservations by their own `discard`",
});

export const COMMIT = new Form("commit", {
  timeout: "it never waits",
  signal: "it never waits",
  discard: "give it to reserve",
});

export const PASS = new Form("pass", { ...NO_TYPE, timeout: `${WITH_SIGNAL}, or passSync` });
export const TRY_PASS = new Form("tryPass", {
  ...NO_TYPE,
  timeout: "it never waits; use passSync",
  signal: "it never waits; use pass",
});
export const PASS_SYNC = new Form("passSync", { ...NO_TYPE, signal: "use `timeout`, or pass" });

export const RECEIVE = new Form("receive", {
  ...ONE,
  timeout: `${WITH_SIGNAL}, or receiveSync`,
});
const BATCH_ADVICE = { ...OF_SENDER, timeout: `${WITH_SIGNAL}, or receiveBatchSync` };
const BATCH_SYNC_ADVICE = { ...OF_SENDER, signal: "use `timeout`, or receiveBatch" };
export const RECEIVE_BATCH = new Form("receiveBatch", BATCH_ADVICE);
export const RECEIVE_BATCH_SYNC = new Form("receiveBatchSync", BATCH_SYNC_ADVICE);

/** The same calls on a turn channel. */
export const TURN_RECEIVE_BATCH = new Form("receiveBatch", { ...BATCH_ADVICE, ...WITHOUT_MARK });
export const TURN_RECEIVE_BATCH_SYNC = new Form("receiveBatchSync", {
  ...BATCH_SYNC_ADVICE,
  ...WITHOUT_MARK,
});
export const TRY_RECEIVE = new Form("tryReceive", {
  ...ONE,
  timeout: "it never waits; use receiveSync",
  signal: "it never waits; use receive",
});
export const DRAIN = new Form("drain", {
  ...OF_SENDER,
  ...OF_BATCHES,
  gaps: "look at the cursor's `gap`",
  timeout: "it never waits; use receiveSync",
  signal: "it never waits; use receive",
});
export const TRY_RECEIVE_BATCH = new Form("tryReceiveBatch", {
  ...OF_SENDER,
  ...OF_BATCHES,
  timeout: "it never waits; use receiveBatch and its `signal`",
  signal: "it never waits; use receiveBatch",
});
export const RECEIVE_SYNC = new Form("receiveSync", {
  ...ONE,
  signal: "use `timeout`, or receive",
});

export const CALL = new Form("call", {
  type: "the method is its first argument",
  max: "make several calls",
  gaps: "calls have none",
  length: "give it a `subarray` of the bytes",
  discard: "it is for turn channels, and this is a call channel",
});

export const MESSAGES = new Form("messages", {
  ...OF_BATCHES,
  timeout: WITH_SIGNAL,
  type: OF_SENDER.type,
  discard: OF_SENDER.discard,
  max: "leave the loop by `break`",
});
export const TO_READABLE = new Form("toReadable", {
  timeout: "cancel the stream, or abort what reads it",
  signal: "cancel the stream, or give the signal to `pipeTo`",
  type: "a stream of bytes has no types; use messages",
  max: "cancel the stream",
  ...OF_TURNS,
});

/** Receives the counts of a gap. If it throws, the reader's call fails with that. */
export type GapListener = (gap: Gap) => void;

/** Checks the `gaps` option; the first of the words is the default. */
export function checkGaps<T extends string>(
  gaps: T | GapListener | undefined,
  words: readonly [T, ...T[]],
): T | GapListener {
  if (gaps === undefined) return words[0];
  if (typeof gaps === "function" || words.includes(gaps)) return gaps;
  const quoted = words.map((word) => `"${word}"`).join(", ");
  throw new TypeError(`\`gaps\` must be ${quoted} or a function, not ${String(gaps)}.`);
}

/** Returns the function to call for each gap, unless `gaps` is "report". */
export function gapListener(subject: string, gaps: "throw" | GapListener): GapListener {
  if (gaps !== "throw") return gaps;
  return (gap) => {
    throw gapError(subject, gap, "the messages behind them can still be received");
  };
}
