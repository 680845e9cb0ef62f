// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a user gets who imports the published module by its URL: exactly its files, over HTTP, in a
 * Deno that has nothing cached, has no permission but FFI, and finds no program on its PATH.
 */

import { assertEquals } from "../../deps.ts";
import { publishedFiles } from "../lib/published.ts";
import { servePublished } from "../lib/serve.ts";
import { patience } from "../lib/until.ts";

const USE = `
  const device = open("host:echo");
  const channel = await device.attach();
  await channel.send("hello", { type: 7 });
  const message = await channel.receive();
  const told = message.text() + " " + message.type;
  channel.close();
  device.close();`;

const SCRIPTS: Record<string, (url: string) => string> = {
  "the main script": (url) => `import { open } from "${url}"; ${USE} console.log(told);`,
  "a worker": (url) => {
    const worker = `import { open } from "${url}"; ${USE} postMessage(told); close();`;
    return `
      const blob = new Blob([${JSON.stringify(worker)}], { type: "text/javascript" });
      const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
      worker.onmessage = ({ data }) => console.log(data);`;
  },
  "a script that imports it late": (url) => `
    const { open } = await import("${url}"); ${USE} console.log(told);`,
};

/** Runs a script with only the permission for FFI, and for what Deno itself imports. */
async function run(script: string, host: string): Promise<{ output: string; code: number }> {
  const folder = await Deno.makeTempDir({ prefix: "kup-published-" });
  try {
    await Deno.writeTextFile(`${folder}/main.js`, script);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--quiet",
        "--allow-ffi",
        `--allow-import=${host}`,
        `${folder}/main.js`,
      ],
      cwd: folder,
      clearEnv: true,
      env: { DENO_DIR: `${folder}/deno`, PATH: "", NO_COLOR: "1" },
      signal: AbortSignal.timeout(patience()),
    }).output();
    const text = new TextDecoder();
    return { output: text.decode(stdout) + text.decode(stderr), code };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("open() of the published module works by its URL, with --allow-ffi alone", async (t) => {
  const files = await publishedFiles();
  const asked = new Set<string>();
  await using server = servePublished(files, asked);
  const host = `127.0.0.1:${server.addr.port}`;
  for (const [name, script] of Object.entries(SCRIPTS)) {
    await t.step(`in ${name}`, async () => {
      assertEquals(await run(script(`http://${host}/mod.ts`), host), {
        output: "hello 7\n",
        code: 0,
      });
    });
  }
  await t.step("without asking for a file that isn't published", () => {
    assertEquals([...asked].filter((path) => !files.includes(path)), []);
  });
});
