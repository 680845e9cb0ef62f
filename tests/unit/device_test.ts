// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals, assertRejects, assertThrows } from "../../deps.ts";
import { KupError, type KupErrorCode, open, type RingBytes } from "../../mod.ts";
import { ENOENT, throwsWith } from "../conformance/lib/errors.ts";
import { withEcho } from "../lib/echo_client.ts";
import { patience, sleep, until } from "../lib/until.ts";
import { DrivenDevice } from "./driven.ts";
import { closePipeOf } from "./pipes.ts";

function codeOf(action: () => unknown): KupErrorCode | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof KupError) return error.code;
    throw error;
  }
}

function rejection(promise: Promise<unknown>): Promise<KupErrorCode | undefined> {
  return promise.then(() => undefined, (error) => {
    if (error instanceof KupError) return error.code;
    throw error;
  });
}

Deno.test("open() distinguishes a file that does not exist from one that is no device", () => {
  assertEquals(codeOf(() => open("/dev/kup/there-is-none")), "not-found");
  assertEquals(codeOf(() => open("/dev/null/below")), "not-found");
  assertEquals(codeOf(() => open("/dev/null")), "not-a-device");
  assertEquals(codeOf(() => open("/")), "not-a-device");
  assertThrows(() => open("/dev/\0null"), TypeError);
  assertThrows(() => open(""), TypeError);
});

Deno.test("open() fails with an errno and a sentence that says what to do", () => {
  const error = throwsWith("not-found", () => open("/dev/kup/there-is-none"), ENOENT);
  assertEquals(error.name, "KupError");
  assert(error.message.startsWith("/dev/kup/there-is-none: "), error.message);
  assert(error.message.includes("load the module"), error.message);
});

Deno.test("open() reports a native library that can't be loaded", () => {
  assertEquals(codeOf(() => open("/dev/null", { library: "/nowhere/lib.so" })), "library");
  assertEquals(codeOf(() => open("/dev/null", { library: "libc.so.6" })), "library");
});

Deno.test("open() without the permission for FFI names the permission", async () => {
  const program = `
    import { KupError, open } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
    try { open("/dev/null"); } catch (error) {
      console.log(error instanceof KupError && error.code, error.message.includes("--allow-ffi"));
    }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-config",
      `data:text/javascript,${encodeURIComponent(program)}`,
    ],
  }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), "no-ffi-permission true");
});

Deno.test("Device.info() and others describe the device", () => {
  using driven = new DrivenDevice({ channels: 3, ring: 8192 });
  using device = driven.open();
  assertEquals([device.name, device.path, device.channels, device.abiVersion], [
    "driven",
    driven.path,
    3,
    1,
  ]);
  const info = device.info();
  assertEquals(info.channelsFree, 3);
  assertEquals(info.ringBytes.toUser, 8192);
  assertEquals(info.mode, "stream");
  assertEquals(Object.hasOwn(info, "geometry"), false);
});

Deno.test("Device.attach() gives rings of the sizes that are asked for", () =>
  withEcho({ "max_to_user_pages": 128, channels: 1 }, async (device) => {
    const info = device.info();
    assertEquals(info.ringBytes, { toUser: 64 * 4096, toKernel: 32 * 4096 });
    assertEquals(info.maxRingBytes, { toUser: 128 * 4096, toKernel: 32 * 4096 });
    const sizes: [Partial<RingBytes> | undefined, number, number][] = [
      [undefined, 64, 32],
      [{}, 64, 32],
      [{ toUser: undefined!, toKernel: 4096 }, 64, 1],
      [{ toUser: 3, toKernel: 1 }, 1, 1],
      [{ toUser: 128 * 4096 }, 128, 32],
      [{ toUser: 64 * 4096 + 1, toKernel: 4097 }, 128, 2],
    ];
    for (const [ringBytes, toUser, toKernel] of sizes) {
      using channel = await device.attach(ringBytes === undefined ? {} : { ringBytes });
      assertEquals(channel.ringBytes, { toUser: toUser * 4096, toKernel: toKernel * 4096 });
      assertEquals(channel.maxMessage, toKernel * 4096 - 40);
      assertEquals(channel.maxReceive, toUser * 4096 - 40);
      await channel.send(new Uint8Array(Math.min(channel.maxMessage, channel.maxReceive)));
      assertEquals((await channel.receive())?.length, Math.min(toUser, toKernel) * 4096 - 40);
    }
  }));

Deno.test("Device.attach() names a ring size that is out of range, and the limits", async (t) => {
  using driven = new DrivenDevice({ ring: 8192 });
  using device = driven.open();
  for (const size of [0, -1, -0.5, 1.5, 8193, 2 ** 32, 2 ** 40, NaN, Infinity]) {
    for (const name of ["toUser", "toKernel"]) {
      await t.step(`${name}: ${size}`, async () => {
        await assertRejects(
          () => device.attach({ ringBytes: { [name]: size } }),
          RangeError,
          `\`ringBytes.${name}\` must be an integer from 1 to 8192, not ${size}.`,
        );
      });
    }
  }
  const wrong = { toUser: "4096" } as unknown as RingBytes;
  await assertRejects(() => device.attach({ ringBytes: wrong }), TypeError, "a number, not a str");
  const number = 4096 as unknown as RingBytes;
  await assertRejects(() => device.attach({ ringBytes: number }), TypeError, "must be an object");
  const nothing = null as unknown as RingBytes;
  await assertRejects(() => device.attach({ ringBytes: nothing }), TypeError, "must be an object");
  assertEquals(device.info().channelsFree, 1);
});

Deno.test("Device.attach() takes the channel that is asked for, or a free one", async () => {
  using driven = new DrivenDevice({ channels: 3 });
  using device = driven.open();
  using second = await device.attach({ channel: 1 });
  using first = await device.attach();
  await using third = await device.attach();
  assertEquals([first.number, second.number, third.number], [0, 1, 2]);
  assertEquals(await rejection(device.attach({ wait: false })), "busy");
  assertEquals(await rejection(device.attach({ wait: false, channel: 1 })), "busy");
  await assertRejects(() => device.attach({ channel: 3 }), RangeError);
  await assertRejects(() => device.attach({ spin: -1 }), RangeError);
  assertThrows(() => device.totals(3), RangeError);
});

Deno.test("Device.attach() waits until the channel is free", async () => {
  using driven = new DrivenDevice();
  using device = driven.open();
  const first = await device.attach();
  const second = device.attach();
  const third = device.attach({ channel: 0 });
  await until(() => driven.files === 4, "both attaches have files of their own");
  first.close();
  // Either attach may get the channel; the other one continues to wait.
  const winner = await Promise.race([second, third]);
  winner.close();
  (await second).close();
  (await third).close();
});

Deno.test("Device.attach() that waits ends by its signal or the device's close", async () => {
  using driven = new DrivenDevice();
  const device = driven.open();
  using channel = await device.attach();
  const controller = new AbortController();
  const aborted = device.attach({ signal: controller.signal });
  const closed = device.attach();
  await until(() => driven.files === 4, "both attaches have files of their own");
  controller.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
  await assertRejects(() => device.attach({ signal: AbortSignal.abort() }), DOMException);
  device.close();
  device.close();
  assertEquals(await rejection(closed), "closed");
  assertEquals(await rejection(device.attach()), "closed");
  assertEquals(codeOf(() => device.info()), "closed");
  assertEquals(device.closed, true);
  assert(channel.trySend("channels stay open"));
});

Deno.test("Device.close() ends an attach that looks again and again", async () => {
  using driven = new DrivenDevice({ hold: true });
  const device = driven.open();
  (await device.attach()).close();
  // The client still reads what the last user sent, so the attach waits for its end.
  assertEquals(device.totals(0).state, "draining");
  const attach = device.attach({ wait: false });
  await until(() => driven.files === 2, "the attach has a file of its own");
  device.close();
  assertEquals(await rejection(attach), "closed");
  assertEquals(driven.files, 0);
});

Deno.test("Channel.receive() fails when the waiter's pipe is closed, and may wait again", async () => {
  using driven = new DrivenDevice();
  using device = driven.open();
  using channel = await device.attach({ spin: 0 });
  const received = closePipeOf(() => channel.receive());
  assertEquals(await rejection(received), "system");
  const again = channel.receive();
  driven.side().send("here");
  assertEquals((await again)?.text(), "here");
});

Deno.test(
  "Device.attach() reuses addresses only after a while, and never for two channels",
  async () => {
    using driven = new DrivenDevice({ channels: 2, ring: 16384 });
    using device = driven.open();
    for (let i = 0; i < 200; i++) {
      using a = await device.attach();
      using b = await device.attach();
      a.trySend("a");
      b.trySend("b");
      assertEquals(driven.side(a.number).receive()?.text, "a");
      assertEquals(driven.side(b.number).receive()?.text, "b");
    }
  },
);

Deno.test("Channel.receive() waits on many channels at once", async () => {
  using driven = new DrivenDevice({ channels: 100 });
  using device = driven.open();
  using stack = new DisposableStack();
  const received: Promise<string | undefined>[] = [];
  for (let i = 0; i < 100; i++) {
    const channel = stack.use(await device.attach({ spin: 0 }));
    received.push(channel.receive().then((message) => message?.text()));
  }
  await sleep(0);
  for (let i = 99; i >= 0; i--) driven.side(i).send(`to ${i}`);
  assertEquals(await Promise.all(received), Array.from({ length: 100 }, (_, i) => `to ${i}`));
});

Deno.test("Device and Channel that wait for nothing let the process end", async () => {
  const program = `
    import { open } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
    const device = open("host:echo");
    const channel = await device.attach({ spin: 0 });
    const received = channel.receive();
    setTimeout(() => channel.trySend("x"), 5);
    await received;
    console.log("not closed, not waiting");`;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `data:text/javascript,${encodeURIComponent(program)}`],
    signal: AbortSignal.timeout(patience()),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout).trim(), "not closed, not waiting");
});
