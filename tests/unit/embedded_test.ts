// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the native library comes from: an option, a file beside the module, or the module itself.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { openEmbedded } from "../../src/embedded.ts";
import { Copy, EMBEDDED } from "../lib/copy.ts";
import { checkFewFiles, WITH_FEW_FILES } from "../lib/few_files.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";
import { Sandbox } from "../lib/sandbox.ts";

const { arch } = Deno.build;
const MEMORY = /^\/memfd:libkup-[0-9a-f]{16}\.so$/;

/** What a child prints: the library that it opened a device with, or why it couldn't. */
interface Told {
  readonly code: string;
  readonly message: string;
  readonly cause: string;
  readonly libraries: readonly string[];
}

/**
 * For scripts: opens what is no device, so that only the library matters, and prints what is
 * mapped.
 */
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

/** Runs a script in a Deno of its own and returns what it prints, as JSON. */
async function run<T>(script: string, wrapper: readonly string[] = []): Promise<T> {
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const command = [Deno.execPath(), "run", "-A", "--no-prompt", "--no-config", url];
  return JSON.parse(await must([...wrapper, ...command]));
}

async function openIn(copy: Copy, options = "undefined", before = ""): Promise<Told> {
  return await run(source(copy, `console.log(JSON.stringify(tell(${options})));`, before));
}

Deno.test("open() prefers a library beside the module to the embedded one", async () => {
  await using copy = await Copy.make();
  const file = await copy.addBuilt();
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertEquals(libraries, [file]);
});

Deno.test("open() uses the embedded library if there is none beside the module", async () => {
  await using copy = await Copy.make();
  const { code, libraries } = await openIn(copy);
  assertEquals(code, "not-a-device");
  assertEquals(libraries.length, 1);
  assertMatch(libraries[0]!, MEMORY);
});

Deno.test("open() prefers a library that was asked for to all others", async () => {
  await using copy = await Copy.make();
  await copy.addBuilt();
  const file = await copy.addBuilt("elsewhere/libkup.so");
  const { code, libraries } = await openIn(copy, JSON.stringify({ library: file }));
  assertEquals(code, "not-a-device");
  assertEquals(libraries, [file]);
});

Deno.test("open() loads no other library when the one that was asked for can't be loaded", async () => {
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
  assertEquals(last?.code, "library", "also when another library is loaded by now");
});

Deno.test("open() reports a library beside the module that can't be loaded, and takes no other", async () => {
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

Deno.test("open() loads the embedded library in a Deno without Uint8Array.fromBase64", async () => {
  await using copy = await Copy.make();
  const { code } = await openIn(copy, "undefined", "delete Uint8Array.fromBase64;");
  assertEquals(code, "not-a-device");
});

Deno.test("open() tries the library for the other libc when the first can't be loaded", async () => {
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

Deno.test("open() reports damaged bytes, and does not load them", async (t) => {
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

Deno.test("open() reports bytes that are no library for this machine", async () => {
  await using copy = await Copy.make();
  const other = arch === "x86_64" ? "aarch64" : "x86_64";
  await Deno.copyFile(`${ROOT}/src/embedded/linux-${other}.ts`, `${copy.folder}/${EMBEDDED}`);
  const { code, message, cause, libraries } = await openIn(copy);
  assertEquals(code, "library");
  assertStringIncludes(message, "option `library`");
  assertStringIncludes(cause, "/proc/self/fd/./");
  assertEquals(libraries, []);
});

Deno.test("open() without the permission for FFI does not read the embedded library", async () => {
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

/** The setting belongs to the process's PID name space, so a new one can have it. */
const NO_EXEC = "/proc/sys/vm/memfd_noexec";

Deno.test({
  name: "open() loads the embedded library where files in memory may not be run as programs",
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

Deno.test("open() without descriptors for the embedded library fails with too-many-files", async () => {
  await using copy = await Copy.make();
  const body = `
    ${WITH_FEW_FILES}
    const answers = await withFewFiles(6, () => { open("host:echo").close(); });
    console.log(JSON.stringify(answers));`;
  const answers = await run<unknown[][]>(source(copy, body), ["prlimit", "--nofile=100"]);
  // One for the file in memory, one for the loader, which opens it again.
  assert(checkFewFiles(answers) >= 2);
});

Deno.test(
  "Device.attach() and Channel.receive() without a free descriptor fail with too-many-" +
    "files",
  async () => {
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
    // The pages; the two ends of the pipe; the descriptor that the waiter sleeps in.
    assert(checkFewFiles(answers) >= 3, file);
  },
);

Deno.test("open() without a free descriptor for a library's file fails with too-many-files", async () => {
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

Deno.test("Device.attach() in a sandbox without files in memory names call and errno", async () => {
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

Deno.test("open() in all workers of a process uses one copy of the embedded library", async () => {
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

Deno.test("open() loads one copy per isolate where the loader finds no names (musl)", async () => {
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
  "open() of the embedded library, again and again, leaves one file open and no more",
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
