// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs in the oldest supported Deno, and so without `deps.ts`. Exchanges messages in each way that
 * depends on a part of Deno, and prints which of them worked.
 */

import { type Channel, open } from "../../../mod.ts";

async function expect(name: string, wanted: string, found: Promise<string | undefined> | string) {
  const text = await found;
  if (text !== wanted) throw new Error(`${name}: ${text} instead of ${wanted}`);
  worked.push(name);
}

const worked: string[] = [];

async function iterate(channel: Channel): Promise<string> {
  const texts: string[] = [];
  for (let i = 0; i < 300; i++) await channel.send(`${i}`);
  for await (const message of channel) if (texts.push(message.text()) === 300) break;
  return `${texts.length} ${texts.at(-1)}`;
}

async function batch(channel: Channel): Promise<string> {
  await channel.sendBatch(["a", "b", "c"]);
  const texts: string[] = [];
  while (texts.length < 3) {
    for (const message of await channel.receiveBatch()) texts.push(message.text());
  }
  return texts.join("");
}

{
  using device = open("host:echo");
  using channel = await device.attach({ spin: 0 });
  channel.sendSync("one");
  await expect("sync", "one", channel.receiveSync({ timeout: 10_000 })?.text() ?? "");
  await channel.send("two");
  await expect("async", "two", channel.receive().then((message) => message?.text()));
  const late = channel.receive().then((message) => message?.text());
  setTimeout(() => channel.send("three"), 20);
  await expect("late", "three", late);
  await expect("iterate", "300 299", iterate(channel));
  await expect("batch", "abc", batch(channel));
}
const worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
const answer = new Promise<string>((resolve) => worker.onmessage = ({ data }) => resolve(data));
await expect("worker", "from a worker", answer);
worker.terminate();
console.log(worked.join(" "));
