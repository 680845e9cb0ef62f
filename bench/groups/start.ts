// SPDX-License-Identifier: BSD-3-Clause
/** From the start of a script to its first message, with the library that the module contains. */

import { CACHE, ROOT } from "../../tests/lib/paths.ts";
import { must } from "../../tests/lib/process.ts";
import { type Group, Missing, type Run } from "../run.ts";

/** Prints the time from its first statement to the first message. */
const SCRIPT = `
import { open } from "./mod.ts";
const start = performance.now();
using device = open("host:echo");
using channel = await device.attach();
await channel.send("first");
const message = await channel.receive();
if (message?.text() !== "first") throw new Error("a wrong echo");
console.log(performance.now() - start);
Deno.exit();
`;

/** The same, with the time that Deno takes for the module. */
const WHOLE = SCRIPT.replace(
  /import .*\n(const start.*\n)/,
  '$1const { open } = await import("./mod.ts");\n',
);

/** A copy of what is published: without a library beside it, the embedded one is used. */
async function publish(): Promise<string> {
  const folder = `${CACHE}/bench/published`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  await must(["cp", "-r", `${ROOT}/mod.ts`, `${ROOT}/src`, folder]);
  const built = await Deno.readTextFile(`${folder}/src/embedded/built_by_make.ts`);
  if (built.includes("publish_after_make_prebuilt")) {
    throw new Missing("the module contains no library; run `make prebuilt` first");
  }
  await Deno.writeTextFile(`${folder}/first.ts`, SCRIPT);
  await Deno.writeTextFile(`${folder}/whole.ts`, WHOLE);
  return folder;
}

function starting(folder: string, script: string): () => Promise<number> {
  const command = [Deno.execPath(), "run", "--no-config", "--no-check", "--allow-ffi", script];
  return async () => Number(await must(command, { cwd: folder })) * 1e6;
}

export const start: Group = {
  name: "start",
  title: "From a script's first line to its first message, the embedded library",
  rows: [12],
  async run(run: Run) {
    const folder = await publish();
    const first = starting(folder, "first.ts");
    const whole = starting(folder, "whole.ts");
    // Deno transpiles the files once.
    await first();
    await whole();
    await run.alternate([
      { name: "first message", kind: "kup", round: first },
      { name: "first message, with the import of the module", kind: "kup", round: whole },
    ], 20);
  },
};
