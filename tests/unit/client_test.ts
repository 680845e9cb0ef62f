// SPDX-License-Identifier: BSD-3-Clause
/** Client modules of the host driver: built as in docs/host-driver.md, loaded, used, unloaded. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../deps.ts";
import { KupError, open, unload } from "../../mod.ts";
import { ClientModules } from "../lib/client_modules.ts";
import { patience } from "../lib/until.ts";

const modules = new ClientModules();
const { folder } = modules;
const build = modules.build.bind(modules);

const upper = await build("upper");
const careless = await build("careless");
const two = await build("two");

function failure(body: () => unknown): KupError {
  return assertThrows(body, KupError);
}

Deno.test("open() loads a client module, which then serves", async () => {
  {
    using device = open(upper);
    assertEquals([device.name, device.channels], ["upper", 2]);
    using first = await device.attach();
    using second = await device.attach();
    await first.send("hello", { type: 5 });
    second.sendSync("you");
    const message = await first.receive();
    assertEquals([message?.text(), message?.type], ["HELLO", 5]);
    assertEquals(second.receiveSync({ timeout: patience() })?.text(), "YOU");
  }
  // The module stays: its counts are unchanged, and its device has a name of its own.
  {
    using device = open("host:upper");
    assertEquals(device.info().attaches, 2);
  }
  unload(upper);
  assertEquals(failure(() => open("host:upper")).code, "not-found");
});

Deno.test("open() sets parameters when it loads a module, and only then", async () => {
  {
    using device = open(upper, { parameters: { channels: 5, name: "large/letters", add: 0x10 } });
    assertEquals([device.name, device.channels], ["large/letters", 5]);
    using channel = await device.attach();
    channel.sendSync("x", { type: 1 });
    assertEquals(channel.receiveSync({ timeout: patience() })?.type, 0x11);
    const error = failure(() => open(upper, { parameters: { channels: 1 } }));
    assertEquals([error.code, error.errno], ["busy", 17]);
    using again = open(upper);
    assertEquals(again.channels, 5);
  }
  unload(upper);
  using device = open(upper);
  assertEquals([device.name, device.channels], ["upper", 2], "the defaults are back");
  unload(upper);
});

Deno.test("open() refuses parameters that a module does not have, or values that it can't have", () => {
  for (
    const [parameters, told, errno] of [
      [{ chanels: 2 }, 'no parameter "chanels"', 22],
      [{ channels: "many" }, 'not "many"', 22],
      [{ channels: -1 }, 'not "-1"', 22],
      [{ channels: 2 ** 32 }, "below 2^32", 34],
      [{ channels: 1.5 }, 'not "1.5"', 22],
    ] as [Record<string, string | number>, string, number][]
  ) {
    const error = failure(() => open(upper, { parameters }));
    assertEquals([error.code, error.errno], ["refused", errno]);
    assertStringIncludes(error.message, told);
  }
  for (const parameters of [{ "a b": 1 }, { name: "a b" }, { "": 1 }, { "x=y": 1 }]) {
    assertThrows(() => open(upper, { parameters }), TypeError);
  }
  assertThrows(() => open("/dev/null", { parameters: {} }), TypeError);
  assertEquals(failure(() => unload(upper)).code, "not-found", "nothing was loaded");
});

Deno.test("unload() finds a module by all spellings of its path", () => {
  const spelling = upper.replace("host:/", "host:/./");
  using device = open(upper);
  using other = open(spelling);
  assertEquals(other.channels, device.channels);
  unload(spelling);
  assertEquals(failure(() => device.info()).code, "gone");
  assertEquals(failure(() => unload(upper)).code, "not-found");
});

Deno.test("unload() unloads a module whose file is gone", async () => {
  const gone = await build("upper", "-DGONE");
  open(gone).close();
  await Deno.remove(gone.slice("host:".length));
  assertEquals(failure(() => open(gone)).code, "not-found");
  unload(gone);
  assertEquals(failure(() => unload(gone)).code, "not-found");
  using _again = open(upper);
  unload(upper);
});

Deno.test("open() by a module's path opens its first device, and the others by their names", () => {
  {
    using first = open(two);
    using second = open("host:two/second");
    assertEquals([first.name, second.name], ["two/first", "two/second"]);
    assertEquals([first.channels, second.channels], [1, 3]);
  }
  unload(two);
  assertEquals(failure(() => open("host:two/second")).code, "not-found");
});

Deno.test("open() refuses what is no client module, with the reason", async () => {
  const cases: [string, string, string][] = [
    ["host:./missing.so", "not-found", "No such file"],
    [await build("stranger"), "not-a-device", "KUP_MODULE"],
    [await build("undefined"), "not-a-device", "kup_does_not_exist"],
    [await build("old"), "not-a-device", "version 99"],
    [`host:${folder}`, "not-found", ".so"],
    ["host:", "not-found", "No device"],
    ["host:nothing", "not-found", "No device"],
  ];
  await Deno.writeTextFile(`${folder}/text.so`, "no program at all\n");
  cases.push([`host:${folder}/text.so`, "not-a-device", "text.so"]);
  for (const [path, code, told] of cases) {
    const error = failure(() => open(path));
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, told);
  }
});

Deno.test("open() can load a module later that failed to load before", () => {
  const error = failure(() => open(careless, { parameters: { fault: "refuse" } }));
  assertEquals([error.code, error.errno], ["refused", 19]);
  assertStringIncludes(error.message, "its load returned -ENODEV (19)");
  assertEquals(failure(() => open(careless, { parameters: { fault: "positive" } })).errno, 22);
  using device = open(careless);
  assertEquals(device.channels, 1);
  unload(careless);
});

Deno.test("open() reports a module without a device, which unload() can unload", () => {
  const error = failure(() => open(careless, { parameters: { fault: "nothing" } }));
  assertEquals(error.code, "not-found");
  assertStringIncludes(error.message, "has made no device");
  unload(careless);
});

Deno.test("open() opens a module's device also when a thread makes it", async () => {
  const busybody = await build("busybody");
  for (let round = 0; round < 3; round++) {
    {
      using device = open(busybody);
      assertEquals(device.name, "busybody");
      using channel = await device.attach();
      assertEquals((await channel.receive())?.text(), "made by a thread");
    }
    unload(busybody);
  }
});

Deno.test("open() refuses a second module whose device's name is taken", async () => {
  const copy = await build("upper", "-DCOPY");
  using _device = open(upper);
  const error = failure(() => open(copy));
  assertEquals([error.code, error.errno], ["busy", 17]);
  unload(upper);
});

Deno.test("unload() of a module in use ends its channels, and does not wait for a close", async () => {
  const device = open(upper);
  const channel = await device.attach();
  await channel.send("last");
  assertEquals((await channel.receive())?.text(), "LAST");
  const waiting = channel.receive();
  unload(upper);
  assertEquals(await waiting, undefined, "a clean end");
  assertEquals(failure(() => channel.trySend("more")).code, "closed");
  channel.close();
  device.close();
});

Deno.test("unload() keeps a module in memory that leaves a device behind, and reports it", () => {
  // The last test that uses this module, which can't be unloaded any more.
  using device = open(careless, { parameters: { fault: "leave" } });
  for (let i = 0; i < 2; i++) {
    const error = failure(() => unload(careless));
    assertEquals([error.code, error.errno], ["busy", 16]);
    assertStringIncludes(error.message, "left a device behind");
  }
  assertEquals(device.info().channelsFree, 1);
});

Deno.test("unload() refuses all but modules of the host driver", () => {
  for (const path of ["/dev/kup/echo", "echo", "", "host:a\0b"]) {
    assertThrows(() => unload(path), TypeError);
  }
  assertEquals(failure(() => unload("host:nothing")).code, "not-found");
});

Deno.test("open() of a client module with AddressSanitizer, as in docs/host-driver.md, finds an overflow", async () => {
  const path = await build("overflow", "-fsanitize=address");
  const { stdout } = await new Deno.Command("cc", { args: ["-print-file-name=libasan.so"] })
    .output();
  const run = (text: string) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-check",
        `import { open } from "${new URL("../../mod.ts", import.meta.url).href}";
         using device = open("${path}");
         using channel = await device.attach();
         await channel.send("${text}");
         await channel.receive();`,
      ],
      env: {
        LD_PRELOAD: new TextDecoder().decode(stdout).trim(),
        ASAN_OPTIONS: "detect_leaks=0",
      },
    }).output();
  const good = await run("12345678");
  assertEquals(good.code, 0, new TextDecoder().decode(good.stderr));
  const bad = await run("123456789");
  assert(bad.code !== 0);
  assertStringIncludes(new TextDecoder().decode(bad.stderr), "heap-buffer-overflow");
});

Deno.test("kup_free() under a spinlock is a mistake, but not with at most KUP_SMALL bytes", async () => {
  const path = await build("frees");
  const run = async (bytes: number) => {
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-check",
        `import { open } from "${new URL("../../mod.ts", import.meta.url).href}";
         open("${path}", { parameters: { bytes: ${bytes} } });`,
      ],
    }).output();
    return new TextDecoder().decode(stderr);
  };
  const mistake = "kup_free may sleep, but this thread holds a kup_spinlock";
  const small = await run(4096);
  // The module's own refusal comes after the call.
  assertStringIncludes(small, "ENOTTY");
  assert(!small.includes(mistake), small);
  assertStringIncludes(await run(8192), mistake);
});
