// SPDX-License-Identifier: BSD-3-Clause
/**
 * Waiting for a device: what it needs, what it leaves behind, and which errors it takes as final.
 */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { KupError, open, unload, waitForDevice } from "../../mod.ts";
import { runScript, sleep } from "../conformance/lib/script.ts";
import { capture } from "../lib/process.ts";

const sanitizers = { sanitizeOps: true, sanitizeResources: true } as const;

/** Loaded before any test, so that no test's sanitizer reports its unloading. */
let kept = open("host:echo");
addEventListener("unload", () => kept.close());

Deno.test("waitForDevice() leaves no timer and no library behind", sanitizers, async () => {
  const abort = new AbortController();
  const waits = ["host:none", "/dev/kup/none", "/dev/none/at/all", "/dev/null/below"]
    .map((path) => waitForDevice(path, { signal: abort.signal }));
  const refused = waits.map((wait) => assertRejects(() => wait, DOMException));
  await sleep(50);
  abort.abort();
  await Promise.all(refused);
  (await waitForDevice("host:echo")).close();
});

Deno.test("waitForDevice() refuses at once a path that can't become a device", async () => {
  const code = async (path: string) =>
    (await assertRejects(() => waitForDevice(path), KupError)).code;
  assertEquals(await code("/dev/null"), "not-a-device");
  assertEquals(await code("/dev"), "not-a-device");
  assertEquals(await code(`/dev/${"x".repeat(300)}`), "not-found");
  for (const wrong of [{ timeout: 5 }, { signal: 5 }, { library: 5 }, null, 5]) {
    // deno-lint-ignore no-explicit-any
    await assertRejects(() => waitForDevice("host:none", wrong as any), TypeError);
  }
  // deno-lint-ignore no-explicit-any
  for (const wrong of [null, 5, "", "a\0b", {}] as any[]) {
    await assertRejects(() => waitForDevice(wrong), TypeError);
  }
});

Deno.test("waitForDevice() accepts a URL, and uses the working directory of the call", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-wait-" });
  const before = Deno.cwd();
  const abort = new AbortController();
  try {
    Deno.chdir(folder);
    const waits = [
      waitForDevice("later", { signal: abort.signal }),
      waitForDevice(new URL(`file://${folder}/later`), { signal: abort.signal }),
    ];
    const refused = waits.map((wait) => assertRejects(() => wait, KupError));
    Deno.chdir(before);
    await Deno.writeTextFile(`${folder}/later`, "");
    // The path exists, and is no device.
    for (const { code, message } of await Promise.all(refused)) {
      assertEquals(code, "not-a-device");
      assert(message.startsWith(`${folder}/later: `), message);
    }
  } finally {
    abort.abort();
    Deno.chdir(before);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("waitForDevice() needs --allow-ffi and nothing else, and none of the replaced timers", async () => {
  const { code, out, error } = await runScript(`
    const { setTimeout } = globalThis;
    setTimeout(() => kup.open("host:echo", { parameters: { name: "kup/late" } }).close(), 100);
    globalThis.setTimeout = globalThis.setInterval = globalThis.setImmediate = () => 0;
    globalThis.clearTimeout = () => { throw new Error("a fake"); };
    Date.now = performance.now = () => 0;
    globalThis.queueMicrotask = () => {};
    using device = await kup.waitForDevice("host:kup/late");
    console.log(device.name);`);
  assertEquals([code, out, error], [0, "kup/late\n", ""]);
});

Deno.test("waitForDevice() with `parameters` loads a client module that appears later", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-wait-" });
  try {
    const file = `${folder}/late.so`;
    const waiting = waitForDevice(`host:${file}`, {
      parameters: { channels: 3, name: "kup/other" },
    });
    await sleep(50);
    const root = new URL("../../", import.meta.url).pathname;
    const { code, output } = await capture([
      ...["cc", "-shared", "-fPIC", `-I${root}kmod`, `-I${root}kmod/os/host`],
      ...[`-I${root}kmod/echo`, `-I${root}kmod/uapi`, "-o", `${folder}/building`],
      ...["calls.c", "contexts.c", "echo.c", "produce.c", "turns.c", "os/host.c"].map((name) =>
        `${root}kmod/echo/${name}`
      ),
    ]);
    assertEquals(code, 0, output);
    await Deno.rename(`${folder}/building`, file);
    using device = await waiting;
    assertEquals(device.channels, 3);
    device.close();
    unload(`host:${file}`);
    kept = open("host:echo");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Runs a program as a user that may not open all files. */
async function asNobody(body: string): Promise<string> {
  const source = `import * as kup from ${
    JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
  };\n${body}`;
  const { code, stdout, output } = await capture([
    ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    ...[Deno.execPath(), "run", "--no-config", "--no-check", "--allow-ffi"],
    `data:text/javascript,${encodeURIComponent(source)}`,
  ]);
  assertEquals(code, 0, output);
  return stdout;
}

Deno.test({
  name: "waitForDevice() gives a file's owner and mode two seconds to be set",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "kup-wait-" });
    try {
      await Deno.chmod(folder, 0o755);
      const file = `${folder}/device`;
      const path = JSON.stringify(file);
      const program = `
        await kup.waitForDevice(${path}).catch(({ code }) => console.log(code));`;
      await Deno.writeTextFile(file, "");
      await Deno.chmod(file, 0o600);
      assertEquals(await asNobody(program), "not-permitted\n");
      // A first refusal is not final: the second call finds that it is no device.
      const refused = asNobody(`
        try { kup.open(${path}); } catch ({ code }) { console.log(code); }
        ${program}`);
      await sleep(400);
      await Deno.chmod(file, 0o666);
      const lines = (await refused).trim().split("\n");
      assertEquals(lines.at(-1), "not-a-device");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
