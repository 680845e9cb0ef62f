// SPDX-License-Identifier: BSD-3-Clause
import { type AttachedChannel, PARTS } from "./channel.ts";
import type {
  CallHandler,
  CallOptions,
  ChannelStats,
  ChannelTotals,
  Data,
  Reply,
  RingBytes,
} from "./types.ts";

/** What every layer shares with the channel below it. A layer has no Web Streams. */
export abstract class Layer {
  abstract readonly mode: "turn" | "call";
  readonly number: number;
  readonly generation: number;
  readonly ringBytes: RingBytes;
  readonly maxMessage: number;
  readonly maxReceive: number;
  readonly #base: AttachedChannel;

  constructor(
    base: AttachedChannel,
    maxMessage = base.maxMessage,
    maxReceive = base.maxReceive,
  ) {
    this.#base = base;
    this.number = base.number;
    this.generation = base.generation;
    this.ringBytes = base.ringBytes;
    this.maxMessage = maxMessage;
    this.maxReceive = maxReceive;
  }

  get closed(): boolean {
    return this.#base.closed;
  }

  get done(): boolean {
    return this.#base.done;
  }

  get peerEnded(): false {
    return false;
  }

  end(): Promise<never> {
    return Promise.reject(this.#noStream("end"));
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
        (this.mode === "call" ? "call and handle." : "send and receive."),
    );
  }

  call(_method: number, _data?: Data, _options?: CallOptions): Promise<Reply> {
    return this.#base.call();
  }

  handle(_handler: CallHandler | undefined): void {
    this.#base.handle();
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
