// SPDX-License-Identifier: BSD-3-Clause
import { KERNEL_PAGE_AT, RECORD_RESERVE, STAMP_RESERVE } from "./abi.ts";
import { Messages } from "./iterator.ts";
import { Link } from "./link.ts";
import type { ChannelMemory } from "./memory.ts";
import { Receiver } from "./receiver.ts";
import type { Resources } from "./resources.ts";
import { Sender } from "./sender.ts";
import { readTotals } from "./stats.ts";
import { Streams } from "./streams.ts";
import type {
  AsyncBatchOptions,
  AsyncSendOptions,
  BatchOptions,
  Channel,
  ChannelStats,
  ChannelTotals,
  Cursor,
  Data,
  Message,
  MessageIterator,
  MessagesOptions,
  ReadableOptions,
  Reservation,
  RingBytes,
  SendOptions,
  SyncBatchOptions,
  SyncSendOptions,
  SyncWaitOptions,
  WaitOptions,
} from "./types.ts";

/** What a new channel is made of. The channel then owns the resources and the memory. */
export interface Attachment {
  readonly resources: Resources;
  readonly memory: ChannelMemory;
  /** How long to spin at most, in milliseconds. */
  readonly spin: number;
  /** The kinds of control records that the kernel may send: a mask of `1 << kind`. */
  readonly controls: number;
}

/** The property that holds a channel's {@linkcode Parts}, for layers. */
export const PARTS: unique symbol = Symbol("parts");

/** What a layer (`turn.ts`, `call.ts`) may use of a channel besides the public calls. */
export interface Parts {
  readonly link: Pick<
    Link,
    | "addSide"
    | "breakBy"
    | "breath"
    | "isOpen"
    | "native"
    | "over"
    | "reason"
    | "stateError"
    | "subject"
  >;
  readonly sender: Pick<
    Sender,
    | "blockForRoom"
    | "checked"
    | "checkLength"
    | "claim"
    | "copied"
    | "fits"
    | "put"
    | "waitForRoom"
  >;
  readonly receiver: Pick<
    Receiver,
    "cancel" | "closed" | "readable" | "receiveFor" | "releaseMessage" | "waits"
  >;
}

/**
 * One attached stream channel: a {@linkcode Sender}, a {@linkcode Receiver}, and the {@linkcode
 * Link} that they share.
 */
export class AttachedChannel implements Channel {
  readonly number: number;
  readonly generation: number;
  readonly mode = "stream";
  readonly ringBytes: RingBytes;
  readonly maxMessage: number;
  readonly maxReceive: number;

  readonly #link: Link;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #streams: Streams;

  constructor({ resources, memory, spin, controls }: Attachment) {
    this.number = memory.number32(KERNEL_PAGE_AT.channel);
    this.generation = memory.number32(KERNEL_PAGE_AT.generation);
    this.ringBytes = { toUser: memory.toUser.size, toKernel: memory.toKernel.size };
    this.maxReceive = memory.toUser.size - RECORD_RESERVE - (memory.stamped ? STAMP_RESERVE : 0);
    this.#link = new Link(resources, memory, `${memory.device.path} channel ${this.number}`);
    this.#sender = new Sender(this.#link, spin);
    this.#receiver = new Receiver(this.#link, spin, controls);
    this.maxMessage = this.#sender.maxMessage;
    this.#streams = new Streams(this, this.#link, this.#receiver, this.#sender);
    for (const side of [this.#receiver, this.#sender, this.#streams]) this.#link.addSide(side);
  }

  get [PARTS](): Parts {
    return { link: this.#link, sender: this.#sender, receiver: this.#receiver };
  }

  get closed(): boolean {
    return this.#link.closed;
  }

  get done(): boolean {
    return this.#receiver.ended;
  }

  get peerEnded(): boolean {
    return this.#receiver.peerEnded;
  }

  end(options?: WaitOptions): Promise<void> {
    return this.#sender.end(options);
  }

  get turn(): undefined {
    return undefined;
  }

  pass(): Promise<void> {
    return Promise.reject(this.#noTurns());
  }

  tryPass(): boolean {
    throw this.#noTurns();
  }

  passSync(): void {
    throw this.#noTurns();
  }

  #noTurns(): Error {
    const { closed, subject } = this.#link;
    if (closed) return this.#link.reason();
    return new TypeError(`${subject}: This is a stream channel; it has no turns to pass.`);
  }

  call(): Promise<never> {
    return Promise.reject(this.#noCalls());
  }

  handle(): never {
    throw this.#noCalls();
  }

  #noCalls(): Error {
    const { closed, subject } = this.#link;
    if (closed) return this.#link.reason();
    return new TypeError(
      `${subject}: This channel has no calls; they need a device whose module has chosen call mode.`,
    );
  }

  send(data: Data, options?: AsyncSendOptions): Promise<void> {
    return this.#sender.send(data, options);
  }

  trySend(data: Data, options?: SendOptions): boolean {
    return this.#sender.trySend(data, options);
  }

  sendSync(data: Data, options?: SyncSendOptions): void {
    this.#sender.sendSync(data, options);
  }

  sendBatch(messages: Iterable<Data>, options?: AsyncSendOptions): Promise<void> {
    return this.#sender.sendBatch(messages, options);
  }

  reserve(length: number, options?: WaitOptions): Promise<Reservation> {
    return this.#sender.reserve(length, options);
  }

  tryReserve(length: number, options?: object): Reservation | undefined {
    return this.#sender.tryReserve(length, options);
  }

  receive(options?: WaitOptions): Promise<Message | undefined> {
    return this.#receiver.receive(options);
  }

  tryReceive(options?: object): Message | undefined {
    return this.#receiver.tryReceive(options);
  }

  receiveSync(options?: SyncWaitOptions): Message | undefined {
    return this.#receiver.receiveSync(options);
  }

  receiveBatch(options?: AsyncBatchOptions): Promise<Message[]> {
    return this.#receiver.receiveBatch(options);
  }

  receiveBatchSync(options?: SyncBatchOptions): Message[] {
    return this.#receiver.receiveBatchSync(options);
  }

  drain(callback: (message: Cursor) => void, options?: BatchOptions): number {
    return this.#receiver.drain(callback, options);
  }

  tryReceiveBatch(options?: BatchOptions): Message[] {
    return this.#receiver.tryReceiveBatch(options);
  }

  messages(options?: MessagesOptions): MessageIterator {
    return new Messages(this.#receiver, this.#link.subject, options);
  }

  [Symbol.asyncIterator](): MessageIterator {
    return this.messages();
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.readable;
  }

  toReadable(options?: ReadableOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#streams.toReadable(options);
  }

  get writable(): WritableStream<Data> {
    return this.#streams.writable;
  }

  stats(): ChannelStats {
    if (this.#link.closed) throw this.#link.reason();
    const { memory } = this.#link;
    return {
      toUserRecords: memory.number64(KERNEL_PAGE_AT.toUserRecords),
      toUserBytes: memory.number64(KERNEL_PAGE_AT.toUserPayload),
      toKernelRecords: memory.number64(KERNEL_PAGE_AT.toKernelRecords),
      toKernelBytes: memory.number64(KERNEL_PAGE_AT.toKernelPayload),
      droppedNoSpace: memory.number64(KERNEL_PAGE_AT.droppedNoSpace),
      droppedTooLong: memory.number64(KERNEL_PAGE_AT.droppedTooLong),
      wakeups: memory.number64(KERNEL_PAGE_AT.wakeups),
      sleeps: memory.number64(KERNEL_PAGE_AT.sleeps),
    };
  }

  totals(): ChannelTotals {
    const { closed, native, fd, subject } = this.#link;
    if (closed) throw this.#link.reason();
    return readTotals(native, fd, this.number, subject);
  }

  close(): void {
    this.#link.close();
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }
}
