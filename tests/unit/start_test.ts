// SPDX-License-Identifier: BSD-3-Clause
/** What a program loads at its start, and what only when it needs it. */

import { assertEquals } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

/** Runs a program in which `node:net` is a module that can't be loaded. */
async function runWithoutNet(body: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kup-start-" });
  try {
    const map = `${folder}/map.json`;
    await Deno.writeTextFile(`${folder}/broken.ts`, 'throw new Error("not this one");');
    await Deno.writeTextFile(map, '{ "imports": { "node:net": "./broken.ts" } }');
    await Deno.writeTextFile(
      `${folder}/main.ts`,
      `import { open } from "file://${ROOT}/mod.ts";
      using device = open("host:echo");
      using channel = await device.attach();
      ${body}`,
    );
    const options = ["--no-check", "--no-lock", "--import-map", map];
    const command = [Deno.execPath(), "run", "--allow-ffi", "--allow-read", ...options];
    return (await must([...command, `${folder}/main.ts`])).trim();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Device.attach() and calls that do not sleep load no node:net", async () => {
  const output = await runWithoutNet(`
    channel.trySend("hello");
    let message;
    while ((message = channel.tryReceive()) === undefined);
    console.log(message.text());`);
  assertEquals(output, "hello");
});

Deno.test("Channel.receive() that sleeps fails with a sentence if there is no node:net", async () => {
  const output = await runWithoutNet(`
    const error = await channel.receive().catch((error) => error);
    console.log(error.code + ": " + error.message);`);
  assertEquals(output, "system: KUP: This runtime can't watch a pipe by node:net; update Deno.");
});
