// SPDX-License-Identifier: BSD-3-Clause
/**
 * An attach that fails, or a wait that can't begin, leaves no descriptor, no mapping and no channel
 * behind.
 */

import { assert, assertEquals, assertRejects } from "../../deps.ts";
import { type Device, KupError, open, unload } from "../../mod.ts";
import { OpenDevice } from "../../src/device.ts";
import { loadNative, type Native } from "../../src/library.ts";
import { countDescriptors } from "../conformance/lib/watched.ts";
import { allFree, until } from "../conformance/lib/script.ts";

const FAILURES = 100;
/**
 * What the engine and Deno map and open by themselves during a test; a leak adds one for each
 * failure.
 */
const TOLERANCE = FAILURES / 2;
const PATH = "host:echo";

/** One ring of these sizes is far larger than what Deno allocates during the test. */
const LARGE_PAGES = 4096;

const libc = Deno.dlopen("libc.so.6", {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
}).symbols;
const RLIMIT_NOFILE = 7;
const RLIMIT_AS = 9;

/** The highest of several free places: no other file uses a place that was not given back. */
function hostFiles(): number {
  const path = new TextEncoder().encode(`${PATH}\0`);
  const files = Array.from({ length: 40 }, () => native.kup_user_open(path));
  for (const file of files) native.kup_user_close(file);
  return Math.max(...files.map((file) => file & 0xffff));
}

interface Counts {
  readonly hostFiles: number;
  readonly descriptors: number;
  readonly mappings: number;
}

function counts(): Counts {
  return {
    hostFiles: hostFiles(),
    descriptors: countDescriptors("/proc/self"),
    mappings: Deno.readTextFileSync("/proc/self/maps").split("\n").length,
  };
}

/** Runs `body` under a lower soft limit. */
async function limited(resource: number, limit: bigint, body: () => Promise<void>): Promise<void> {
  const before = new BigUint64Array(2);
  libc.getrlimit(resource, before);
  assertEquals(libc.setrlimit(resource, new BigUint64Array([limit, before[1]!])), 0);
  try {
    await body();
  } finally {
    libc.setrlimit(resource, before);
  }
}

/** Lets `fail` reject again and again, and compares the counts before and after. */
async function leavesNothing(device: Device, fail: () => Promise<unknown>): Promise<void> {
  await allFree(device);
  // A range of addresses is used again only after this many others.
  for (let i = 0; i < 100; i++) (await device.attach()).close();
  await allFree(device);
  await fail();
  const before = counts();
  for (let i = 0; i < FAILURES; i++) await fail();
  await allFree(device);
  // Sockets that were destroyed are closed soon.
  await until(() => counts().descriptors <= before.descriptors + 2, "descriptors are closed");
  // A kernel thread unmaps its pages after its channel is free.
  await until(() => counts().mappings < before.mappings + TOLERANCE, "mappings are gone");
  checkLeft(before);
  // And attach() still works.
  using channel = await device.attach();
  await channel.send("x");
  assertEquals((await channel.receive())?.text(), "x");
}

function checkLeft(before: Counts): void {
  const after = counts();
  assert(
    after.mappings < before.mappings + TOLERANCE && after.hostFiles < before.hostFiles + TOLERANCE,
    JSON.stringify({ before, after }),
  );
}

async function failsWith(code: string, promise: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => promise, KupError);
  assertEquals(error.code, code, error.message);
}

/** Loaded before any test: a copy of its calls would not show that the device has released them. */
const native = loadNative();

/** The real calls, except some. */
function deviceWith(changes: (native: Native) => Partial<Native>): OpenDevice {
  return new OpenDevice({ ...native, ...changes(native) }, PATH);
}

Deno.test("Device.attach() leaves nothing behind when every channel is taken", async () => {
  using device = open(PATH);
  await leavesNothing(device, async () => {
    using stack = new DisposableStack();
    if (device.info().channelsFree < 8) await allFree(device);
    for (let i = 0; i < 8; i++) stack.use(await device.attach());
    for (let i = 0; i < 20; i++) await failsWith("busy", device.attach({ wait: false }));
  });
});

Deno.test("Device.attach() names in its error how many channels this process holds", async () => {
  using device = open(PATH);
  await allFree(device);
  using _first = await device.attach({ channel: 2 });
  using other = open(PATH);
  const one = await assertRejects(() => other.attach({ channel: 2, wait: false }), KupError);
  assert(one.message.includes("Channel 2 is taken (this process holds 1 of its 8 channels)"));
  using stack = new DisposableStack();
  for (let i = 0; i < 7; i++) stack.use(await device.attach());
  const all = await assertRejects(() => other.attach({ wait: false }), KupError);
  assert(all.message.includes("All 8 channels are taken (this process holds 8 of its 8 channels)"));
  assertEquals([one.errno, all.errno], [16, 16]);
});

Deno.test("Device.attach() leaves nothing behind when it is aborted, at any step", async () => {
  using device = open(PATH);
  const reason = new Error("enough");
  let step = 0;
  await leavesNothing(device, async () => {
    using _taken = await device.attach({ channel: 3 });
    const abort = new AbortController();
    if (step % 5 === 0) abort.abort(reason);
    const attach = device.attach({ channel: 3, signal: abort.signal }).catch((error) => error);
    for (let i = 0; i < step % 5; i++) await undefined;
    if (step % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    abort.abort(reason);
    assertEquals(await attach, reason);
    step++;
  });
});

Deno.test("Device.attach() leaves nothing behind when the device is closed while it waits", async () => {
  using device = open(PATH);
  let step = 0;
  await leavesNothing(device, async () => {
    using _taken = await device.attach({ channel: 3 });
    const other = open(PATH);
    const attaches = [other.attach({ channel: 3 }), other.attach({ channel: 3, wait: false })];
    for (let i = 0; i < step % 5; i++) await undefined;
    other.close();
    for (
      const { status, reason } of (await Promise.allSettled(attaches)) as PromiseRejectedResult[]
    ) {
      assertEquals(status, "rejected");
      assert(["closed", "busy"].includes(reason.code), String(reason));
    }
    step++;
  });
});

Deno.test("Device.attach() leaves nothing behind when the client refuses", async () => {
  unload(PATH);
  open(PATH, { parameters: { refuse: 13 } }).close();
  try {
    using device = open(PATH);
    const before = counts();
    for (let i = 0; i < FAILURES; i++) await failsWith("refused", device.attach());
    await allFree(device);
    await until(() => counts().descriptors <= before.descriptors + 2, "descriptors are closed");
    checkLeft(before);
  } finally {
    unload(PATH);
    open(PATH).close();
  }
});

Deno.test("Device.attach() leaves nothing behind when the buffers are refused", async () => {
  using device = open(PATH);
  const { getArrayBuffer } = Deno.UnsafePointerView;
  let calls = 0;
  await leavesNothing(device, async () => {
    // The first or the second buffer.
    Deno.UnsafePointerView.getArrayBuffer = (...all: Parameters<typeof getArrayBuffer>) => {
      if (++calls % 3 > 0) throw new Error("refused");
      return getArrayBuffer(...all);
    };
    try {
      await assertRejects(() => device.attach(), Error, "refused");
    } finally {
      Deno.UnsafePointerView.getArrayBuffer = getArrayBuffer;
    }
  });
});

Deno.test("Device.attach() leaves nothing behind when the kernel page makes no sense", async () => {
  using device = open(PATH);
  using wrong = deviceWith((native) => ({
    kup_user_map: (fd, page, toUser, toKernel, address) => {
      const result = native.kup_user_map(fd, page, toUser, toKernel, address);
      const [base] = address as BigUint64Array<ArrayBuffer>;
      // Zeros are no valid kernel page.
      native.kup_user_unmap(base!, BigInt(2 * (page + toUser + toKernel)));
      return result;
    },
  }));
  await leavesNothing(device, () => failsWith("abi-mismatch", wrong.attach()));
});

/** Attaches with only so many more bytes of addresses. Returns whether that has failed. */
async function failsWithin(device: Device, bytes: bigint): Promise<boolean> {
  const status = await Deno.readTextFile("/proc/self/status");
  const [, kilobytes] = status.match(/VmSize:\s+(\d+)/)!;
  let failed = false;
  await limited(RLIMIT_AS, BigInt(kilobytes!) * 1024n + bytes, async () => {
    try {
      (await device.attach()).close();
    } catch (error) {
      assertEquals((error as KupError).code, "out-of-memory", String(error));
      failed = true;
    }
  });
  return failed;
}

Deno.test("Device.attach() leaves nothing behind without address space", async () => {
  unload(PATH);
  const parameters = { "to_user_pages": LARGE_PAGES, "to_kernel_pages": LARGE_PAGES };
  open(PATH, { parameters }).close();
  try {
    using device = open(PATH);
    // It attaches if the engine has given addresses back since they were counted.
    await leavesNothing(
      device,
      () => until(() => failsWithin(device, 0x100_0000n), "no addresses"),
    );
  } finally {
    unload(PATH);
    open(PATH).close();
  }
});

Deno.test("Device.attach() and receive() leave nothing behind without descriptors", async () => {
  using device = open(PATH);
  using waiting = await device.attach({ spin: 0 });
  // The lowest number that is free.
  const limit = libc.open(new TextEncoder().encode("/dev/null\0"), 0);
  libc.close(limit);
  const before = countAll();
  for (let i = 0; i < FAILURES; i++) {
    await limited(RLIMIT_NOFILE, BigInt(limit), async () => {
      const error = await assertRejects(() => device.attach(), KupError);
      assert(["too-many-files", "out-of-memory"].includes(error.code), error.message);
      await failsWith("too-many-files", waiting.receive());
    });
  }
  assertEquals(countAll(), before);
  await waiting.send("x");
  assertEquals((await waiting.receive())?.text(), "x");
});

function countAll(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("Channel.receive() leaves nothing behind where a pipe can't be watched", async () => {
  using device = open(PATH);
  const file = new TextEncoder().encode("/proc/self/maps\0");
  using unwatched = deviceWith(() => ({
    // node:net refuses ordinary files.
    kup_user_pipe: (fds) => {
      (fds as Int32Array<ArrayBuffer>).set([libc.open(file, 0), libc.open(file, 0)]);
      return 0;
    },
  }));
  const before = countAll();
  await leavesNothing(device, async () => {
    // An attach that has to wait would fail itself.
    await allFree(device);
    using channel = await unwatched.attach({ spin: 0 });
    await failsWith("system", channel.receive());
  });
  await until(() => countAll() <= before + 2, "descriptors are closed");
});

Deno.test("Device.attach() leaves nothing behind when the driver's memory runs out", async () => {
  const program = `
    import { open } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const maps = () => Deno.readTextFileSync("/proc/self/maps").split("\\n").length;
    const files = () => [...Deno.readDirSync("/proc/self/fd")].length;
    let device;
    while (device === undefined) try { device = open("host:echo"); } catch { /* Again. */ }
    const attach = async () => {
      try { (await device.attach({ wait: false })).close(); return true; } catch (error) {
        if (!["out-of-memory", "busy"].includes(error.code)) throw error;
        return false;
      }
    };
    for (let i = 0; i < 200; i++) await attach();
    const before = [maps(), files()];
    let failed = 0;
    while (failed < ${FAILURES}) if (!await attach()) failed++;
    while (device.info().channelsFree < 8) await new Promise((resolve) => setTimeout(resolve, 5));
    const after = [maps(), files()];
    console.log(after[0] - before[0] < ${TOLERANCE} && after[1] - before[1] <= 2, before, after);`;
  const { stdout, stderr, code, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `data:text/javascript,${encodeURIComponent(program)}`],
    env: { KUP_HOST_FAILURES: "4:7" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("true"), `${text} ${code} ${signal} ${new TextDecoder().decode(stderr)}`);
});
