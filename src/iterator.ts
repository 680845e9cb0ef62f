// SPDX-License-Identifier: BSD-3-Clause
import { checkSignal } from "./arguments.ts";
import * as forms from "./options.ts";
import type { Receiver } from "./receiver.ts";
import type { Gap, Message, MessageIterator, MessagesOptions } from "./types.ts";

/** Where the messages come from: a {@linkcode Receiver}, or a layer. */
export type Source = Pick<
  Receiver,
  "cancel" | "closed" | "quickReceive" | "receiveFor" | "releaseMessage"
>;

/**
 * The messages of a channel, one by one. It is not a generator, which would cost three times as
 * much for each message. It is done only after `return` and at the channel's end, so a step that
 * was refused can be made again.
 */
export class Messages implements MessageIterator {
  readonly #source: Source;
  readonly #signal: AbortSignal | undefined;
  /** Undefined if gaps come as messages. */
  readonly #onGap: forms.GapListener | undefined;
  /** The newest message that was handed out. */
  #last: Message | undefined;
  #done = false;

  constructor(
    source: Source,
    subject: string,
    options: MessagesOptions | undefined,
  ) {
    forms.check(forms.MESSAGES, options);
    this.#source = source;
    this.#signal = checkSignal(options?.signal);
    const gaps = forms.checkGaps(options?.gaps, ["report", "throw"]);
    this.#onGap = gaps === "report" ? undefined : forms.gapListener(subject, gaps);
  }

  next(): Promise<IteratorResult<Message>> {
    if (this.#done) return Promise.resolve(end());
    if (this.#signal?.aborted) return Promise.reject(this.#signal.reason);
    let message: Message | undefined;
    try {
      message = this.#source.quickReceive();
    } catch (error) {
      if (!this.#source.closed) return Promise.reject(error);
      this.#done = true;
      return Promise.resolve(end());
    }
    if (message === undefined) {
      return this.#source.receiveFor(this, this.#signal, same).then(this.#received);
    }
    if (message.gap !== undefined) return this.#gap(message, message.gap);
    this.#last = message;
    return Promise.resolve({ done: false, value: message });
  }

  /** Ends the iterator. It does not end another caller's wait, and does not release its message. */
  return(): Promise<IteratorResult<Message>> {
    this.#done = true;
    this.#source.cancel(this);
    if (this.#last !== undefined) this.#source.releaseMessage(this.#last);
    this.#last = undefined;
    return Promise.resolve(end());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Runs later than the step that took the message, so other calls may have come in between. */
  readonly #received = (
    message: Message | undefined,
  ): IteratorResult<Message> | Promise<IteratorResult<Message>> => {
    if (message === undefined) {
      this.#done = true;
      return end();
    }
    if (message.gap !== undefined) return this.#gap(message, message.gap);
    this.#last = message;
    return { done: false, value: message };
  };

  async #gap(message: Message, gap: Gap): Promise<IteratorResult<Message>> {
    const onGap = this.#onGap;
    while (onGap !== undefined) {
      onGap(gap);
      if (this.#done) return end();
      const next = await this.#source.receiveFor(this, this.#signal, same);
      if (next?.gap === undefined) return this.#received(next);
      gap = next.gap;
    }
    this.#last = message;
    return { done: false, value: message };
  }
}

function end(): IteratorReturnResult<undefined> {
  return { done: true, value: undefined };
}

function same(message: Message | undefined): Message | undefined {
  return message;
}
