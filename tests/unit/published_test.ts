// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a user gets who imports the published module by its URL: exactly its files, over HTTP, in a
 * Deno that has nothing cached, has no permission but FFI, and finds no program on its PATH.
 */

import { assertEquals, assertMatch } from "../../deps.ts";
import { compareFiles } from "../checks/package.ts";
import { CONFIG } from "../checks/static.ts";
import { ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";
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
  await t.step(
    "without asking for a file that isn't published, or that belongs to the tools",
    () => {
      assertEquals([...asked].filter((path) => !files.includes(path)), []);
      assertEquals([...asked].filter((path) => !/^(?:mod\.ts|src\/.*)$/.test(path)), []);
    },
  );
});

Deno.test("kup of the published package pings, makes a module, and tests it, from an empty folder", async () => {
  await using server = servePublished(await publishedFiles());
  const cwd = await Deno.makeTempDir({ prefix: "kup-published-" });
  try {
    const links = ["cli", "fmt"].map((name) => `${ROOT}/tests/std/${name}`);
    const config = `${cwd}/std.json`;
    await Deno.writeTextFile(config, JSON.stringify(CONFIG === "deno.json" ? {} : { links }));
    const cli = `http://127.0.0.1:${server.addr.port}/cli.ts`;
    const kup = async (...args: string[]) => {
      const command = ["run", "-A", "--quiet", "--no-check", "--config", config, cli, ...args];
      const env = { DENO_DIR: `${cwd}/deno`, KUP_CACHE: `${cwd}/cache`, NO_COLOR: "1" };
      const { code, output } = await capture([Deno.execPath(), ...command], { cwd, env });
      assertEquals(code, 0, output);
      return output;
    };
    assertMatch(await kup("ping", "host:echo", "--count", "2"), /^host:echo: 2 x 64 bytes/);
    assertMatch(await kup("new", "thing"), /^thing is made/);
    assertMatch(await kup("test", "--kernel", "host", "thing"), /2 passed/);
    await Deno.copyFile(`${cwd}/thing/thing.h`, `${cwd}/other.h`);
    await kup("bind", "other.h");
    assertMatch(await Deno.readTextFile(`${cwd}/other.ts`), /export /);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("compareFiles() names files that are missing, and files that no export needs", () => {
  assertEquals(compareFiles(["a", "b"], ["b", "a"]), []);
  assertEquals(compareFiles(["a", "extra"], ["a", "missing"]), [
    "missing isn't published",
    "extra is published, and no export needs it",
  ]);
});
