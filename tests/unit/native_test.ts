// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals } from "../../deps.ts";
import { loadNative, POLLIN, POLLOUT } from "../../src/library.ts";
import { patience } from "../lib/until.ts";

const EBADF = 9;
const ENOENT = 2;

const native = loadNative();
const libc = Deno.dlopen("libc.so.6", {
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
}).symbols;

function eventFile(): number {
  return libc.eventfd(0, 0o2004000);
}

function signal(fd: number): void {
  libc.write(fd, new BigUint64Array([1n]), 8n);
}

function pipe(): [number, number] {
  const fds = new Int32Array(2);
  assertEquals(native.kup_user_pipe(fds), 0);
  return [fds[0]!, fds[1]!];
}

/** Reads the ids that are in a pipe. Waits so many milliseconds for the first one. */
function readIds(fd: number, milliseconds = patience()): number[] {
  native.kup_user_wait(fd, POLLIN, milliseconds);
  const ids = new Int32Array(256);
  const bytes = Number(libc.read(fd, new Uint8Array(ids.buffer), 1024n));
  return [...ids.subarray(0, Math.max(bytes, 0) / 4)];
}

Deno.test("kup_user_waiter_arm() reports each event once, and none before it was called", () => {
  const [readEnd, writeEnd] = pipe();
  const fd = eventFile();
  const id = native.kup_user_waiter_add(fd, writeEnd);
  assert(id > 0);
  signal(fd);
  assertEquals(readIds(readEnd, 20), []);
  assertEquals(native.kup_user_waiter_arm(fd, id, POLLIN), 0);
  assertEquals(readIds(readEnd), [id]);
  assertEquals(readIds(readEnd, 20), []);
  assertEquals(native.kup_user_waiter_arm(fd, id, POLLIN | POLLOUT), 0);
  assertEquals(readIds(readEnd), [id]);
  assertEquals(native.kup_user_waiter_arm(fd, id, POLLIN), 0);
  assertEquals(native.kup_user_waiter_remove(fd, id), 0);
  readIds(readEnd, 20);
  signal(fd);
  assertEquals(readIds(readEnd, 20), []);
  assertEquals(native.kup_user_waiter_remove(fd, id), -ENOENT);
  assertEquals(native.kup_user_waiter_arm(fd, id, POLLIN), -ENOENT);
  for (const one of [fd, readEnd, writeEnd]) native.kup_user_close(one);
});

Deno.test("kup_user_waiter_add() does not give an id again at once", () => {
  const [readEnd, writeEnd] = pipe();
  const fd = eventFile();
  const ids = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const id = native.kup_user_waiter_add(fd, writeEnd);
    ids.add(id);
    native.kup_user_waiter_remove(fd, id);
  }
  assertEquals(ids.size, 100);
  for (const one of [fd, readEnd, writeEnd]) native.kup_user_close(one);
});

Deno.test(
  "kup_user_waiter_arm() loses no event when the pipe is full, and does not delay other" +
    " pipes",
  () => {
    const [fullRead, fullWrite] = pipe();
    const [readEnd, writeEnd] = pipe();
    const filler = new Uint8Array(4096);
    while (libc.write(fullWrite, filler, 4096n) > 0n);
    const [slow, fast] = [eventFile(), eventFile()];
    const slowId = native.kup_user_waiter_add(slow, fullWrite);
    const fastId = native.kup_user_waiter_add(fast, writeEnd);
    signal(slow);
    signal(fast);
    native.kup_user_waiter_arm(slow, slowId, POLLIN);
    native.kup_user_waiter_arm(fast, fastId, POLLIN);
    assertEquals(readIds(readEnd), [fastId]);
    while (libc.read(fullRead, filler, 4096n) > 0n);
    assertEquals(readIds(fullRead), [slowId]);
    native.kup_user_waiter_remove(slow, slowId);
    native.kup_user_waiter_remove(fast, fastId);
    for (const fd of [slow, fast, fullRead, fullWrite, readEnd, writeEnd]) {
      native.kup_user_close(fd);
    }
  },
);

Deno.test("kup_user_open() and others return negative errno values", () => {
  assertEquals(native.kup_user_kick(-1), -EBADF);
  assertEquals(native.kup_user_close(-1), -EBADF);
  assertEquals(native.kup_user_waiter_add(-1, -1), -EBADF);
  assertEquals(native.kup_user_info(-1, new Uint8Array(256)), -EBADF);
  const path = new TextEncoder().encode("/dev/kup/there-is-none\0");
  assertEquals(native.kup_user_open(path), -ENOENT);
});

Deno.test("kup_user_map() that fails leaves nothing behind", () => {
  const fd = eventFile();
  const address = new BigUint64Array(1);
  assert(native.kup_user_map(fd, 4096, 4096, 4096, address) < 0);
  assertEquals(address[0], 0n);
  native.kup_user_close(fd);
});

Deno.test("kup_user_wait() on a file that was closed fails at once", () => {
  const fd = eventFile();
  native.kup_user_close(fd);
  assertEquals(native.kup_user_wait(fd, POLLIN, 10), -EBADF);
});

Deno.test("kup_user_wait() ends by its time-out or its event", () => {
  const fd = eventFile();
  const start = performance.now();
  assertEquals(native.kup_user_wait(fd, POLLIN, 10.5), 0);
  assert(performance.now() - start >= 10);
  assertEquals(native.kup_user_wait(fd, POLLIN, 0), 0);
  signal(fd);
  assertEquals(native.kup_user_wait(fd, POLLIN, -1), POLLIN);
  assertEquals(libc.read(fd, new Uint8Array(8), 8n), 8n);
  native.kup_user_close(fd);
});

Deno.test("kup_user_waiter_arm() wakes each worker by its own pipe", async () => {
  const code = `
    import { open } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
    using device = open("host:echo");
    using channel = await device.attach({ spin: 0 });
    for (let i = 0; i < 200; i++) {
      const received = channel.receive();
      setTimeout(() => channel.trySend("x" + i), 0);
      if ((await received)?.text() !== "x" + i) throw new Error("wrong message");
    }
    postMessage("done");
    close();`;
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  const workers = Array.from({ length: 4 }, () => new Worker(url, { type: "module" }));
  const answers = workers.map((worker) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
    })
  );
  assertEquals(await Promise.all(answers), ["done", "done", "done", "done"]);
});
