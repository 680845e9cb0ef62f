// SPDX-License-Identifier: BSD-3-Clause
import { checkSignal } from "./arguments.ts";
import * as forms from "./options.ts";
import type { Receiver } from "./receiver.ts";
import type { Message, MessageIterator, MessagesOptions } from "./types.ts";

/**
 * The messages of a channel, one by one. Written out by hand: a generator costs three times as much
 * for each message. It is done after `return` and at the channel's end only, so a refused step can
 * be made again.
 */
export class Messages implements MessageIterator {
  readonly #receiver: Receiver;
  readonly #signal: AbortSignal | undefined;
  /** Undefined if gaps come as messages. */
  readonly #onGap: forms.GapListener | undefined;
  /** The newest message that was handed out. */
  #last: Message | undefined;
  #done = false;

  constructor(
    receiver: Receiver,
    subject: string,
    options: MessagesOptions | undefined,
  ) {
    forms.check(forms.MESSAGES, options);
    this.#receiver = receiver;
    this.#signal = checkSignal(options?.signal);
    const gaps = forms.checkGaps(options?.gaps, ["report", "throw"]);
    this.#onGap = gaps === "report" ? undefined : forms.gapListener(subject, gaps);
  }

  next(): Promise<IteratorResult<Message>> {
    for (;;) {
      if (this.#done) return Promise.resolve({ done: true, value: undefined });
      if (this.#signal?.aborted) return Promise.reject(this.#signal.reason);
      let message: Message | undefined;
      try {
        message = this.#receiver.quickReceive();
      } catch (error) {
        if (!this.#receiver.closed) return Promise.reject(error);
        this.#done = true;
        continue;
      }
      if (message === undefined) break;
      if (message.gap === undefined || this.#onGap === undefined) {
        return Promise.resolve(this.#handOut(message));
      }
      try {
        const onGap = this.#onGap;
        onGap(message.gap);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#receiver.receiveFor(this, this.#signal, same).then(this.#received);
  }

  /** Another caller's wait goes on, and another caller's message stays. */
  return(): Promise<IteratorResult<Message>> {
    this.#done = true;
    this.#receiver.cancel(this);
    if (this.#last !== undefined) this.#receiver.releaseMessage(this.#last);
    this.#last = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #handOut(message: Message): IteratorResult<Message> {
    this.#last = message;
    return { done: false, value: message };
  }

  readonly #received = (
    message: Message | undefined,
  ): IteratorResult<Message> | Promise<IteratorResult<Message>> => {
    if (message === undefined) {
      this.#done = true;
      return { done: true, value: undefined };
    }
    const onGap = this.#onGap;
    if (message.gap === undefined || onGap === undefined) return this.#handOut(message);
    onGap(message.gap);
    return this.next();
  };
}

function same(message: Message | undefined): Message | undefined {
  return message;
}
