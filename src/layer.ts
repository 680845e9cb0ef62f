// SPDX-License-Identifier: BSD-3-Clause
import { type AttachedChannel, PARTS } from "./channel.ts";
import type { ChannelStats, ChannelTotals } from "./types.ts";

/** What every layer shares with the channel below it. A layer has no Web Streams. */
export abstract class Layer {
  abstract readonly mode: "stream" | "turn";
  readonly number: number;
  readonly generation: number;
  readonly maxMessage: number;
  readonly maxReceive: number;
  readonly #base: AttachedChannel;

  constructor(base: AttachedChannel) {
    this.#base = base;
    this.number = base.number;
    this.generation = base.generation;
    this.maxMessage = base.maxMessage;
    this.maxReceive = base.maxReceive;
  }

  get closed(): boolean {
    return this.#base.closed;
  }

  get done(): boolean {
    return this.#base.done;
  }

  get readable(): never {
    throw this.#noStream("readable");
  }

  drain(): never {
    throw this.#noStream("drain");
  }

  toReadable(): never {
    throw this.#noStream("toReadable");
  }

  get writable(): never {
    throw this.#noStream("writable");
  }

  #noStream(name: string): TypeError {
    const { subject } = this.#base[PARTS].link;
    return new TypeError(
      `${subject}: This is a ${this.mode} channel, and \`${name}\` is for stream channels; use ` +
        "send and receive.",
    );
  }

  stats(): ChannelStats {
    return this.#base.stats();
  }

  totals(): ChannelTotals {
    return this.#base.totals();
  }

  close(): void {
    this.#base.close();
  }

  [Symbol.dispose](): void {
    this.#base.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#base.close();
    return Promise.resolve();
  }
}
