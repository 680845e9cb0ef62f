// SPDX-License-Identifier: BSD-3-Clause
/** Random use of a channel's Web Streams: what a session does with them. */

import { type Channel, KupError } from "../../mod.ts";
import { int, oneOf, type Random } from "./random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What streams refuse by themselves: a second reader, or a read whose reader is released. */
export function isStreamError(error: unknown): boolean {
  return error instanceof TypeError && /lock|reader|writer|stream/i.test(error.message);
}

function aborted(): DOMException {
  return new DOMException("The session has written enough.", "AbortError");
}

/** Reads a little, and leaves the stream in one of all ways. */
export async function readSome(channel: Channel, random: Random, kept: Bytes[]): Promise<void> {
  const stream = random.chance(0.3)
    ? channel.toReadable({ gaps: () => void (random.chance(0.3) && channel.close()) })
    : channel.readable;
  if (random.chance(0.2)) return await pipeSome(stream, channel, random);
  const reader = stream.getReader();
  reader.closed.catch(() => {});
  const reads = Array.from({ length: int(random, 1, 5) }, () => reader.read());
  for (const read of reads) read.then(({ value }) => value && kept.push(value), () => {});
  // A read has no time-out of its own.
  const pause = new Promise((resolve) => setTimeout(resolve, int(random, 0, 5)));
  if (random.chance(0.7)) await Promise.race([pause, reads[0]!.catch(() => {})]);
  if (random.chance(0.1)) channel.close();
  const leave = oneOf<() => unknown>(random, [
    () => reader.releaseLock(),
    () => reader.cancel(),
    () => reader.cancel("enough").then(() => reader.releaseLock()),
    () => {
      reader.releaseLock();
      return channel.tryReceive();
    },
  ]);
  try {
    await leave();
  } finally {
    await Promise.allSettled(reads);
  }
}

/** Into a stream that ends or fails somewhere. */
async function pipeSome(stream: ReadableStream<Bytes>, channel: Channel, random: Random) {
  let left = int(random, 1, 5);
  const sink = new WritableStream<Bytes>({
    write(_chunk, controller) {
      if (random.chance(0.05)) channel.close();
      if (--left > 0) return;
      controller.error(new TypeError("the end of the stream that it was piped to"));
    },
  }, { highWaterMark: int(random, 0, 3) });
  const options = { preventCancel: random.chance(0.5), signal: AbortSignal.timeout(10) };
  await stream.pipeTo(sink, options);
}

/** Writes chunks, and calls `written` for each that is certainly in the ring. */
export async function writeSome(
  channel: Channel,
  random: Random,
  chunks: readonly Bytes[],
  written: () => void,
): Promise<void> {
  const writer = channel.writable.getWriter();
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  const writes = chunks.map((chunk) => writer.write(chunk).then(written));
  const timer = setTimeout(() => writer.abort(aborted()).catch(() => {}), int(random, 1, 10));
  try {
    // A close would end this direction, and with it the session.
    if (random.chance(0.3)) await writer.abort(aborted()).catch(() => {});
    await Promise.allSettled(writes);
  } finally {
    clearTimeout(timer);
    await Promise.allSettled(writes);
    writer.releaseLock();
  }
}

/** A lock alone takes nothing, and refuses other receivers. */
export function tryLock(channel: Channel): void {
  const reader = channel.readable.getReader();
  reader.closed.catch(() => {});
  try {
    channel.tryReceive();
  } catch (error) {
    if (error instanceof KupError && error.code === "busy") return;
    throw error;
  } finally {
    reader.releaseLock();
  }
  if (!channel.done && !channel.closed) throw new Error("received beside a locked stream");
}
