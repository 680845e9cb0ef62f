// SPDX-License-Identifier: BSD-3-Clause
/**
 * A channel as two Web Streams. Their chunks are messages, in copies: what waits in a stream's
 * queue lives longer than a message does.
 *
 * @module
 */

import { KupError } from "./errors.ts";
import type { Link, Side } from "./link.ts";
import { check, checkGaps, type GapListener, gapListener, TO_READABLE } from "./options.ts";
import type { Lock, Receiver } from "./receiver.ts";
import type { Channel, Data, Message, ReadableOptions } from "./types.ts";

const lockedOf = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked")!.get!;

/** Both streams of one channel, made when they are first asked for. */
export class Streams implements Side {
  readonly #channel: Channel;
  readonly #link: Link;
  readonly #receiver: Receiver;
  #reading: Reading | undefined;
  #writing: Writing | undefined;

  constructor(channel: Channel, link: Link, receiver: Receiver) {
    this.#channel = channel;
    this.#link = link;
    this.#receiver = receiver;
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const reading = this.#reading;
    return reading === undefined || reading.left ? this.toReadable(undefined) : reading.stream;
  }

  toReadable(options: ReadableOptions | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
    check(TO_READABLE, options);
    const { subject } = this.#link;
    const onGap = gapListener(subject, checkGaps(options?.gaps, ["throw"]));
    const old = this.#reading;
    if (old?.locked) {
      throw new KupError("busy", `${subject}: \`readable\` is locked; cancel that stream first.`);
    }
    old?.fail(new KupError("busy", `${subject}: Another stream was made; read from that one.`));
    const reading = new Reading(this.#receiver, onGap);
    this.#reading = reading;
    if (this.#link.closed) reading.end();
    return reading.stream;
  }

  get writable(): WritableStream<Data> {
    if (this.#writing === undefined || this.#writing.left) {
      this.#writing = new Writing(this.#channel);
      if (this.#link.over) this.#writing.fail(this.#link.reason());
    }
    return this.#writing.stream;
  }

  /** Called after the receiver: a stream's wait is one of its. */
  wake(): void {}

  /**
   * A call that waits has failed, and gives the error to its stream itself; or the channel is over.
   */
  fail(error: unknown): void {
    const { over, closed } = this.#link;
    if (!over) return;
    if (closed) this.#reading?.end();
    else this.#reading?.fail(error);
    this.#writing?.fail(error);
  }
}

/** One ReadableStream. It is the lock that keeps other consumers out. */
class Reading implements Lock {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Cancelled or failed: the channel may go on with another stream. */
  left = false;
  readonly #receiver: Receiver;
  readonly #onGap: GapListener;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #over = false;

  constructor(receiver: Receiver, onGap: GapListener) {
    this.#receiver = receiver;
    this.#onGap = onGap;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.#leave(),
    }, { highWaterMark: 0 });
    receiver.setLock(this);
  }

  get locked(): boolean {
    return !this.#over && lockedOf.call(this.stream);
  }

  /** No message will come. */
  end(): void {
    if (this.#over) return;
    this.#finish();
    this.#controller.close();
  }

  /** Reads fail with this error. */
  fail(error: unknown): void {
    if (this.#over) return;
    this.#leave();
    this.#controller.error(error);
  }

  #leave(): void {
    this.left = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#receiver.setLock(undefined);
    this.#receiver.cancel(this);
  }

  /**
   * With a high-water mark of 0 it is called for reads only. One that finds its reader gone takes
   * nothing.
   */
  async #pull(): Promise<void> {
    try {
      let skipped = true;
      while (skipped && this.locked) {
        skipped = await this.#receiver.receiveFor(this, undefined, this.#received);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Runs in the step that takes a message: so the reader that asked for it is still there. */
  readonly #received = (message: Message | undefined): boolean => {
    if (message === undefined) {
      if (this.#receiver.ended || this.#receiver.closed) this.end();
      return false;
    }
    if (message.gap === undefined) {
      this.#controller.enqueue(message.copy());
      return false;
    }
    const onGap = this.#onGap;
    onGap(message.gap);
    return true;
  };
}

/** One WritableStream. */
class Writing {
  readonly stream: WritableStream<Data>;
  /** Closed, aborted or failed: the channel may go on with another stream. */
  left = false;
  #controller!: WritableStreamDefaultController;

  constructor(channel: Channel) {
    this.stream = new WritableStream<Data>({
      start: (controller) => void (this.#controller = controller),
      write: (data, { signal }) => this.#write(channel, data, signal),
      close: () => this.#leave(),
      abort: () => this.#leave(),
    }, { highWaterMark: 1 });
  }

  /** Writes fail with this error. */
  fail(error: unknown): void {
    if (this.left) return;
    this.#leave();
    this.#controller.error(error);
  }

  async #write(channel: Channel, data: Data, signal: AbortSignal): Promise<void> {
    try {
      await channel.send(data, { signal });
    } catch (error) {
      this.left = true;
      throw error;
    }
  }

  #leave(): void {
    this.left = true;
  }
}
