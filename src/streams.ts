// SPDX-License-Identifier: BSD-3-Clause
/**
 * A channel as two Web Streams. Each chunk is a copy of a message, because a stream's queue keeps a
 * chunk for longer than a message is valid.
 *
 * @module
 */

import { KupError } from "./errors.ts";
import type { Link, Side } from "./link.ts";
import { check, checkGaps, type GapListener, gapListener, TO_READABLE } from "./options.ts";
import type { Lock, Receiver } from "./receiver.ts";
import type { Sender } from "./sender.ts";
import type { Channel, Data, Message, ReadableOptions } from "./types.ts";
import type { Watermarks } from "./watermark.ts";

const lockedOf = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked")!.get!;

/** Both streams of one channel; each is made when it is first asked for. */
export class Streams implements Side {
  readonly #channel: Channel;
  readonly #link: Link;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  #reading: Reading | undefined;
  #writing: Writing | undefined;

  constructor(channel: Channel, link: Link, receiver: Receiver, sender: Sender) {
    this.#sender = sender;
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
    const marks = this.#link.closed ? undefined : this.#receiver.watermarks(options);
    const old = this.#reading;
    if (old?.locked) {
      throw new KupError("busy", `${subject}: \`readable\` is locked; cancel that stream first.`);
    }
    old?.fail(new KupError("busy", `${subject}: Another stream was made; read from that one.`));
    const reading = new Reading(this.#receiver, onGap, marks);
    this.#reading = reading;
    if (this.#link.closed) reading.end();
    return reading.stream;
  }

  get writable(): WritableStream<Data> {
    if (this.#writing === undefined || this.#writing.left) {
      this.#writing = new Writing(this.#channel, this.#sender);
      if (this.#link.over) this.#writing.fail(this.#link.reason());
    }
    return this.#writing.stream;
  }

  /** Does nothing: a stream's wait is one of the receiver's, which is called before. */
  wake(): void {}

  /**
   * Called when a call that waits has failed, which reports its error to its stream itself, or when
   * the channel is over.
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
  /** The stream was cancelled or has failed: the channel may continue with another stream. */
  left = false;
  readonly #receiver: Receiver;
  readonly #onGap: GapListener;
  readonly #marks: Watermarks | undefined;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #over = false;

  constructor(receiver: Receiver, onGap: GapListener, marks: Watermarks | undefined) {
    this.#receiver = receiver;
    this.#onGap = onGap;
    this.#marks = marks;
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

  /** Ends the stream: no more messages come. */
  end(): void {
    if (this.#over) return;
    this.#finish();
    this.#controller.close();
  }

  /** Makes reads fail with this error. */
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
   * Called for reads only, since the high-water mark is 0. If the reader is gone, it takes no
   * message.
   */
  async #pull(): Promise<void> {
    try {
      let skipped = true;
      while (skipped && this.locked) {
        const mark = this.#marks?.begin();
        skipped = await this.#receiver.receiveFor(this, undefined, this.#received, mark);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Runs in the same step that takes a message, so the reader that asked for the message is still
   * there.
   */
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
  /**
   * The stream was closed or aborted, or has failed: the channel may continue with another stream.
   */
  left = false;
  #controller!: WritableStreamDefaultController;

  constructor(channel: Channel, sender: Sender) {
    this.stream = new WritableStream<Data>({
      start: (controller) => void (this.#controller = controller),
      write: (data, { signal }) => this.#write(channel, data, signal),
      close: () => this.#close(sender),
      abort: () => this.#leave(),
    }, { highWaterMark: 1 });
  }

  /** Makes writes fail with this error. */
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

  /** All chunks are in the ring. A direction that has ended already needs no other end. */
  async #close(sender: Sender): Promise<void> {
    this.#leave();
    if (!sender.ended) await sender.end(undefined);
  }

  #leave(): void {
    this.left = true;
  }
}
