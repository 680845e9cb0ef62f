// SPDX-License-Identifier: BSD-3-Clause
/** Where the native library comes from: an option, a file beside the module, the module itself. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { openEmbedded } from "../../src/embedded.ts";
import { Copy, EMBEDDED } from "../lib/copy.ts";
import { checkFewFiles, WITH_FEW_FILES } from "../lib/few_files.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";
import { Sandbox } from "../lib/sandbox.ts";

const { arch } = Deno.build;
const MEMORY = /^\/memfd:libkup-[0-9a-f]{16}\.so$/;

/** What a child tells: the library that it opened a device with, or why it couldn't. */
interface Told {
  readonly code: string;
  readonly message: string;
  readonly cause: string;
  readonly libraries: readonly string[];
}

/** For scripts: opens what is no device, so that only the library matters; tells what is mapped. */
const TELL = `
  function tell(options) {
    let told = { code: "", message: "" };
    try {
      open("/dev/null", options);
    } catch (error) {
      if (!(error instanceof KupError)) throw error;
      told = { code: error.code, message: error.message, cause: String(error.cause?.message) };
    }
    const maps = Deno.readTextFileSync("/proc/self/maps").match(/\\d+ +\\S*libkup[^ \\n]*/g) ?? [];
    return { ...told, libraries: [...new Set(maps)].map((line) => line.split(/ +/)[1]) };
  }`;

function source(copy: Copy, body: string, before = ""): string {
  const module = JSON.stringify(`file://${copy.folder}/mod.ts`);
  return `import { KupError, open } from ${module};\n${before}\n${TELL}\n${body}`;
}

/** Runs a script in a Deno of its own and returns what it prints, which is JSON. */
async function run<T>(script: string, wrapper: readonly string[] = []): Promise<T> {
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const command = [Deno.execPath(), "run", "-A", "--no-prompt", "--no-config", url];
  return JSON.parse(await must([...wrapper, ...command]));
}

async function openIn(copy: Copy, options = "undefined", before = ""): Promise<Told> {
  return await run(source(copy, `console.log(JSON.stringify(tell(${options})));`, before));
}

Deno.test("a library beside the module comes before the embedded one", async () => {
  await using copy = await Copy.make();
  const file = await copy.addBuilt();
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertEquals(libraries, [file]);
});

Deno.test("without a library beside the module the embedded one is used", async () => {
  await using copy = await Copy.make();
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertEquals(libraries.length, 1);
  assertMatch(libraries[0]!, MEMORY);
});

Deno.test("a library that was asked for comes before all others", async () => {
  await using copy = await Copy.make();
  await copy.addBuilt();
  const file = await copy.addBuilt("elsewhere/libkup.so");
  const { code, libraries } = await openIn(copy, JSON.stringify({ library: file }));
  assertEquals(code, "not-a-device");
  assertEquals(libraries, [file]);
});

Deno.test("when a library that was asked for can't be loaded, no other is", async () => {
  await using copy = await Copy.make();
  await copy.addBuilt();
  const script = source(
    copy,
    `const library = ${JSON.stringify(`${copy.folder}/none.so`)};
     const first = tell({ library });
     tell();
     const last = tell({ library });
     console.log(JSON.stringify([first, last]));`,
  );
  const [first, last] = await run<Told[]>(script);
  assertEquals(first?.code, "library");
  assertEquals(first?.libraries, []);
  assertEquals(last?.code, "library", "also when another one is loaded by now");
});

Deno.test("a library beside the module that is of no use is told, and not passed over", async () => {
  await using copy = await Copy.make();
  const file = await copy.addBuilt();
  await Deno.writeTextFile(file, "This is no library.");
  const { code, message, libraries } = await openIn(copy);
  assertEquals(code, "library");
  assertStringIncludes(message, file);
  assertEquals(libraries, []);
});

Deno.test("open() in a module without any library says what to do", async () => {
  await using copy = await Copy.make();
  await copy.makeStub();
  const { code, message } = await openIn(copy);
  assertEquals(code, "library");
  assertStringIncludes(message, "`make native`");
  assertStringIncludes(message, "option `library`");
});

Deno.test("open() with only a library beside the module takes that one", async () => {
  await using copy = await Copy.make();
  await copy.makeStub();
  const file = await copy.addBuilt();
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertEquals(libraries, [file]);
});

Deno.test("open() refuses an embedded library that was built for other headers", async () => {
  await using copy = await Copy.make();
  await copy.edit("src/abi.ts", (text) => text.replace(/(CONTRACT = ")\w/, "$1x"));
  const { code, message, libraries } = await openIn(copy);
  assertEquals(code, "library");
  assertStringIncludes(message, "`make abi prebuilt`");
  assertEquals(libraries, []);
});

Deno.test("a Deno without Uint8Array.fromBase64 loads the embedded library too", async () => {
  await using copy = await Copy.make();
  const { code } = await openIn(copy, "undefined", "delete Uint8Array.fromBase64;");
  assertEquals(code, "not-a-device");
});

Deno.test("the library for the other libc is tried when the first can't be loaded", async () => {
  await using copy = await Copy.make();
  const names: Record<string, string> = { gnu: "musl", musl: "gnu" };
  await copy.edit(
    EMBEDDED,
    (text) => text.replace(/(?<=export const )(gnu|musl)\b/g, (name) => names[name] ?? name),
  );
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertMatch(libraries[0]!, MEMORY);
});

/** Changes both libraries' base64. */
function damaged(text: string, damage: (base64: string) => string): string {
  return text.split('"').map((part) => part.length > 10_000 ? damage(part) : part).join('"');
}

const DAMAGES: Record<string, (base64: string) => string> = {
  "one letter is another": (base64) =>
    base64.slice(0, 20_000) + (base64[20_000] === "A" ? "B" : "A") + base64.slice(20_001),
  "cut short": (base64) => base64.slice(0, 20_000),
  "no base64": () => "This is no library.",
  "empty": () => "",
};

Deno.test("damaged bytes are an error, and are not loaded", async (t) => {
  for (const [name, damage] of Object.entries(DAMAGES)) {
    await t.step(name, async () => {
      await using copy = await Copy.make();
      await copy.edit(EMBEDDED, (text) => damaged(text, damage));
      const { code, message, libraries } = await openIn(copy);
      assertEquals(code, "library");
      assertStringIncludes(message, "damaged");
      assertEquals(libraries, []);
    });
  }
});

Deno.test("bytes that are no library for this machine are an error", async () => {
  await using copy = await Copy.make();
  const other = arch === "x86_64" ? "aarch64" : "x86_64";
  await Deno.copyFile(`${ROOT}/src/embedded/linux-${other}.ts`, `${copy.folder}/${EMBEDDED}`);
  const { code, message, cause, libraries } = await openIn(copy);
  assertEquals(code, "library");
  assertStringIncludes(message, "option `library`");
  assertStringIncludes(cause, "/proc/self/fd/./");
  assertEquals(libraries, []);
});

Deno.test("without permission for FFI the embedded library isn't even looked at", async () => {
  await using copy = await Copy.make();
  const script = source(copy, `try { open("/dev/null"); } catch (e) { console.log(e.code); }`);
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const command = [Deno.execPath(), "run", "--no-prompt", "--no-config"];
  // The second is a permission for one file, which is not the one that is needed.
  for (const permission of [[], ["--allow-ffi=/nowhere/lib.so"], [`--allow-ffi=${copy.folder}`]]) {
    const { stdout } = await capture([...command, ...permission, url]);
    assertEquals(stdout.trim(), "no-ffi-permission");
  }
});

/** The setting is one of the process's PID name space, so that a new one can have it. */
const NO_EXEC = "/proc/sys/vm/memfd_noexec";

Deno.test({
  name: "a system where files in memory may not be run as programs loads the embedded library",
  ignore: Deno.uid() !== 0 || await Deno.stat(NO_EXEC).then(() => false, () => true),
  fn: async () => {
    await using copy = await Copy.make();
    for (const level of [0, 1, 2]) {
      const set = `echo ${level} >${NO_EXEC} && exec "$@"`;
      const wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", set, "sh"];
      const script = source(copy, "console.log(JSON.stringify(tell()));");
      assertEquals((await run<Told>(script, wrapper)).code, "not-a-device");
    }
  },
});

Deno.test("open() without descriptors for the embedded library is too-many-files", async () => {
  await using copy = await Copy.make();
  const body = `
    ${WITH_FEW_FILES}
    const answers = await withFewFiles(6, () => { open("host:echo").close(); });
    console.log(JSON.stringify(answers));`;
  const answers = await run<unknown[][]>(source(copy, body), ["prlimit", "--nofile=100"]);
  // One for the file in memory, one for the loader, which opens it again.
  assert(checkFewFiles(answers) >= 2);
});

Deno.test("attach() and receive() without a free descriptor are too-many-files", async () => {
  await using copy = await Copy.make();
  const file = await copy.addBuilt();
  const body = `
    ${WITH_FEW_FILES}
    const device = open("host:echo");
    const answers = await withFewFiles(12, async () => {
      using channel = await device.attach({ spin: 0 });
      const received = channel.receive();
      received.catch(() => {});
      setTimeout(() => channel.closed || channel.trySend("x"), 1);
      await received;
    });
    console.log(JSON.stringify(answers));`;
  const answers = await run<unknown[][]>(source(copy, body), ["prlimit", "--nofile=100"]);
  // The pages; the two ends of the pipe; what the waiter sleeps in.
  assert(checkFewFiles(answers) >= 3, file);
});

Deno.test("open() without a free descriptor for a library's file is too-many-files", async () => {
  await using copy = await Copy.make();
  const file = await copy.addBuilt("elsewhere/libkup.so");
  const body = `
    ${WITH_FEW_FILES}
    const library = ${JSON.stringify(file)};
    const answers = await withFewFiles(4, () => { open("host:echo", { library }); });
    console.log(JSON.stringify(answers));`;
  checkFewFiles(await run<unknown[][]>(source(copy, body), ["prlimit", "--nofile=100"]));
});

const SANDBOXED = [
  [1, "EPERM (1)", "library"],
  [38, "ENOSYS (38)", "library"],
  [13, "EACCES (13)", "library"],
  [23, "limit", "too-many-files"],
  [24, "ulimit -n", "too-many-files"],
] as const;

Deno.test("open() in a sandbox without files in memory names call and errno", async () => {
  await using copy = await Copy.make();
  await using sandbox = await Sandbox.build();
  for (const [errno, told, expected] of SANDBOXED) {
    const script = source(copy, "console.log(JSON.stringify(tell()));");
    const { code, message } = await run<Told>(script, sandbox.withoutMemoryFiles(errno));
    assertEquals(code, expected, message);
    assertStringIncludes(message, told);
    if (expected !== "library") continue;
    assertStringIncludes(message, "memfd_create");
    assertStringIncludes(message, "option `library`");
  }
});

Deno.test("attach() in a sandbox without files in memory names call and errno", async () => {
  await using copy = await Copy.make();
  const library = await copy.addBuilt("elsewhere/libkup.so");
  await using sandbox = await Sandbox.build();
  const script = source(
    copy,
    `const device = open("host:echo", { library: ${JSON.stringify(library)} });
     let told;
     try { await device.attach(); } catch (error) { told = error; }
     console.log(JSON.stringify([told.code, told.errno, told.message]));`,
  );
  const refused = await run<unknown[]>(script, sandbox.withoutMemoryFiles(1));
  assertEquals(refused.slice(0, 2), ["system", 1]);
  assertStringIncludes(String(refused[2]), "memfd_create failed with EPERM");
  const full = await run<unknown[]>(script, sandbox.withoutMemoryFiles(23));
  assertEquals(full.slice(0, 2), ["too-many-files", 23]);
});

/** Each opens at the same moment as the others, waits once, and keeps its channel. */
const WORKER = `
  onmessage = async ({ data }) => {
    Atomics.add(data, 0, 1);
    while (Atomics.load(data, 0) < 4);
    const device = open("host:echo");
    const channel = await device.attach({ spin: 0 });
    setTimeout(() => channel.send("hello"), 20);
    postMessage((await channel.receive()).text());
  };`;

Deno.test("all workers of a process share one copy of the embedded library", async () => {
  await using copy = await Copy.make();
  const worker = `data:text/javascript,${encodeURIComponent(source(copy, WORKER))}`;
  const script = source(
    copy,
    `const start = new Int32Array(new SharedArrayBuffer(4));
     const workers = Array.from({ length: 4 }, () => new Worker(${JSON.stringify(worker)}, {
       type: "module",
     }));
     const answers = workers.map((worker) => new Promise((resolve) => {
       worker.onmessage = ({ data }) => resolve(data);
       worker.postMessage(start);
     }));
     const texts = await Promise.all(answers);
     const device = open("host:echo");
     const { channels, channelsFree } = device.info();
     const waiters = [...Deno.readDirSync("/proc/self/task")].filter(({ name }) =>
       Deno.readTextFileSync("/proc/self/task/" + name + "/comm").trim() === "kup-waiter");
     const taken = channels - channelsFree;
     console.log(JSON.stringify({ texts, taken, waiters: waiters.length }));
     Deno.exit();`,
  );
  const told = await run<{ texts: string[]; taken: number; waiters: number }>(script);
  assertEquals(told.texts, ["hello", "hello", "hello", "hello"]);
  assertEquals(told.taken, 4, "the host driver that each worker talks to");
  assertEquals(told.waiters, 1);
});

Deno.test("where the loader finds no names (musl) an isolate still loads one copy only", async () => {
  await using copy = await Copy.make();
  await copy.edit(
    EMBEDDED,
    (text) => text.replace(/libkup-[0-9a-f]+\.so/, "libkup-fedcba9876543210.so"),
  );
  const body = `tell(); tell(); console.log(JSON.stringify(tell()));`;
  const { code, libraries } = await run<Told>(source(copy, body));
  assertEquals(code, "not-a-device");
  assertEquals(libraries, ["/memfd:libkup-fedcba9876543210.so"]);
});

Deno.test(
  "loading the embedded library again and again leaves nothing open but one file",
  { sanitizeOps: true, sanitizeResources: true },
  () => {
    const symbols = { kup_user_interface: { parameters: [], result: "i32" } } as const;
    const files = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("/memfd:libkup-");
        } catch {
          return false;
        }
      }).length;
    for (let i = 0; i < 3; i++) {
      const [first, second] = [openEmbedded(symbols), openEmbedded(symbols)];
      const version = first.symbols.kup_user_interface();
      assert(version > 0);
      first.close();
      assertEquals(second.symbols.kup_user_interface(), version);
      second.close();
    }
    assertEquals(files(), 1);
  },
);
