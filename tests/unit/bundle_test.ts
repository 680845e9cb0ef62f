// SPDX-License-Identifier: BSD-3-Clause
/**
 * The module in other forms: bundled, in each format, imported from each kind of URL; required;
 * loaded twice.
 */

import { assertEquals, assertStringIncludes } from "../../deps.ts";
import { bundle, canBundle } from "../lib/bundle.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";

const MODULE = JSON.stringify(`file://${ROOT}/mod.ts`);

/** Waits once for a turn of the event loop, so that all of the module is in use. */
const USE = `
  const device = open("host:echo");
  const channel = await device.attach({ spin: 0 });
  const received = channel.receive();
  await channel.send("hello");
  const text = (await received).text();
  channel.close();
  device.close();`;

const folder = await Deno.makeTempDir({ prefix: "kup-bundle-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** For Deno, the same minified, and for runtimes without `require`. */
const KINDS: readonly string[][] = [
  ["--platform=deno"],
  ["--platform=deno", "--minify"],
  ["--platform=browser"],
];

const ignore = !await canBundle();

/** Bundles a program of this name in the folder, and returns the bundle. */
async function write(name: string, source: string, ...options: string[]): Promise<string> {
  await Deno.writeTextFile(`${folder}/${name}.ts`, source);
  return await bundle(`${folder}/${name}.ts`, ...options);
}

/** Runs a program with what it needs, and no other permission. */
async function run(...args: string[]): Promise<string> {
  const allowed = ["--no-prompt", "--no-config", "--allow-ffi", "--allow-read"];
  const command = [Deno.execPath(), "run", ...allowed, ...args];
  const { code, stdout, output } = await capture(command, { cwd: folder });
  // An error may contain the URL, and so all of the bundle.
  assertEquals(code, 0, output.slice(0, 1000));
  return stdout.trim();
}

Deno.test("open() works in a bundle of each format", { ignore }, async (t) => {
  const source = `
    import { open } from ${MODULE};
    (async () => {${USE} console.log(text); })();`;
  for (const format of ["esm", "cjs", "iife"]) {
    for (const kind of KINDS) {
      await t.step([format, ...kind].join(" "), async () => {
        const file = await write("program", source, `--format=${format}`, ...kind);
        assertEquals(await run(file), "hello");
      });
    }
  }
});

/** Written by the tests that need them. */
const LIBRARY = `export * from ${MODULE};`;
const WORKER = `import { open } from ${MODULE}; ${USE} self.postMessage(text); close();`;

/** Each makes a URL of the bundle in `name`. */
const SOURCES: Record<string, string> = {
  "file:": `const url = new URL(name, import.meta.url).href;`,
  "blob:": `
    const code = Deno.readTextFileSync(name);
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));`,
  "data:": `
    const url = "data:text/javascript," + encodeURIComponent(Deno.readTextFileSync(name));`,
};

const USERS: Record<string, string> = {
  "library.mjs": `const { open } = await import(url); ${USE} console.log(text);`,
  "worker.mjs": `
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => console.log(data);`,
};

Deno.test(
  "open() works in a bundle from any URL, imported or as a worker",
  { ignore },
  async (t) => {
    await write("library", LIBRARY);
    await write("worker", WORKER);
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const text = await Deno.readTextFile(`${folder}/${request.url.split("/").at(-1)}`);
        return new Response(text, { headers: { "content-type": "text/javascript" } });
      },
    );
    const host = `127.0.0.1:${server.addr.port}`;
    const sources = { ...SOURCES, "http:": `const url = "http://${host}/deep/down/" + name;` };
    for (const [kind, source] of Object.entries(sources)) {
      for (const [name, user] of Object.entries(USERS)) {
        await t.step(`${kind} ${name}`, async () => {
          const script = `const name = ${JSON.stringify(`./${name}`)};\n${source}\n${user}`;
          await Deno.writeTextFile(`${folder}/main.js`, script);
          assertEquals(await run(`--allow-import=${host}`, "main.js"), "hello");
        });
      }
    }
  },
);

Deno.test("require() of the module works in CommonJS", async () => {
  const script = `const { open } = require(${JSON.stringify(`${ROOT}/mod.ts`)});
    (async () => {${USE} console.log(text); })();`;
  await Deno.writeTextFile(`${folder}/main.cjs`, script);
  assertEquals(await run("main.cjs"), "hello");
});

Deno.test(
  "open() works in two copies of the module in one process, side by side",
  { ignore },
  async () => {
    await write("library", LIBRARY);
    const client = `${folder}/client.so`;
    await must([
      ...["cc", "-shared", "-fPIC", `-I${ROOT}/kmod`, `-I${ROOT}/kmod/os/host`, "-o", client],
      `${ROOT}/tests/unit/clients/upper.c`,
    ]);
    const script = `
    import * as one from ${MODULE};
    import * as two from "./library.mjs";
    for (const { open } of [one, two, one]) {${USE} console.log(text); }
    const [first, second] = [one.open("host:echo"), two.open("host:echo")];
    // The kernel's sides of the channels before need a moment for their end.
    while (first.info().channelsFree + second.info().channelsFree < 16) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const channels = [await first.attach(), await second.attach()];
    console.log(first.info().channelsFree, second.info().channelsFree);
    for (const channel of channels) channel.close();
    one.open("host:./client.so").close();
    try {
      two.open("host:./client.so");
    } catch (error) {
      console.log(error instanceof two.KupError, error.code, error.message);
    }`;
    await Deno.writeTextFile(`${folder}/main.js`, script);
    const lines = (await run("main.js")).split("\n");
    assertEquals(lines.slice(0, 4), ["hello", "hello", "hello", "7 7"], "each has a host driver");
    // The device that it would use is the first copy's, which the second copy does not have.
    assertStringIncludes(lines[4] ?? "", "true busy");
    assertStringIncludes(lines[4] ?? "", "Another copy");
  },
);
