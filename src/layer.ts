// SPDX-License-Identifier: BSD-3-Clause
import type { AttachedChannel } from "./channel.ts";
import type { ChannelStats, KernelStats } from "./types.ts";

/** What a layer has in common with the channel below. */
export abstract class Layer {
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

  get ended(): boolean {
    return this.#base.ended;
  }

  stats(): ChannelStats {
    return this.#base.stats();
  }

  kernelStats(): KernelStats {
    return this.#base.kernelStats();
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
