// SPDX-License-Identifier: BSD-3-Clause
/**
 * One ring, from its producing and from its consuming side. It is the same protocol as in
 * `kmod/core/ring.c`, and the vectors in `tests/vectors/` compare the two. The top of
 * `kmod/core/ring.h` shows which accesses pair with each other (A to D); `kup_abi.h` explains the
 * rules.
 *
 * Positions are `u32` byte counts. They are kept as `int32` (`| 0`), which is what a JIT computes
 * with; only their differences have a meaning. Headers, tails and events are stored with `Atomics`.
 * Its sequential consistency includes each release and full fence that the protocol needs. They are
 * loaded with `Atomics`, or by `glance`. Payload, type, sentinel and head are plain accesses, which
 * the store of the header publishes.
 *
 * Each side keeps its positions private and never reads its own words back. If a word of the peer
 * makes no sense, the result is one of the LIE values. So no content of the memory can make this
 * code access anything outside the ring.
 *
 * @module
 */

import {
  CONTROL_OPTIONAL,
  RECORD_ALIGN,
  RECORD_CONTROL,
  RECORD_DISCARD,
  RECORD_HEADER,
  RECORD_LENGTH,
  RECORD_READY,
  STAMP_AT,
} from "./abi.ts";
import { glance } from "./glance.ts";

/** The same numbers as KUP_RING_* in ring.h. */
export const RING_OK = 0;
/** There is no room, or nothing readable. */
export const RING_WAIT = 1;
/** The peer's head or tail makes no sense. */
export const RING_LIE_POSITION = 2;
/** A record is longer than it can be. */
export const RING_LIE_LENGTH = 3;
/** A record has flags, or a kind, that this consumer doesn't accept. */
export const RING_LIE_FLAGS = 4;
/** The largest number of records lies between the first unfinished one and head. */
export const RING_CROWDED = 6;

const READY = RECORD_READY | 0;
const DISCARD = RECORD_DISCARD | 0;
const FLAGS = ~RECORD_LENGTH;
const UNKNOWN_FLAGS = FLAGS & ~(RECORD_READY | RECORD_DISCARD | RECORD_CONTROL);

/** The room for the next record's header, which is the sentinel until that record is made. */
const SENTINEL = RECORD_HEADER;

/** How many records may be reserved at a time, counted from the first unfinished one. */
const MOST_OPEN = 64;

/**
 * How many records one call skips at most, so that a producer of discarded records can't keep its
 * consumer in the call.
 */
const MAX_SKIPS = 256;

/**
 * Where a ring lies. Byte offsets count from the beginning of both arrays, which cover the same
 * memory.
 */
export interface RingPlace {
  /** The whole memory as words. */
  readonly words: Int32Array;
  /** The whole memory as bytes. */
  readonly bytes: Uint8Array;
  /** The byte offset of the data, which is mapped twice, back to back; a multiple of 8. */
  readonly data: number;
  /** The bytes of the ring, not doubled; a power of two. */
  readonly size: number;
  /** The byte offsets of the four shared words. */
  readonly head: number;
  readonly tail: number;
  readonly producerEvent: number;
  readonly consumerEvent: number;
}

/** Receives the messages of {@linkcode Consumer.walk}. */
export interface Visitor {
  /**
   * @param at The byte offset of the payload.
   * @returns Whether to go on.
   */
  visit(at: number, type: number, length: number): boolean;
}

/** The room that a record with this payload takes in a ring. */
export function recordSpace(length: number): number {
  return (length + 15) & ~7;
}

/** The producing side. One thread uses it. */
export class Producer {
  /** Set by `put` and `commit`: the consumer sleeps for what is finished now, so wake it. */
  wakes = false;
  /** Set by `reserve`: the record's position, for the commit. */
  position = 0;

  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #data: number;
  readonly #size: number;
  readonly #mask: number;
  readonly #headWord: number;
  readonly #tailWord: number;
  readonly #eventWord: number;
  readonly #peerEventWord: number;
  /** Where the next record begins. */
  #head: number;
  /** Where the first unfinished record begins, or `#head`. */
  #end: number;
  /** The bytes that are free according to the last valid tail. */
  #free: number;
  /**
   * While a reservation is open: the positions of the records from `#end` on. The lowest bit is set
   * if a record is finished.
   */
  readonly #open: number[] = [];

  /** @param position Where head and tail are; 0 in fresh memory. */
  constructor(place: RingPlace, position = 0) {
    this.#words = place.words;
    this.#bytes = place.bytes;
    this.#data = place.data;
    this.#size = place.size;
    this.#mask = place.size - 1;
    this.#headWord = place.head >> 2;
    this.#tailWord = place.tail >> 2;
    this.#eventWord = place.producerEvent >> 2;
    this.#peerEventWord = place.consumerEvent >> 2;
    this.#head = this.#end = position | 0;
    this.#free = place.size;
  }

  /** Whether the largest number of records lies between the first unfinished one and head. */
  get crowded(): boolean {
    return this.#open.length === MOST_OPEN;
  }

  /** Whether a reservation is open. */
  get holdsBack(): boolean {
    return this.#open.length > 0;
  }

  /** Looks for room for `space` bytes. RING_OK, RING_WAIT or RING_LIE_POSITION. */
  room(space: number): number {
    if (space + SENTINEL <= this.#free) return RING_OK;
    const result = this.refresh();
    if (result !== RING_OK) return result;
    return space + SENTINEL <= this.#free ? RING_OK : RING_WAIT;
  }

  /** Loads the peer's newest tail. RING_OK or RING_LIE_POSITION. */
  refresh(): number {
    // C: the consumer has released what lies before its tail.
    const tail = Atomics.load(this.#words, this.#tailWord);
    const used = (this.#head - tail) >>> 0;
    // With a tail between the last one and our head, no more is in use than before.
    if ((tail & (RECORD_ALIGN - 1)) !== 0 || used > this.#size - this.#free) {
      return RING_LIE_POSITION;
    }
    this.#free = this.#size - used;
    return RING_OK;
  }

  /**
   * Publishes a finished record at once. RING_OK (then look at `wakes`), RING_CROWDED, or what
   * `room` returns.
   *
   * @param data At most KUP_MAX_PAYLOAD bytes.
   * @param length The real length, since the class of the data may return another one.
   * @param flags 0, or RECORD_CONTROL: `type` is a kind.
   */
  put(data: Uint8Array, type: number, length = data.length, flags = 0): number {
    const space = (length + 15) & ~7;
    if (space + SENTINEL > this.#free) {
      const result = this.room(space);
      if (result !== RING_OK) return result;
    }
    const open = this.#open;
    if (open.length === MOST_OPEN) return RING_CROWDED;
    const words = this.#words;
    const position = this.#head;
    const at = this.#data + (position & this.#mask);
    // This comes first. If it throws, nothing is claimed. If it copies more than `length`, because
    // shared memory has just grown, the sentinel overwrites the excess.
    this.#bytes.set(data, at + RECORD_HEADER);
    words[(at >> 2) + 1] = type;
    this.#claim(position, space);
    // A: publishes all stores before it.
    Atomics.store(words, at >> 2, length | flags | READY);
    if (open.length === 0) {
      this.#finish(this.#head);
    } else {
      // It is finished, but what lies before it is not.
      open.push(position | 1);
      this.wakes = false;
    }
    return RING_OK;
  }

  /**
   * Publishes several messages with one store: those from `messages[from]` on, before
   * `messages[to]`. It stops at the first one for which `put` would not return RING_OK. Returns the
   * index of the first message that was not sent. Then look at `wakes`. No reservation may be open.
   *
   * @param lengthOf Returns the real length of a message.
   */
  putAll(
    messages: readonly Uint8Array[],
    from: number,
    to: number,
    type: number,
    lengthOf: (message: Uint8Array) => number,
  ): number {
    const words = this.#words;
    const first = this.#head;
    let header = 0;
    let i = from;
    try {
      for (; i < to; i++) {
        const data = messages[i]!;
        const length = lengthOf(data);
        const space = (length + 15) & ~7;
        if (space + SENTINEL > this.#free && this.room(space) !== RING_OK) break;
        const position = this.#head;
        const at = this.#data + (position & this.#mask);
        // As in `put`: it may throw, or copy too much.
        this.#bytes.set(data, at + RECORD_HEADER);
        words[(at >> 2) + 1] = type;
        this.#claim(position, space);
        // The consumer stops at the first header, so the others need no order.
        if (i === from) header = length | READY;
        else words[at >> 2] = length | READY;
      }
    } finally {
      this.wakes = false;
      if (header !== 0) {
        // A: publishes all stores before it.
        Atomics.store(words, this.#wordAt(first), header);
        this.#finish(this.#head);
      }
    }
    return i;
  }

  /**
   * Claims the next record. RING_OK (`position` is its position), RING_CROWDED, or what `room`
   * returns. Each claimed record must be committed.
   */
  reserve(length: number): number {
    const space = recordSpace(length);
    const result = this.room(space);
    if (result !== RING_OK) return result;
    if (this.crowded) return RING_CROWDED;
    this.position = this.#head;
    this.#open.push(this.#head);
    this.#claim(this.#head, space);
    return RING_OK;
  }

  /** Stores sentinel and head. These are plain stores: A of this record publishes them. */
  #claim(position: number, space: number): void {
    const head = (position + space) | 0;
    this.#words[this.#wordAt(head)] = 0;
    this.#words[this.#headWord] = head;
    this.#head = head;
    this.#free -= space;
  }

  /** The byte offset of the payload of the record at `position`. */
  payloadAt(position: number): number {
    return this.#data + (position & this.#mask) + RECORD_HEADER;
  }

  /**
   * Finishes the record at `position`, which was reserved with `reserved` bytes. If `length` is
   * less, the rest becomes a discarded record. Then look at `wakes`. A position that is not open is
   * ignored.
   *
   * @param flags 0, RECORD_DISCARD, or RECORD_CONTROL: `type` is a kind.
   */
  commit(position: number, reserved: number, length: number, type: number, flags: number): void {
    this.wakes = false;
    const open = this.#open;
    const index = open.length === 1 && open[0] === (position | 0) ? 0 : open.indexOf(position | 0);
    if (index < 0) return;
    const words = this.#words;
    const space = recordSpace(length);
    const left = recordSpace(reserved) - space;
    const word = this.#wordAt(position);
    if (left > 0) {
      const rest = this.#wordAt(position + space);
      words[rest + 1] = 0;
      words[rest] = (left - RECORD_HEADER) | READY | DISCARD;
    }
    words[word + 1] = type;
    // A: until now the consumer stopped here.
    Atomics.store(words, word, length | flags | READY);
    this.#close(index);
  }

  /** Marks an open record as finished, and moves the end over all finished records. */
  #close(index: number): void {
    const open = this.#open;
    if (open.length === 1) {
      open.pop();
      this.#finish(this.#head);
      return;
    }
    open[index]! |= 1;
    this.wakes = false;
    if (index > 0) return;
    while (open.length > 0 && (open[0]! & 1) !== 0) open.shift();
    this.#finish(open.length > 0 ? open[0]! : this.#head);
  }

  /** B: Atomics are full fences. The record is published, so look for a sleeper. */
  #finish(end: number): void {
    const before = this.#end;
    this.#end = end;
    const event = glance(this.#words, this.#peerEventWord);
    this.wakes = ((event - before) >>> 0) < ((end - before) >>> 0);
  }

  /** Announces a sleep until there is room for `space` bytes. Then look again. */
  announce(space: number): void {
    this.announcePosition(this.#head + space + SENTINEL - this.#size);
  }

  /** Announces that this side sleeps, but not for room: no tail reaches this until more is sent. */
  announceNothing(): void {
    this.announcePosition(this.#head + RECORD_ALIGN);
  }

  /** Announces a sleep until the tail has reached this position. Then look again. */
  announcePosition(position: number): void {
    // D: pairs with the load in Consumer.publish.
    Atomics.store(this.#words, this.#eventWord, position | 0);
  }

  #wordAt(position: number): number {
    return (this.#data + (position & this.#mask)) >> 2;
  }
}

/**
 * The consuming side. One thread uses it.
 *
 * `next` moves from record to record. The records that it has passed stay valid until `release`
 * gives all of them back. In C, kup_consumer_peek and kup_consumer_release (look.h) do the same for
 * one record.
 */
export class Consumer {
  /** Set when `next` returns RING_OK: the record. `at` is the byte offset of the payload. */
  length = 0;
  type = 0;
  /** 0 for a message, or the kind of a control record (CONTROL_*), which has no type. */
  control = 0;
  at = 0;
  /** The byte offset of the stamp, if there are stamps. */
  get stampAt(): number {
    return this.at - STAMP_AT.SIZE;
  }
  /** The producer sleeps, and the tail has reached its event: wake it, and set this to false. */
  owesWake = false;
  /** Counts the releases. A record of an earlier epoch is no longer valid. */
  epoch = 0;
  /** How many records `next` has returned since the last release. */
  held = 0;

  readonly #words: Int32Array;
  readonly #data: number;
  readonly #size: number;
  readonly #mask: number;
  readonly #controls: number;
  /** The bytes that each payload begins with, which `at` and `length` leave out. */
  readonly #stamp: number;
  readonly #headWord: number;
  readonly #tailWord: number;
  readonly #eventWord: number;
  readonly #peerEventWord: number;
  /** Where the next record begins. */
  #cursor: number;
  /** The end of what may be given back: the cursor, unless records are held. */
  #released: number;
  /** The end of what was given back: the published tail. */
  #tail: number;
  /** Where the cursor was when head was last loaded. */
  #checked: number;

  /**
   * @param controls The kinds that a control record may have: a mask of `1 << kind`. Unknown kinds
   * with the bit CONTROL_OPTIONAL are skipped.
   * @param position Where head and tail are; 0 in fresh memory.
   * @param stamped Whether each payload begins with a stamp.
   */
  constructor(place: RingPlace, controls: number, position = 0, stamped = false) {
    this.#words = place.words;
    this.#data = place.data;
    this.#size = place.size;
    this.#mask = place.size - 1;
    this.#controls = controls;
    this.#stamp = stamped ? STAMP_AT.SIZE : 0;
    this.#headWord = place.head >> 2;
    this.#tailWord = place.tail >> 2;
    this.#eventWord = place.consumerEvent >> 2;
    this.#peerEventWord = place.producerEvent >> 2;
    this.#tail =
      this.#released =
      this.#cursor =
      this.#checked =
        position | 0;
  }

  /**
   * Moves to the next readable record. RING_OK (the record is in `length`, `type`, `control` and
   * `at`), RING_WAIT, or a LIE. It skips discarded records, so look at `owesWake` after every
   * result. V8 inlines this, since it is small; all but a plain message is for `#find`.
   */
  next(): number {
    if (this.held > 0 && this.#isFar()) return this.#find();
    const cursor = this.#cursor;
    const at = this.#data + (cursor & this.#mask);
    // A: as in `#find`, which repeats a look that finds nothing.
    const word = glance(this.#words, at >> 2);
    const length = word & RECORD_LENGTH;
    const space = (length + 15) & ~7;
    const isPlain = (word & FLAGS) === READY;
    if (!isPlain || space + SENTINEL > this.#size || length < this.#stamp) return this.#find();
    this.#cursor = (cursor + space) | 0;
    return this.#found(at, length, this.#words[(at >> 2) + 1]! >>> 0, 0);
  }

  #found(at: number, length: number, type: number, control: number): number {
    this.length = length - this.#stamp;
    this.type = type;
    this.control = control;
    this.at = at + RECORD_HEADER + this.#stamp;
    this.held++;
    return RING_OK;
  }

  /** All of `next`. */
  #find(): number {
    // A batch gives nothing back before its end, and must not read forged headers around the ring.
    if (this.held > 0 && this.#isFar() && this.#checkHead() !== RING_OK) return RING_LIE_POSITION;
    for (let skips = 0; skips < MAX_SKIPS; skips++) {
      const cursor = this.#cursor;
      const at = this.#data + (cursor & this.#mask);
      // A: only the last look at this word is used.
      let word = glance(this.#words, at >> 2);
      if (word >= 0) word = Atomics.load(this.#words, at >> 2);
      if (word >= 0) return this.#nothing(RING_WAIT, skips);
      const length = word & RECORD_LENGTH;
      const space = (length + 15) & ~7;
      if (space + SENTINEL > this.#size) return this.#nothing(RING_LIE_LENGTH, skips);
      const type = this.#words[(at >> 2) + 1]! >>> 0;
      const use = (word & FLAGS) === READY ? RING_OK : this.#use(word, type);
      if (use === RING_LIE_FLAGS) return this.#nothing(use, skips);
      if (use === RING_OK && length < this.#stamp) return this.#nothing(RING_LIE_LENGTH, skips);
      this.#cursor = (cursor + space) | 0;
      if (use === RING_OK) {
        const isControl = (word & RECORD_CONTROL) !== 0;
        return this.#found(at, length, isControl ? 0 : type, isControl ? type : 0);
      }
      // No record before this one is held.
      if (this.held === 0) {
        this.#released = this.#cursor;
        const published = this.#isMuch() ? this.publish() : RING_OK;
        if (published !== RING_OK) return published;
      }
    }
    return this.#nothing(RING_WAIT, MAX_SKIPS);
  }

  /**
   * Checks a record with flags. RING_OK, RING_WAIT if the record is to be skipped, or
   * RING_LIE_FLAGS.
   */
  #use(word: number, kind: number): number {
    if ((word & UNKNOWN_FLAGS) !== 0) return RING_LIE_FLAGS;
    if ((word & DISCARD) !== 0) return RING_WAIT;
    if (kind < 32 && (this.#controls & (1 << kind)) !== 0) return RING_OK;
    return kind >= CONTROL_OPTIONAL ? RING_WAIT : RING_LIE_FLAGS;
  }

  /** Finishes a look that has found nothing after it skipped this many records. */
  #nothing(result: number, skips: number): number {
    const published = skips > 0 ? this.publish() : RING_OK;
    return published === RING_OK ? result : published;
  }

  /**
   * Gives back all records that `next` has passed. It publishes the tail at once if nothing is
   * readable behind them, if the producer sleeps for the room, if it is an eighth of the ring, or
   * if they are a batch; otherwise later. RING_OK or RING_LIE_POSITION. Then look at `owesWake`.
   */
  release(): number {
    const isBatch = this.held > 1;
    this.held = 0;
    this.epoch++;
    this.#released = this.#cursor;
    const isDue = isBatch || this.#isMuch() || !this.#hasNext() || this.#isAwaited();
    return isDue ? this.publish() : RING_OK;
  }

  /**
   * Visits messages, and releases each one when its visit has returned. It stops after `most`
   * messages, at a record that only `next` can handle, or when `publishInTime` has to be called.
   * Returns the number of visits. Nothing else may move the consumer meanwhile, so its cursor is a
   * local variable: each record's place depends on the one before, which limits the speed.
   */
  walk(visitor: Visitor, most: number): number {
    const words = this.#words;
    const stamp = this.#stamp;
    let position = this.#cursor;
    for (let count = 0; count < most;) {
      const at = this.#data + (position & this.#mask);
      // A: as in `next`, which repeats a look that finds nothing.
      const word = glance(words, at >> 2);
      const length = word & RECORD_LENGTH;
      const space = (length + 15) & ~7;
      if ((word & FLAGS) !== READY || space + SENTINEL > this.#size || length < stamp) return count;
      count++;
      position = (position + space) | 0;
      this.#cursor = position;
      const payload = at + RECORD_HEADER + stamp;
      const goesOn = visitor.visit(payload, words[(at >> 2) + 1]! >>> 0, length - stamp);
      this.#released = position;
      if (!goesOn || this.#isMuch() || this.#isAwaited()) return count;
    }
    return most;
  }

  /** Releases all records. Call `publish` then. */
  pass(): void {
    this.held = 0;
    this.epoch++;
    this.#released = this.#cursor;
  }

  /** Publishes if that is due for a caller that reads on. RING_OK or RING_LIE_POSITION. */
  publishInTime(): number {
    return this.#isMuch() || this.#isAwaited() ? this.publish() : RING_OK;
  }

  /** As `ready`, but may return `false` too often: then room is given back earlier. */
  #hasNext(): boolean {
    return glance(this.#words, (this.#data + (this.#cursor & this.#mask)) >> 2) < 0;
  }

  /**
   * Whether an eighth of the ring is unpublished or unchecked. Both are compared: a producer that
   * sleeps for room gets it earlier, and must not make the checks rarer by that.
   */
  #isMuch(): boolean {
    const much = this.#size >>> 3;
    return ((this.#released - this.#tail) >>> 0) >= much ||
      ((this.#cursor - this.#checked) >>> 0) >= much;
  }

  /**
   * Whether the producer sleeps for room that is not published. Its store may come later: see D.
   */
  #isAwaited(): boolean {
    const event = glance(this.#words, this.#peerEventWord);
    return ((event - this.#tail - 1) >>> 0) < ((this.#released - this.#tail) >>> 0);
  }

  /** Gives all released room back. RING_OK or RING_LIE_POSITION. */
  publish(): number {
    const before = this.#tail;
    const tail = this.#released;
    if (tail === before) return RING_OK;
    if (this.#isFar() && this.#checkHead() !== RING_OK) return RING_LIE_POSITION;
    this.#tail = tail;
    // C: the producer may overwrite what lies before the tail. D: then look for a sleeper.
    Atomics.store(this.#words, this.#tailWord, tail);
    const event = glance(this.#words, this.#peerEventWord);
    if (((event - before - 1) >>> 0) < ((tail - before) >>> 0)) this.owesWake = true;
    return RING_OK;
  }

  /** Whether an eighth of the ring was read since head was last loaded. */
  #isFar(): boolean {
    return ((this.#cursor - this.#checked) >>> 0) >= this.#size >>> 3;
  }

  /**
   * Limits how many forged headers a consumer can read. It is not called for each record; ring.c
   * explains why.
   */
  #checkHead(): number {
    // The headers were loaded before (A), and their heads were stored before them. This load is
    // atomic, because an engine may reuse the result of an earlier plain load, and an old head
    // would look like a lie.
    const head = Atomics.load(this.#words, this.#headWord);
    if ((head & (RECORD_ALIGN - 1)) !== 0 || ((head - this.#cursor) >>> 0) > this.#size) {
      return RING_LIE_POSITION;
    }
    this.#checked = this.#cursor;
    return RING_OK;
  }

  /**
   * Called before a sleep on the channel: gives all room back, and checks what was read. The
   * results are those of `release`.
   */
  settle(): number {
    const result = this.publish();
    return result === RING_OK ? this.#checkHead() : result;
  }

  /** Announces a sleep until the next record is readable. Then look again. */
  announce(): void {
    this.announcePosition(this.#cursor);
  }

  /** Announces a sleep until `bytes` bytes are readable, at least 1. Then look again. */
  announceBytes(bytes: number): void {
    this.announcePosition(this.#cursor + ((bytes - 1) & ~(RECORD_ALIGN - 1)));
  }

  /**
   * Announces a sleep until the record that contains this position is readable. Then look again.
   */
  announcePosition(position: number): void {
    // B: pairs with the load in Producer.put and Producer.commit.
    Atomics.store(this.#words, this.#eventWord, position | 0);
  }

  /** Whether `next` may return something else than RING_WAIT. Changes nothing. */
  ready(): boolean {
    return Atomics.load(this.#words, (this.#data + (this.#cursor & this.#mask)) >> 2) < 0;
  }
}
