// SPDX-License-Identifier: BSD-3-Clause
/**
 * One ring, seen from its producing and from its consuming side: the same protocol as
 * `kmod/core/ring.c`, held against it by the vectors in `tests/vectors/`. Who pairs with whom (A to E)
 * is drawn at the top of `kmod/core/ring.h`.
 *
 * Positions are `u32` byte counts, kept as `int32` (`| 0`), which is what a JIT computes with; only their
 * differences mean anything. Every word that both sides use is read and written with `Atomics`, whose
 * sequential consistency contains each release, acquire and full fence that the protocol asks for. Payload
 * is plain: the atomic words order it.
 *
 * Each side keeps its positions to itself and never reads its own words back. A word of the peer's that
 * makes no sense gives one of the LIE results and changes nothing, so scribbled memory can't
 * make this code reach outside the ring.
 *
 * @module
 */

import {
  CONTROL_OPTIONAL,
  RECORD_ALIGN,
  RECORD_BUSY,
  RECORD_CONTROL,
  RECORD_DISCARD,
  RECORD_HEADER,
  RECORD_LENGTH,
} from "./abi.ts";

/** The same numbers as KUP_RING_* in ring.h. */
export const RING_OK = 0;
/** No room, or nothing readable. */
export const RING_WAIT = 1;
/** The peer's head or tail makes no sense. */
export const RING_LIE_POSITION = 2;
/** A record is longer than what lies before head. */
export const RING_LIE_LENGTH = 3;
/** A record has flags, or a kind, that this consumer doesn't take. */
export const RING_LIE_FLAGS = 4;

const BUSY = RECORD_BUSY | 0;
const DISCARD = RECORD_DISCARD | 0;
const FLAGS = ~RECORD_LENGTH;
const UNKNOWN_FLAGS = FLAGS & ~(RECORD_DISCARD | RECORD_CONTROL);

/** A producer of nothing but discarded records must not keep its consumer in one call. */
const MAX_SKIPS = 256;

/** Where a ring lies. Byte offsets count from the beginning of both arrays, which see the same memory. */
export interface RingPlace {
  /** All the memory as words. */
  readonly words: Int32Array;
  /** All the memory as bytes. */
  readonly bytes: Uint8Array;
  /** Byte offset of the data, which is there twice, back to back; a multiple of 8. */
  readonly data: number;
  /** Bytes of the ring, once; a power of two. */
  readonly size: number;
  /** Byte offsets of the four polled words. */
  readonly head: number;
  readonly tail: number;
  readonly producerEvent: number;
  readonly consumerEvent: number;
}

/** What a record of this payload takes of a ring. */
export function recordSpace(length: number): number {
  return (length + 15) & ~7;
}

/** The producing side. One thread. */
export class Producer {
  /** After `put` or `commit`: the consumer sleeps for that very record, so wake it. */
  wakes = false;
  /** After `reserve`: the position that the record has, to commit it by. */
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
  /** Where the next record goes. */
  #head: number;
  /** Bytes that are free by the last tail that was found valid. */
  #free: number;

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
    this.#head = position | 0;
    this.#free = place.size;
  }

  /** Is there room for `space` bytes? RING_OK, RING_WAIT or RING_LIE_POSITION. */
  room(space: number): number {
    if (space <= this.#free) return RING_OK;
    // D: the consumer is done with what lies before its tail.
    const tail = Atomics.load(this.#words, this.#tailWord);
    const used = (this.#head - tail) >>> 0;
    // A tail between the last one and our head leaves at most as much in use as there was.
    if ((tail & (RECORD_ALIGN - 1)) !== 0 || used > this.#size - this.#free) {
      return RING_LIE_POSITION;
    }
    this.#free = this.#size - used;
    return space <= this.#free ? RING_OK : RING_WAIT;
  }

  /** Bytes that are free by the peer's newest tail, or -1 if that makes no sense. */
  free(): number {
    return this.room(this.#size + 1) === RING_LIE_POSITION ? -1 : this.#free;
  }

  /**
   * Publishes a finished record at once. RING_OK (look at `wakes`), or what `room` returns.
   *
   * @param data At most KUP_MAX_PAYLOAD bytes.
   * @param length How many they really are, for data whose class may say something else.
   * @param flags 0, or RECORD_CONTROL: `type` is a kind.
   */
  put(data: Uint8Array, type: number, length = data.length, flags = 0): number {
    const space = (length + 15) & ~7;
    if (space > this.#free) {
      const result = this.room(space);
      if (result !== RING_OK) return result;
    }
    const words = this.#words;
    const position = this.#head;
    const at = this.#data + (position & this.#mask);
    this.#bytes.set(data, at + RECORD_HEADER);
    words[(at >> 2) + 1] = type;
    // No BUSY and no atomic: nobody looks here before head says so.
    words[at >> 2] = length | flags;
    const head = (position + space) | 0;
    this.#head = head;
    this.#free -= space;
    // A: publishes header and payload. C: then look for a sleeper.
    Atomics.store(words, this.#headWord, head);
    this.wakes = Atomics.load(words, this.#peerEventWord) === position;
    return RING_OK;
  }

  /**
   * Claims the next record, BUSY, and publishes head. RING_OK (its place is in `position`), RING_WAIT or
   * RING_LIE_POSITION. Each claimed record must be committed.
   */
  reserve(length: number): number {
    const space = recordSpace(length);
    const result = this.room(space);
    if (result !== RING_OK) return result;
    const position = this.#head;
    Atomics.store(this.#words, this.#wordAt(position), length | BUSY);
    this.#head = (position + space) | 0;
    this.#free -= space;
    // A: the consumer that sees this head sees the BUSY header, too.
    Atomics.store(this.#words, this.#headWord, this.#head);
    this.position = position;
    return RING_OK;
  }

  /** Byte offset of the payload of the record at `position`. */
  payloadAt(position: number): number {
    return this.#data + (position & this.#mask) + RECORD_HEADER;
  }

  /**
   * Finishes the record at `position`, which was reserved with `reserved` bytes; `length` may be less: what is
   * left over becomes a discarded record. Look at `wakes`.
   *
   * @param flags 0, RECORD_DISCARD, or RECORD_CONTROL: `type` is a kind.
   */
  commit(position: number, reserved: number, length: number, type: number, flags: number): void {
    const words = this.#words;
    const space = recordSpace(length);
    const left = recordSpace(reserved) - space;
    const word = this.#wordAt(position);
    if (left > 0) {
      const rest = this.#wordAt(position + space);
      words[rest + 1] = 0;
      words[rest] = (left - RECORD_HEADER) | DISCARD;
    }
    words[word + 1] = type;
    // B: until now the consumer stopped here. C: then look for a sleeper.
    Atomics.store(words, word, length | flags);
    this.wakes = Atomics.load(words, this.#peerEventWord) === (position | 0);
  }

  /** "I am going to sleep until there is room for `space` bytes." Then look again. */
  announce(space: number): void {
    this.announcePosition(this.#head + space - this.#size);
  }

  /** "I am going to sleep until tail has reached this position." Then look again. */
  announcePosition(position: number): void {
    // E: pairs with the load in Consumer.release.
    Atomics.store(this.#words, this.#eventWord, position | 0);
  }

  #wordAt(position: number): number {
    return (this.#data + (position & this.#mask)) >> 2;
  }
}

/**
 * The consuming side. One thread.
 *
 * `next` goes from record to record, and what it has passed stays valid until `release` gives all of it
 * back; ring.c's peek and release are one step of that.
 */
export class Consumer {
  /** After `next` returned RING_OK: the record. `at` is the payload's byte offset. */
  length = 0;
  type = 0;
  /** 0 for a message, or the kind of a control record (CONTROL_*), which has no type. */
  control = 0;
  at = 0;
  /** The producer sleeps, and the tail has reached its event: wake it, and set this to false. */
  owesWake = false;
  /** Counts the releases: what was got in an earlier epoch is no longer valid. */
  epoch = 0;
  /** Records that `next` returned since the last release. */
  held = 0;

  readonly #words: Int32Array;
  readonly #data: number;
  readonly #size: number;
  readonly #mask: number;
  readonly #controls: number;
  readonly #headWord: number;
  readonly #tailWord: number;
  readonly #eventWord: number;
  readonly #peerEventWord: number;
  /** What is given back ends here. */
  #tail: number;
  /** The next record to look at. */
  #cursor: number;
  /** The last head that was found valid. */
  #head: number;

  /**
   * @param controls The kinds that a control record may have: a mask of `1 << kind`. Unknown ones
   * with the bit CONTROL_OPTIONAL are skipped.
   * @param position Where head and tail are; 0 in fresh memory.
   */
  constructor(place: RingPlace, controls: number, position = 0) {
    this.#words = place.words;
    this.#data = place.data;
    this.#size = place.size;
    this.#mask = place.size - 1;
    this.#controls = controls;
    this.#headWord = place.head >> 2;
    this.#tailWord = place.tail >> 2;
    this.#eventWord = place.consumerEvent >> 2;
    this.#peerEventWord = place.producerEvent >> 2;
    this.#tail = this.#cursor = this.#head = position | 0;
  }

  /**
   * Goes to the next readable record. RING_OK (it is in `length`, `type`, `control` and `at`), RING_WAIT,
   * or a LIE. Discarded records are skipped, so look at `owesWake` whatever the result.
   */
  next(): number {
    for (let skips = 0; skips < MAX_SKIPS; skips++) {
      if (this.#head === this.#cursor) {
        const result = this.#refreshHead();
        if (result !== RING_OK) return result;
      }
      const cursor = this.#cursor;
      const at = this.#data + (cursor & this.#mask);
      // B: the one and only look at this word.
      const word = Atomics.load(this.#words, at >> 2);
      if (word < 0) return RING_WAIT;
      const length = word & RECORD_LENGTH;
      const space = (length + 15) & ~7;
      if (space > ((this.#head - cursor) | 0)) return RING_LIE_LENGTH;
      const type = this.#words[(at >> 2) + 1]! >>> 0;
      const use = (word & FLAGS) === 0 ? RING_OK : this.#use(word, type);
      if (use === RING_LIE_FLAGS) return use;
      this.#cursor = (cursor + space) | 0;
      if (use === RING_OK) {
        const isControl = (word & RECORD_CONTROL) !== 0;
        this.length = length;
        this.type = isControl ? 0 : type;
        this.control = isControl ? type : 0;
        this.at = at + RECORD_HEADER;
        this.held++;
        return RING_OK;
      }
      // Nothing before it is in use, so its room is given back at once.
      if (this.held === 0) this.#advance();
    }
    return RING_WAIT;
  }

  /** A record with flags: RING_OK, RING_WAIT if it is to be skipped, or RING_LIE_FLAGS. */
  #use(word: number, kind: number): number {
    if ((word & UNKNOWN_FLAGS) !== 0) return RING_LIE_FLAGS;
    if ((word & DISCARD) !== 0) return RING_WAIT;
    if (kind < 32 && (this.#controls & (1 << kind)) !== 0) return RING_OK;
    return kind >= CONTROL_OPTIONAL ? RING_WAIT : RING_LIE_FLAGS;
  }

  /** Gives back all that `next` has passed. Look at `owesWake`. */
  release(): void {
    this.held = 0;
    this.epoch++;
    this.#advance();
  }

  /** "I am going to sleep until the next record is readable." Then look again. */
  announce(): void {
    // C: pairs with the loads in Producer.put and Producer.commit.
    Atomics.store(this.#words, this.#eventWord, this.#cursor);
  }

  /** Might `next` return something else than RING_WAIT? Changes nothing. */
  ready(): boolean {
    const cursor = this.#cursor;
    if (this.#head === cursor && Atomics.load(this.#words, this.#headWord) === cursor) {
      return false;
    }
    return Atomics.load(this.#words, (this.#data + (cursor & this.#mask)) >> 2) >= 0;
  }

  /** RING_OK: there is something at the cursor. */
  #refreshHead(): number {
    // A: the header and the payload before this head were written before it.
    const head = Atomics.load(this.#words, this.#headWord);
    if (head === this.#cursor) return RING_WAIT;
    const used = (head - this.#tail) >>> 0;
    if (
      (head & (RECORD_ALIGN - 1)) !== 0 || used > this.#size ||
      used < ((this.#head - this.#tail) >>> 0)
    ) return RING_LIE_POSITION;
    this.#head = head;
    return RING_OK;
  }

  #advance(): void {
    const before = this.#tail;
    const tail = this.#cursor;
    this.#tail = tail;
    // D: what lies before it may be overwritten. E: then look for a sleeper.
    Atomics.store(this.#words, this.#tailWord, tail);
    const event = Atomics.load(this.#words, this.#peerEventWord);
    if (((event - before - 1) >>> 0) < ((tail - before) >>> 0)) this.owesWake = true;
  }
}
