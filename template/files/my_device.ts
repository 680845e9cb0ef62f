// SPDX-License-Identifier: BSD-3-Clause
/** The messages of my_device.h, and a channel that exchanges them. */

import { type Channel, open } from "@kup/kup";

/** The types of messages, as in my_device.h. */
export const MY_DEVICE_ADD = 1;
export const MY_DEVICE_SUM = 2;

/** The answer to two numbers. */
export interface Sum {
  readonly sum: bigint;
  /** How many sums this channel has asked for. */
  readonly count: number;
}

/** A channel of my_device. One call at a time. */
export class MyDevice implements Disposable {
  readonly #channel: Channel;

  private constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Attaches a channel of the device at this path, `/dev/my_device` or `host:...`. */
  static async attach(path: string): Promise<MyDevice> {
    using device = open(path);
    return new MyDevice(await device.attach());
  }

  /** Sends two numbers from 0 to 2^32 - 1, and returns their sum. */
  async add(a: number, b: number): Promise<Sum> {
    await this.#channel.send(new Uint32Array([a, b]), { type: MY_DEVICE_ADD });
    for await (const message of this.#channel) {
      if (message.type === MY_DEVICE_SUM) return { sum: message.u64(0), count: message.u32(8) };
    }
    throw new Error("The module has closed the channel.");
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}
