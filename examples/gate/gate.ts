// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decides for the gate client, a kernel module that asks who may pass:
 *
 *     make -C examples/gate
 *     deno run --allow-ffi examples/gate/gate.ts             # in this process
 *     deno run --allow-ffi examples/gate/gate.ts /dev/gate   # in a kernel with gate.ko
 */

import { CallError, CallStatus, type Channel, open } from "jsr:@kup/kup@0";
import { program } from "../program.ts";

const HERE = import.meta.resolve("./gate.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/gate/gate.ts [DEVICE]

Lets every second visitor of the gate client pass, then one comes that gets no answer.

  DEVICE   host:${HERE} if not given, which \`make -C examples/gate\` builds;
           /dev/gate in a kernel that has gate.ko`,
  words: 1,
};

/** The methods in gate.h. */
const DECIDE = 1;
const COUNT = 2;

/** The numbers in a gate_counts: how many passed, were refused, and got no answer. */
async function counts(channel: Channel): Promise<[number, number, number]> {
  const { bytes } = await channel.call(COUNT, "", { timeout: 60_000 });
  const view = new DataView(bytes.buffer);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
}

/** Decides until `visitors` have come. */
function decide(channel: Channel, visitors: number): Promise<void> {
  return new Promise((resolve) => {
    channel.handle(({ method, bytes }) => {
      if (method !== DECIDE) throw new CallError(CallStatus.noMethod);
      const number = new DataView(bytes.buffer).getUint32(0, true);
      if (--visitors === 0) resolve();
      return new Uint8Array([number % 2]);
    });
  });
}

/** Leaves visitors without an answer until the module refuses one by itself. */
async function ignore(channel: Channel): Promise<void> {
  const cancelled = new Promise<void>((resolve) => {
    channel.handle(({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reject(new CallError(CallStatus.cancelled));
          resolve();
        });
      })
    );
  });
  await cancelled;
}

async function main(path: string): Promise<void> {
  using device = open(path);
  using channel = await device.attach();
  const [before] = await counts(channel);
  await decide(channel, 20);
  // The twentieth answer is on its way.
  let [passed] = await counts(channel);
  while (passed - before < 10) [passed] = await counts(channel);
  console.log(`${passed - before} visitors of ${device.name} have passed`);
  const [, , undecided] = await counts(channel);
  await ignore(channel);
  let now = undecided;
  while (now === undecided) [, , now] = await counts(channel);
  console.log("and one was refused, because it got no answer in time");
}

await program(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
