// SPDX-License-Identifier: BSD-3-Clause
/** The permission for FFI: asked for once and as a whole, and one error wherever it is missing. */

import { assert, assertEquals, assertStringIncludes } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";

const { os, arch } = Deno.build;
const LIBRARY = `${ROOT}/native/build/libkup-${os}-${arch}.so`;

/** The module as users have it: with its library inside, and none beside it. */
const copy = await Deno.makeTempDir({ prefix: "kup-copy-" });
await must(["cp", "-r", `${ROOT}/mod.ts`, `${ROOT}/src`, copy]);
addEventListener("unload", () => Deno.removeSync(copy, { recursive: true }));

/** The two modules: the copy, and the checkout with its library beside it. */
const MODULES = [`file://${copy}/mod.ts`, `file://${ROOT}/mod.ts`];

/** What each failed call of a program prints: its number, the error's name, its code. */
const TRY = `
  const attempt = async (name, body) => {
    try { await body(); console.log(name, "done"); }
    catch (error) { console.log(name, error.name, error.code, error.message); }
  };`;

function program(module: string, body: string): string {
  const source = `import * as kup from ${JSON.stringify(module)};\n${TRY}\n${body}`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

async function linesOf(module: string, flags: string[], body: string): Promise<string[]> {
  const { code, stdout, output } = await capture(
    [Deno.execPath(), "run", "--no-config", ...flags, program(module, body)],
  );
  assertEquals(code, 0, output);
  return stdout.trimEnd().split("\n");
}

function isRefusal(line: string, name: string): void {
  assert(line.startsWith(`${name} KupError no-ffi-permission `), line);
  assertStringIncludes(line, "--allow-ffi, without a list of files");
}

const CALLS = `
  await attempt("open", () => kup.open("host:echo"));
  await attempt("again", () => kup.open("host:echo"));
  await attempt("wait", () => kup.waitForDevice("host:echo"));
  await attempt("unload", () => kup.unload("host:echo"));`;

for (const flags of [[], ["--no-prompt"], ["--deny-ffi"], [`--allow-ffi=${LIBRARY}`]]) {
  Deno.test(`open() names what is missing with ${flags.join(" ") || "no permission"}`, async () => {
    for (const module of MODULES) {
      const lines = await linesOf(module, flags, CALLS);
      assertEquals(lines.length, 4, lines.join("\n"));
      for (const [i, name] of ["open", "again", "wait", "unload"].entries()) {
        isRefusal(lines[i]!, name);
      }
    }
  });
}

Deno.test("open() reports that a permission for its library's file is not enough", async () => {
  const flags = ["--no-prompt", `--allow-ffi=${LIBRARY}`];
  const [line] = await linesOf(
    MODULES[1]!,
    flags,
    `await attempt("open", () => kup.open("host:echo", { library: ${JSON.stringify(LIBRARY)} }));`,
  );
  isRefusal(line!, "open");
});

Deno.test("open() needs --allow-ffi and nothing else, also from a folder of its own", async () => {
  for (const module of MODULES) {
    const lines = await linesOf(
      module,
      ["--no-prompt", "--allow-ffi"],
      `await attempt("all", async () => {
        using device = kup.open("host:echo");
        using channel = await device.attach();
        await channel.send("x");
        if ((await channel.receive()).text() !== "x") throw new Error("not echoed");
      });`,
    );
    assertEquals(lines, ["all done"]);
  }
});

Deno.test("open() refuses a client module that --deny-ffi names", async () => {
  const [line] = await linesOf(
    MODULES[1]!,
    ["--allow-ffi", "--deny-ffi=/there/is/no.so"],
    `await attempt("open", () => kup.open("host:/there/is/no.so"));`,
  );
  assert(line!.startsWith("open KupError no-ffi-permission host:/there/is/no.so: "), line);
});

const REVOKED = `
  using device = kup.open("host:echo");
  using channel = await device.attach();
  using taken = await device.attach({ channel: 5 });
  const pending = device.attach({ channel: 5 });
  await channel.send("a");
  let message = await channel.receive();
  Deno.permissions.revokeSync({ name: "ffi" });
  await attempt("text", () => { if (message.text() !== "a") throw new Error("wrong"); });
  await attempt("copy", () => message.copy());
  await attempt("stats", () => { channel.stats(); channel.totals(); device.info(); });
  await attempt("send", () => channel.send("b"));
  await attempt("receive", async () => { message = await channel.receive(); });
  structuredClone(message.bytes, { transfer: [message.bytes.buffer] });
  await attempt("bytes", () => message.bytes);
  await attempt("text", () => { if (message.text() !== "b") throw new Error("wrong"); });
  await attempt("attach", () => device.attach());
  taken.close();
  await attempt("pending", () => pending);
  await attempt("open", () => kup.open("host:echo"));
  await attempt("wait", () => kup.waitForDevice("host:echo"));
  await attempt("reserve", async () => { (await channel.reserve(8)).discard(); });
  await attempt("close", () => { channel.close(); device.close(); });`;

function checkRevoked(lines: readonly string[]): void {
  const done = ["text", "copy", "stats", "send", "receive", "text", "reserve", "close"];
  const refused = ["bytes", "attach", "pending", "open", "wait"];
  assertEquals(lines.filter((line) => line.endsWith(" done")), done.map((name) => `${name} done`));
  const others = lines.filter((line) => !line.endsWith(" done"));
  assertEquals(others.length, refused.length, others.join("\n"));
  for (const [i, name] of refused.entries()) {
    if (name === "bytes") assert(others[i]!.startsWith("bytes KupError no-ffi-permission"));
    else isRefusal(others[i]!, name);
  }
}

Deno.test("Channel's calls that need FFI report that it was revoked, and the others work", async () => {
  for (const module of MODULES) {
    checkRevoked(await linesOf(module, ["--allow-ffi"], REVOKED));
  }
});

Deno.test("open() ignores patched permissions", async () => {
  const lines = await linesOf(
    MODULES[0]!,
    ["--no-prompt"],
    `Deno.permissions.querySync = Deno.permissions.requestSync = () => ({ state: "granted" });
    Object.getPrototypeOf(Deno.permissions).querySync = Deno.permissions.querySync;
    ${CALLS}`,
  );
  for (const [i, name] of ["open", "again", "wait", "unload"].entries()) isRefusal(lines[i]!, name);
  const granted = await linesOf(
    MODULES[0]!,
    ["--allow-ffi"],
    `Deno.permissions.querySync = Deno.permissions.requestSync = () => ({ state: "denied" });
    await attempt("open", () => kup.open("host:echo").close());`,
  );
  assertEquals(granted, ["open done"]);
});

Deno.test("open() in a worker follows the worker's own permissions", async () => {
  const inWorker = (body: string) =>
    `import * as kup from ${JSON.stringify(MODULES[0])};
    const lines = [];
    const console = { log: (...all) => lines.push(all.join(" ")) };
    ${TRY}\n${body}\nself.postMessage(lines);`;
  for (
    const [permissions, body, check] of [
      [`{ ffi: false }`, CALLS, (lines: string[]) => isRefusal(lines[0]!, "open")],
      [
        `{ ffi: [${JSON.stringify(LIBRARY)}] }`,
        CALLS,
        (lines: string[]) => isRefusal(lines[0]!, "open"),
      ],
      [`{ ffi: true }`, REVOKED, checkRevoked],
    ] as const
  ) {
    const url = JSON.stringify(`data:text/javascript,${encodeURIComponent(inWorker(body))}`);
    const lines = await linesOf(
      MODULES[0]!,
      ["--no-prompt", "--allow-ffi", "--allow-import", "--allow-read", "--unstable-worker-options"],
      `using device = kup.open("host:echo");
      const worker = new Worker(${url}, { type: "module", deno: { permissions: {
        ...${permissions}, import: "inherit", read: true } } });
      const lines = await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
      });
      console.log(lines.join("\\n"));
      worker.terminate();`,
    );
    check(lines);
  }
});

/** Runs a program in a terminal, and answers each of Deno's prompts. Returns all that was shown. */
async function inTerminal(
  body: string,
  answer: string,
): Promise<{ shown: string; prompts: number }> {
  const file = `${copy}/prompted.ts`;
  await Deno.writeTextFile(file, `import * as kup from "./mod.ts";\n${TRY}\n${body}\n`);
  const child = new Deno.Command("script", {
    args: ["-qefc", `'${Deno.execPath()}' run --no-config '${file}'`, "/dev/null"],
    env: { SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  let shown = "";
  // What is typed before Deno reads is thrown away, so it is typed again.
  const typing = setInterval(() => {
    if (count(shown, "Allow?") > count(shown, "ed ffi access")) {
      writer.write(new TextEncoder().encode(`${answer}\n`)).catch(() => {});
    }
  }, 200);
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) shown += text;
  clearInterval(typing);
  await writer.close().catch(() => {});
  await child.status;
  return { shown, prompts: count(shown, "Allow?") };
}

function count(text: string, word: string): number {
  return text.split(word).length - 1;
}

const PROMPTED = `
  await attempt("first", async () => {
    using device = kup.open("host:echo");
    using channel = await device.attach();
    await channel.send("x");
    await channel.receive();
  });
  await attempt("second", () => kup.open("host:echo").close());
  await attempt("third", async () => (await kup.waitForDevice("host:echo")).close());`;

Deno.test("open() asks in a terminal once, and `y` is enough", async () => {
  const { shown, prompts } = await inTerminal(PROMPTED, "y");
  assertEquals(prompts, 1, shown);
  for (const name of ["first", "second", "third"]) assertStringIncludes(shown, `${name} done`);
});

Deno.test("open() asks in a terminal once, and accepts `n` as an answer", async () => {
  const { shown, prompts } = await inTerminal(PROMPTED, "n");
  assertEquals(prompts, 1, shown);
  for (const name of ["first", "second", "third"]) {
    assertStringIncludes(shown, `${name} KupError no-ffi-permission`);
  }
});
