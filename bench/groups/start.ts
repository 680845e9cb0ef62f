// SPDX-License-Identifier: BSD-3-Clause
/** From the start of a script to its first message, with the library that the module contains. */

import { must } from "../../tests/lib/process.ts";
import { servePublished } from "../../tests/lib/serve.ts";
import { ROOT } from "../../tests/lib/paths.ts";
import { type Group, Missing, type Run } from "../run.ts";

/** Prints the time from the first statement after the import to the first message. */
const FIRST = `
import { open } from "URL";
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
const WHOLE = FIRST.replace(
  /import .*\n(const start.*\n)/,
  '$1const { open } = await import("URL");\n',
);

/** Serves what is published; the native library is in it. */
async function publish(): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const built = await Deno.readTextFile(`${ROOT}/src/embedded/built_by_make.ts`).catch(() => "");
  if (built === "" || built.includes("publish_after_make_prebuilt")) {
    throw new Missing("the module contains no library; run `make prebuilt` first");
  }
  // It reads the environment, for which the usage of this program needs no permission.
  const { publishedFiles } = await import("../../tests/lib/published.ts");
  return servePublished(await publishedFiles());
}

/** Runs a script that imports the module from a server, as one does that imports it from JSR. */
function starting(port: number, script: string): () => Promise<number> {
  const host = `127.0.0.1:${port}`;
  const source = script.replace("URL", `http://${host}/mod.ts`);
  const address = `data:text/javascript,${encodeURIComponent(source)}`;
  const options = ["--no-config", "--no-check", "--allow-ffi", `--allow-import=${host}`];
  return async () => Number(await must([Deno.execPath(), "run", ...options, address])) * 1e6;
}

export const start: Group = {
  name: "start",
  title: "From a script's first line to its first message, the embedded library",
  rows: [12],
  async run(run: Run) {
    await using server = await publish();
    const first = starting(server.addr.port, FIRST);
    const whole = starting(server.addr.port, WHOLE);
    // Deno fetches and transpiles the files once.
    await first();
    await whole();
    await run.alternate([
      { name: "first message", kind: "kup", round: first },
      { name: "first message, with the import of the module", kind: "kup", round: whole },
    ], 20);
  },
};
