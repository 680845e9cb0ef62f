// SPDX-License-Identifier: BSD-3-Clause
/** Random calls in both directions on one channel of a call device. Each one must end. */

import { CallError, type CallRequest, type Channel, KupError } from "../../mod.ts";
import { int, oneOf, type Random, sleep } from "./random.ts";
import { common, expected, fail } from "./session.ts";

/** Methods of the echo client. */
const LONG = 0xfffe0002;
const KEEP = 0xfffe0004;
const BACK = 0xfffe0006;
const CLOSE = 0xfffe0009;

function pattern(random: Random, most: number): Uint8Array<ArrayBuffer> {
  const first = int(random, 0, 255);
  return new Uint8Array(int(random, 0, most)).map((_, i) => first + i);
}

function numbers(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** Its answer, if it has one, has the same bytes as the request. */
async function answer(random: Random, request: CallRequest): Promise<Uint8Array<ArrayBuffer>> {
  if (random.chance(0.3)) await sleep(int(random, 0, 5));
  if (random.chance(0.1)) throw new CallError(int(random, 2, 99), "a planned refusal");
  // More than the kernel's caller has room for.
  if (random.chance(0.1)) return new Uint8Array(request.length + 1);
  return request.bytes;
}

/** One call, with bytes that its reply has to have. */
async function callOnce(channel: Channel, random: Random): Promise<void> {
  const most = random.chance(0.1) ? Math.min(5000, channel.maxMessage - 8) : 100;
  const bytes = pattern(random, most);
  const options = {
    ...(random.chance(0.2) ? { timeout: int(random, 0, 5) } : {}),
    ...(random.chance(0.2) ? { signal: AbortSignal.timeout(int(random, 0, 5)) } : {}),
  };
  const back = random.chance(0.4);
  common.calls++;
  try {
    if (random.chance(0.1)) {
      await channel.call(KEEP, bytes, { timeout: int(random, 0, 5) });
      return;
    }
    if (random.chance(0.1)) {
      await channel.call(LONG, numbers(int(random, 0, 100_000)), options);
      return;
    }
    const sent = back ? [...numbers(int(random, 1, 9), int(random, 1, 20)), ...bytes] : [...bytes];
    const method = back ? BACK : int(random, 0, 1000);
    const reply = await channel.call(method, Uint8Array.from(sent), options);
    if (!reply.ok) return;
    if (reply.length !== bytes.length || reply.bytes.some((byte, i) => byte !== bytes[i])) {
      fail("a reply of another call");
    }
  } catch (error) {
    if (error instanceof KupError && error.code === "broken") fail(`${error.stack}`);
    expected(error);
  }
}

/** Some calls at once, until the channel is closed in the middle of the last ones. */
export async function runCalls(channel: Channel, random: Random, end: number): Promise<void> {
  const open = new Set<Promise<void>>();
  try {
    if (random.chance(0.8)) channel.handle((request) => answer(random, request));
    for (let i = int(random, 1, 500); i > 0 && performance.now() < end; i--) {
      const call: Promise<void> = callOnce(channel, random).finally(() => open.delete(call));
      open.add(call);
      if (open.size > int(random, 1, 100)) await Promise.race(open);
    }
    if (random.chance(0.2)) channel.call(CLOSE).catch(expected);
    if (random.chance(0.5)) await Promise.race([sleep(oneOf(random, [0, 5, 50])), ...open]);
  } catch (error) {
    expected(error);
  } finally {
    channel.close();
  }
  // They end at once; the parent process is more patient than this.
  const late = setTimeout(() => fail(`${open.size} calls never ended`), 30_000);
  await Promise.all(open);
  clearTimeout(late);
}
