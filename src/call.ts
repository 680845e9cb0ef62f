// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls: requests and replies in both directions. This is a layer on a stream channel. The kernel's
 * side is `kmod/layers/call.h`; the frames are in `kmod/uapi/kup_abi.h`.
 *
 * The channel is read while a call is open or a handler is set. Reading never waits for room: the
 * sender's queue keeps the replies that have none.
 *
 * @module
 */

import {
  CALL_CANCEL,
  CALL_OPTIONAL,
  CALL_REPLY,
  CALL_REQUEST,
  CALLS,
  ERROR_CALL,
  STATUS_FAILED,
  STATUS_NO_HANDLER,
  STATUS_NO_METHOD,
  STATUS_TOO_LONG,
  TYPE_RESERVED,
} from "./abi.ts";
import { checkInteger, checkSignal, checkTimeout, copyOf, kindOf, toBytes } from "./arguments.ts";
import { CallError } from "./call_error.ts";
import { FRAME, frameOf, readFrame, setId, sizes } from "./call_frame.ts";
import { OpenCall, ReceivedReply, ReceivedRequest } from "./call_objects.ts";
import { type AttachedChannel, PARTS, type Parts } from "./channel.ts";
import { Layer } from "./layer.ts";
import type { Side } from "./link.ts";
import * as forms from "./options.ts";
import type { CallHandler, CallOptions, Channel, Data, Message, Reply } from "./types.ts";

/** The kinds of control records that the channel below has to accept: KUP_CONTROLS_TO_USER. */
export const CALL_CONTROLS = 0;

/** How many messages are taken in one step, at most. */
const STEP = 64;

/** How many waits in a row may fail on an open channel. */
const MOST_FAILURES = 3;

const encoder = new TextEncoder();

/** A slot whose call has ended early; its reply is still to come. */
const LEFT = Symbol("left");

/** One of the kernel's calls that is not answered yet. */
interface Incoming {
  readonly low: number;
  readonly high: number;
  readonly request: ReceivedRequest;
}

/** A channel of a device in call mode. */
export class CallChannel extends Layer implements Channel {
  readonly mode = "call";

  readonly #base: AttachedChannel;
  readonly #link: Parts["link"];
  readonly #sender: Parts["sender"];
  readonly #receiver: Parts["receiver"];
  /** What a request leaves free, in bytes. */
  readonly #quarter: number;
  /** The longest reply of this side, in bytes. */
  readonly #maxReply: number;
  /** The calls of this side, by their slots. */
  readonly #slots: (OpenCall | typeof LEFT | undefined)[] = new Array(CALLS).fill(undefined);
  /** The second halves of the ids. */
  readonly #generations = new Uint32Array(CALLS);
  readonly #incoming: (Incoming | undefined)[] = new Array(CALLS).fill(undefined);
  /** The calls that are not sent yet. */
  readonly #queue = new Set<OpenCall>();
  /** The calls that wait for their replies. */
  #open = 0;
  #handler: CallHandler | undefined;
  #reading = false;
  /** Ends the wait for room of the queue's first call. */
  #room: AbortController | undefined;

  constructor(base: AttachedChannel) {
    const { quarter, maxRequest, maxReply } = sizes(base.maxMessage);
    super(base, maxRequest, base.maxReceive - FRAME);
    this.#base = base;
    this.#quarter = quarter;
    this.#maxReply = maxReply;
    ({ link: this.#link, sender: this.#sender, receiver: this.#receiver } = base[PARTS]);
    this.#link.addSide(this.#side);
  }

  // ---- Calls of this side ----

  override call(method: number, data?: Data, options?: CallOptions): Promise<Reply> {
    try {
      forms.check(forms.CALL, options);
      const signal = checkSignal(options?.signal);
      const timeout = checkTimeout(options?.timeout);
      checkInteger("method", method, 0, TYPE_RESERVED - 1);
      const frame = this.#checked(frameOf(CALL_REQUEST, 0, toBytes(data ?? "")));
      signal?.throwIfAborted();
      this.#checkOpen();
      return new Promise((resolve, reject) => {
        const call = new OpenCall(method, frame, resolve, reject);
        this.#queue.add(call);
        call.begin(this.#link.subject, signal, timeout, () => this.#leave(call));
        this.#pump();
        this.#read();
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #checked(frame: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const length = frame.length - FRAME;
    if (length <= this.maxMessage) return frame;
    throw new RangeError(
      `A request of ${length} bytes is too long: this channel takes at most ${this.maxMessage}, ` +
        "three quarters of its ring to the kernel.",
    );
  }

  #checkOpen(): void {
    if (this.#link.over) throw this.#link.reason();
    if (this.#base.done || !this.#link.isOpen()) throw this.#link.stateError();
  }

  /** Sends the calls that have a slot and room, from the front of the queue. */
  #pump(): void {
    try {
      for (const call of this.#queue) {
        const slot = this.#slots.indexOf(undefined);
        if (slot < 0) return;
        if (!this.#sender.fits(call.frame.length + this.#quarter)) return this.#awaitRoom(call);
        setId(call.frame, slot, ++this.#generations[slot]!);
        if (!this.#sender.put(call.frame, call.method)) return this.#awaitRoom(call);
        this.#queue.delete(call);
        this.#slots[slot] = call;
        call.slot = slot;
        this.#open++;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #awaitRoom({ frame }: OpenCall): void {
    if (this.#room !== undefined) return;
    const room = this.#room = new AbortController();
    const end = () => {
      if (this.#room !== room) return;
      this.#room = undefined;
      if (!this.#link.over) this.#pump();
    };
    this.#sender.waitForRoom(frame.length + this.#quarter, room.signal).then(end, end);
  }

  /** Called when a call ends early. */
  #leave(call: OpenCall): void {
    const { slot } = call;
    if (slot === undefined) {
      this.#queue.delete(call);
      if (this.#queue.size === 0) this.#room?.abort();
    } else {
      this.#slots[slot] = LEFT;
      this.#open--;
      const frame = frameOf(CALL_CANCEL, 0, new Uint8Array(0));
      setId(frame, slot, this.#generations[slot]!);
      this.#send(frame);
    }
    if (!this.#isNeeded) this.#receiver.cancel(this);
  }

  /** Sends a reply or a cancel, now or when there is room. After the end it is dropped. */
  #send(frame: Uint8Array): void {
    try {
      if (!this.#sender.put(frame, 0)) this.#base.send(frame).catch(() => {});
    } catch {
      // The reader reports that the channel has ended.
    }
  }

  // ---- Calls of the kernel's side ----

  override handle(handler: CallHandler | undefined): void {
    if (handler !== undefined && typeof handler !== "function") {
      throw new TypeError(`\`handler\` must be a function or undefined, not ${kindOf(handler)}.`);
    }
    this.#checkOpen();
    this.#handler = handler;
    if (this.#isNeeded) this.#read();
    else this.#receiver.cancel(this);
  }

  async #serve(handler: CallHandler, slot: number, incoming: Incoming): Promise<void> {
    let status = 0;
    let bytes: Uint8Array;
    try {
      // The copy fails, too, if the handler has transferred the buffer.
      bytes = copyOf(toBytes(await handler(incoming.request) ?? ""));
    } catch (error) {
      status = error instanceof CallError ? error.status : STATUS_FAILED;
      bytes = dataOf(error);
    }
    if (this.#incoming[slot] !== incoming) return;
    this.#incoming[slot] = undefined;
    this.#answer(incoming.low, incoming.high, status, bytes);
  }

  #answer(low: number, high: number, status: number, bytes: Uint8Array): void {
    let frame = frameOf(CALL_REPLY, status, bytes);
    if (frame.length - FRAME > this.#maxReply) {
      frame = frameOf(CALL_REPLY, STATUS_TOO_LONG, new Uint8Array(0));
    }
    setId(frame, low, high);
    this.#send(frame);
  }

  // ---- Reading ----

  get #isNeeded(): boolean {
    return this.#handler !== undefined || this.#open > 0 || this.#queue.size > 0;
  }

  #read(): void {
    if (!this.#reading && this.#isNeeded) this.#drive();
  }

  async #drive(): Promise<void> {
    this.#reading = true;
    let failures = 0;
    while (this.#isNeeded && !this.#link.over) {
      try {
        await this.#receiver.receiveFor(this, undefined, this.#arrived);
        if (this.#base.done) throw this.#link.stateError();
        failures = 0;
      } catch (error) {
        // A wait may fail on an open channel, and the next one may succeed.
        const isOpen = !this.#link.over && !this.#base.done;
        if (!isOpen || ++failures === MOST_FAILURES) this.#fail(error);
      }
    }
    this.#reading = false;
  }

  /** Handles the messages that are there. It gets undefined at the end, and after a cancel. */
  readonly #arrived = (first: Message | undefined): void => {
    let message = first;
    for (let count = 1; message !== undefined; count++) {
      this.#take(message);
      message = count < STEP ? this.#base.tryReceive() : undefined;
    }
    this.#pump();
  };

  #take(message: Message): void {
    const frame = readFrame(message);
    if (frame === undefined) throw this.#link.breakBy(ERROR_CALL);
    const { kind, low, high, status } = frame;
    if (kind === CALL_REPLY) {
      this.#replied(low, high, status, message);
    } else if (kind === CALL_REQUEST) {
      if (status !== 0) throw this.#link.breakBy(ERROR_CALL);
      this.#requested(low, high, message);
    } else if (kind === CALL_CANCEL) {
      if (status !== 0 || message.length > FRAME) throw this.#link.breakBy(ERROR_CALL);
      const incoming = this.#incoming[low % CALLS];
      if (incoming?.low === low && incoming.high === high) incoming.request.cancel();
    } else if (kind < CALL_OPTIONAL) {
      throw this.#link.breakBy(ERROR_CALL);
    }
  }

  #replied(low: number, high: number, status: number, message: Message): void {
    // Every slot's first half is its number alone.
    if (low >= CALLS || high !== this.#generations[low]) return;
    const call = this.#slots[low];
    this.#slots[low] = undefined;
    if (!(call instanceof OpenCall)) return;
    this.#open--;
    call.finish(new ReceivedReply(status, message.bytes.slice(FRAME)));
  }

  #requested(low: number, high: number, message: Message): void {
    const slot = low % CALLS;
    if (this.#incoming[slot] !== undefined) throw this.#link.breakBy(ERROR_CALL);
    const handler = this.#handler;
    if (handler === undefined || message.type >= TYPE_RESERVED) {
      const status = handler === undefined ? STATUS_NO_HANDLER : STATUS_NO_METHOD;
      return this.#answer(low, high, status, new Uint8Array(0));
    }
    const request = new ReceivedRequest(message.type, message.bytes.slice(FRAME));
    const incoming = this.#incoming[slot] = { low, high, request };
    this.#serve(handler, slot, incoming);
  }

  // ---- The end ----

  /** The channel below wakes its own parts. */
  readonly #side: Side = {
    wake: () => {},
    fail: (error) => {
      if (this.#link.over) this.#fail(error);
    },
  };

  /** Ends all calls, of both sides. */
  #fail(error: unknown): void {
    this.#handler = undefined;
    const calls = [...this.#queue, ...this.#slots.filter((call) => call instanceof OpenCall)];
    const requests = this.#incoming.filter((incoming) => incoming !== undefined);
    this.#queue.clear();
    this.#slots.fill(undefined);
    this.#incoming.fill(undefined);
    this.#open = 0;
    this.#room?.abort();
    for (const call of calls) call.fail(error);
    for (const { request } of requests) request.cancel(error);
  }

  // ---- What call channels don't have ----

  get turn(): undefined {
    return undefined;
  }

  send(): Promise<never> {
    return this.#rejected("send");
  }

  trySend(): never {
    throw this.#refusal("trySend");
  }

  sendSync(): never {
    throw this.#refusal("sendSync");
  }

  sendBatch(): Promise<never> {
    return this.#rejected("sendBatch");
  }

  pass(): Promise<never> {
    return this.#rejected("pass");
  }

  tryPass(): never {
    throw this.#refusal("tryPass");
  }

  passSync(): never {
    throw this.#refusal("passSync");
  }

  reserve(): Promise<never> {
    return this.#rejected("reserve");
  }

  tryReserve(): never {
    throw this.#refusal("tryReserve");
  }

  receive(): Promise<never> {
    return this.#rejected("receive");
  }

  tryReceive(): never {
    throw this.#refusal("tryReceive");
  }

  receiveSync(): never {
    throw this.#refusal("receiveSync");
  }

  receiveBatch(): Promise<never> {
    return this.#rejected("receiveBatch");
  }

  receiveBatchSync(): never {
    throw this.#refusal("receiveBatchSync");
  }

  tryReceiveBatch(): never {
    throw this.#refusal("tryReceiveBatch");
  }

  messages(): never {
    throw this.#refusal("messages");
  }

  [Symbol.asyncIterator](): never {
    throw this.#refusal("for await");
  }

  #rejected(name: string): Promise<never> {
    return Promise.reject(this.#refusal(name));
  }

  #refusal(name: string): TypeError {
    return new TypeError(
      `${this.#link.subject}: This is a call channel, which has no \`${name}\`; use call and ` +
        "handle.",
    );
  }
}

/** The reply's data for what a handler has thrown. */
function dataOf(error: unknown): Uint8Array {
  try {
    if (error instanceof CallError) return copyOf(toBytes(error.data));
    return encoder.encode(error instanceof Error ? error.message : String(error));
  } catch {
    return new Uint8Array(0);
  }
}
