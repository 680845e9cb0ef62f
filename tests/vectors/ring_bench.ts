// SPDX-License-Identifier: BSD-3-Clause
/**
 * A ring in plain memory with both of its sides, which executes the operations of `ring.txt`. The C
 * test has the same in `tests/c/ring_vectors.c`. The top of `ring.txt` explains what each operation
 * prints.
 */

import { STAMP_AT } from "../../src/abi.ts";
import { Consumer, Producer, RING_OK, type RingPlace } from "../../src/ring.ts";

const HEAD = 0;
const TAIL = 4;
const PRODUCER_EVENT = 8;
const CONSUMER_EVENT = 12;
const DATA = 16;

const WORDS: Readonly<Record<string, number>> = {
  head: HEAD,
  tail: TAIL,
  "producer_event": PRODUCER_EVENT,
  "consumer_event": CONSUMER_EVENT,
};

function fromHex(hex: string): Uint8Array {
  return hex === "-" ? new Uint8Array(0) : Uint8Array.fromHex(hex);
}

function toHex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "-" : bytes.toHex();
}

/** A payload with its stamp. */
function stamped([time, cpu, sequence, , hex]: string[]): Uint8Array {
  const payload = fromHex(hex!);
  const bytes = new Uint8Array(STAMP_AT.SIZE + payload.length);
  const stamp = new DataView(bytes.buffer);
  stamp.setBigUint64(STAMP_AT.timeNs, BigInt(time!), true);
  stamp.setUint32(STAMP_AT.cpu, Number(cpu), true);
  stamp.setUint32(STAMP_AT.sequence, Number(sequence), true);
  bytes.set(payload, STAMP_AT.SIZE);
  return bytes;
}

export class RingBench {
  readonly #size: number;
  readonly #place: RingPlace;
  readonly #producer: Producer;
  readonly #consumer: Consumer;
  /** What both halves of the data contained after the last operation. */
  readonly #shadow: Uint8Array;

  constructor(size: number, position: number, controls: number, stamped = false) {
    const buffer = new ArrayBuffer(DATA + 2 * size);
    this.#size = size;
    this.#place = {
      words: new Int32Array(buffer),
      bytes: new Uint8Array(buffer),
      data: DATA,
      size,
      head: HEAD,
      tail: TAIL,
      producerEvent: PRODUCER_EVENT,
      consumerEvent: CONSUMER_EVENT,
    };
    this.#place.words.fill(position, 0, 2);
    this.#producer = new Producer(this.#place, position);
    this.#consumer = new Consumer(this.#place, controls, position, stamped);
    this.#shadow = new Uint8Array(size);
  }

  /** Does one operation, and returns its result and the ring's state. */
  run(operation: string): string {
    const [name, ...args] = operation.split(" ");
    const result = this.#execute(name!, args);
    this.#mirror();
    return `${result} | ${this.#state()}`;
  }

  #execute(name: string, args: string[]): string {
    const { words, bytes } = this.#place;
    const number = (i: number) => Number(args[i]);
    switch (name) {
      case "put":
        return this.#put(fromHex(args[1]!), number(0), number(2) || 0);
      case "put_stamped":
        return this.#put(stamped(args), number(3), 0);
      case "reserve": {
        const result = this.#producer.reserve(number(0));
        return result === RING_OK ? `${result} ${this.#producer.position >>> 0}` : `${result}`;
      }
      case "fill":
        bytes.set(fromHex(args[1]!), this.#producer.payloadAt(number(0)));
        return "0";
      case "commit":
        this.#producer.commit(number(0), number(1), number(2), number(3), number(4));
        return `${+this.#producer.wakes}`;
      case "room":
        return `${this.#producer.room(number(0))}`;
      case "refresh":
        return `${this.#producer.refresh()}`;
      case "announce_room":
        this.#producer.announcePosition(number(0));
        return "0";
      case "peek":
        return this.#peek();
      case "release":
        return `${this.#consumer.release()}`;
      case "publish":
        return `${this.#consumer.publish()}`;
      case "announce_record":
        if (args.length === 0) this.#consumer.announce();
        else this.#consumer.announcePosition(number(0));
        return "0";
      case "settle":
        return `${this.#consumer.settle()}`;
      case "ready":
        return `${+this.#consumer.ready()}`;
      case "poke":
        words[WORDS[args[0]!]! >> 2] = number(1);
        return "0";
      case "poke_data":
        words[(DATA + number(0)) >> 2] = number(1);
        return "0";
      default:
        throw new Error(`no such operation: ${name}`);
    }
  }

  #put(bytes: Uint8Array, type: number, flags: number): string {
    const result = this.#producer.put(bytes, type, bytes.length, flags);
    return result === RING_OK ? `${result} ${+this.#producer.wakes}` : `${result}`;
  }

  #peek(): string {
    const consumer = this.#consumer;
    const result = consumer.next();
    if (result !== RING_OK) return `${result}`;
    const { at, length, type, control } = consumer;
    const payload = toHex(this.#place.bytes.subarray(at, at + length));
    return `${result} ${at - DATA} ${length} ${type} ${control} ${payload}`;
  }

  /** Stands in for the double mapping: copies what was written to one half to the other. */
  #mirror(): void {
    const { bytes } = this.#place;
    for (let i = 0; i < this.#size; i++) {
      const low = DATA + i;
      const high = low + this.#size;
      if (bytes[high] === this.#shadow[i]) bytes[high] = bytes[low]!;
      else bytes[low] = bytes[high]!;
      this.#shadow[i] = bytes[low]!;
    }
  }

  #state(): string {
    const { words } = this.#place;
    const shown = [...words.subarray(0, 4)].map((word) => word >>> 0).join(" ");
    const owed = +this.#consumer.owesWake;
    this.#consumer.owesWake = false;
    return `${shown} ${owed} ${this.#hash().toString(16).padStart(8, "0")}`;
  }

  /** FNV-1a. */
  #hash(): number {
    let hash = 0x811c9dc5;
    for (const byte of this.#shadow) hash = Math.imul(hash ^ byte, 0x01000193);
    return hash >>> 0;
  }
}
