// SPDX-License-Identifier: BSD-3-Clause
/** What an error says when the environment of a program is wrong. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import { KupError, type KupErrorCode, open, unload } from "../../mod.ts";
import { ClientModules } from "../lib/client_modules.ts";
import { withEcho } from "../lib/echo_client.ts";
import { checkFewFiles, WITH_FEW_FILES } from "../lib/few_files.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { Sandbox } from "../lib/sandbox.ts";

const modules = new ClientModules();
const { folder } = modules;

const MODULE = JSON.stringify(new URL("../../mod.ts", import.meta.url));

function failure(body: () => unknown): KupError {
  return assertThrows(body, KupError);
}

/** The error of `open(path)` in a process that another command has prepared. */
async function failureIn(
  wrapper: readonly string[],
  path: string,
): Promise<[string, number, string]> {
  const script = `
    import { open } from ${MODULE};
    try {
      open(${JSON.stringify(path)});
    } catch (error) {
      console.log(JSON.stringify([error.code, error.errno, error.message]));
    }`;
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  return JSON.parse(
    await must([...wrapper, Deno.execPath(), "run", "-A", "--no-config", "--no-check", url]),
  );
}

Deno.test("open() of a path that leads to no device explains what is wrong with the path", async () => {
  await Deno.symlink("circle", `${folder}/circle`);
  const cases: readonly (readonly [string, KupErrorCode, number, string])[] = [
    [`/dev/${"x".repeat(300)}`, "not-found", 36, "The path is too long."],
    [`/${"x/".repeat(3000)}`, "not-found", 36, "The path is too long."],
    [
      `${folder}/circle`,
      "not-found",
      40,
      "The path has too many symbolic links, or they lead in a circle.",
    ],
    ["/dev/null/kup", "not-found", 20, "A part of the path is not a directory."],
    [
      "/dev/there-is-none",
      "not-found",
      2,
      "There is no such device; load the module that makes it.",
    ],
    [folder, "not-a-device", 21, "This is a directory, not a KUP device."],
    ["/dev/null", "not-a-device", 25, "This file is not a KUP device."],
  ];
  for (const [path, code, errno, sentence] of cases) {
    const error = failure(() => open(path));
    assertEquals(error.message, `${path}: ${sentence}`);
    assertEquals([error.code, error.errno], [code, errno]);
  }
});

Deno.test("open() of a program that is running reports that it is no device", async () => {
  const program = `${folder}/sleep`;
  await Deno.copyFile((await must(["sh", "-c", "command -v sleep"])).trim(), program);
  await Deno.chmod(program, 0o755);
  await using running = new Deno.Command(program, { args: ["1000"] }).spawn();
  const error = failure(() => open(program));
  running.kill("SIGKILL");
  assertEquals(error.message, `${program}: This is a program that is running, not a KUP device.`);
  assertEquals([error.code, error.errno], ["not-a-device", 26]);
});

Deno.test("open() of /dev/tty without a terminal names both possible reasons", async () => {
  const [code, errno, message] = await failureIn(["setsid", "--wait"], "/dev/tty");
  assertEquals([code, errno], ["not-found", 6]);
  assertEquals(
    message,
    "/dev/tty: No device answers here now: it is being destroyed, or the file is not a KUP device.",
  );
});

Deno.test("open() explains or names other errors of the system", async () => {
  await using sandbox = await Sandbox.build();
  const cases: readonly (readonly [number, KupErrorCode, string])[] = [
    [1, "not-permitted", "its container or sandbox has to allow it"],
    [13, "not-permitted", "see the owner and mode of it"],
    [23, "too-many-files", "The system has reached its limit of open files"],
    [24, "too-many-files", "ulimit -n"],
    [30, "not-a-device", "read-only file system"],
    [5, "system", "The system refused: open failed with EIO (5)."],
    [123, "system", "open failed with ENOMEDIUM (123)."],
    [4000, "system", "open failed with errno 4000."],
  ];
  for (const [errno, code, told] of cases) {
    const answer = await failureIn(sandbox.withoutDevices(errno), "/dev/null");
    assertEquals(answer.slice(0, 2), [code, errno], answer[2]);
    assertStringIncludes(answer[2], told);
  }
});

Deno.test("open() without a free descriptor fails with too-many-files for every path", async () => {
  const client = await modules.build("upper");
  const script = `
    import { open } from ${MODULE};
    ${WITH_FEW_FILES}
    open("host:echo").close();
    const notKup = () => {
      try { open("/dev/null"); } catch (error) { if (error.code !== "not-a-device") throw error; }
    };
    const devices = await withFewFiles(3, notKup);
    const clients = await withFewFiles(3, () => open("${client}").close());
    console.log(JSON.stringify([devices, clients]));`;
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const command = [Deno.execPath(), "run", "-A", "--no-config", "--no-check", url];
  const answers = JSON.parse(await must(["prlimit", "--nofile=100", ...command]));
  for (const one of answers) checkFewFiles(one);
});

Deno.test(
  "Device.attach() with `wait: false` reports whether one channel or all of them are " +
    "taken",
  async () => {
    await withEcho({ channels: 2 }, async (device) => {
      using _second = await device.attach({ channel: 1 });
      const one = await assertRejects(() => device.attach({ channel: 1, wait: false }), KupError);
      assertEquals([one.code, one.errno], ["busy", 16]);
      assertStringIncludes(one.message, "host:echo: Channel 1 is taken");
      using _first = await device.attach();
      const all = await assertRejects(() => device.attach({ wait: false }), KupError);
      assertEquals([all.code, all.errno], ["busy", 16]);
      assertStringIncludes(all.message, "host:echo: All 2 channels are taken");
    });
    await withEcho({ channels: 1 }, async (device) => {
      using _only = await device.attach();
      const only = await assertRejects(() => device.attach({ wait: false }), KupError);
      assertStringIncludes(only.message, "The only channel is taken");
    });
  },
);

Deno.test("Device.attach() names the errno that the kernel client refused it with", async () => {
  const refusals: readonly (readonly [number, KupErrorCode, string])[] = [
    [13, "refused", "The kernel client refused the channel: its attach returned -EACCES (13)."],
    [61, "refused", "its attach returned -ENODATA (61)."],
    [524, "refused", "its attach returned -ENOTSUPP (524)."],
    [4000, "refused", "its attach returned -4000."],
    [16, "busy", "A channel is free, and yet ATTACH failed with EBUSY (16)"],
  ];
  for (const [refuse, code, told] of refusals) {
    await withEcho({ refuse }, async (device) => {
      const error = await assertRejects(() => device.attach({ wait: false }), KupError);
      assertEquals([error.code, error.errno], [code, refuse]);
      assertStringIncludes(error.message, told);
    });
  }
});

/** Builds a shared object of these functions, which return these numbers. */
async function library(name: string, functions: Readonly<Record<string, number>>): Promise<string> {
  const source = `${folder}/${name}.c`;
  const lines = Object.entries(functions).map(([symbol, value]) =>
    `int ${symbol}(void) { return ${value}; }`
  );
  await Deno.writeTextFile(source, lines.join("\n"));
  const file = `${folder}/${name}.so`;
  await must(["cc", "-shared", "-fPIC", "-o", file, source]);
  return file;
}

Deno.test("open() with another program's library reports that it is not KUP's", async () => {
  const { os, arch } = Deno.build;
  const real = Deno.dlopen(`${ROOT}/native/build/libkup-${os}-${arch}.so`, {
    kup_user_abi_version: { parameters: [], result: "i32" },
    kup_user_interface: { parameters: [], result: "i32" },
  });
  const abi = real.symbols.kup_user_abi_version();
  const version = real.symbols.kup_user_interface();
  real.close();
  const cases: readonly (readonly [string, string])[] = [
    [
      await library("foreign", { other: 1 }),
      "is not KUP's native library (no symbol kup_user_interface)",
    ],
    ["libc.so.6", "is not KUP's native library (no symbol kup_user_interface)"],
    [
      await library("older", { kup_user_abi_version: abi, kup_user_interface: version - 1 }),
      `is of another version (ABI ${abi}, interface ${version - 1}; wanted ${abi} and ${version})`,
    ],
    [
      await library("partial", { kup_user_abi_version: abi, kup_user_interface: version }),
      "lacks a symbol of its own version",
    ],
    [`${folder}/missing.so`, "can't be loaded"],
    [`${ROOT}/README.md`, "can't be loaded"],
  ];
  for (const [file, told] of cases) {
    const error = failure(() => open("host:echo", { library: file }));
    assertEquals(error.code, "library", error.message);
    assertStringIncludes(error.message, told);
    assertStringIncludes(error.message, file);
  }
});

/** How often a text occurs in another one. */
function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

Deno.test("open() and unload() name a client module's file once in an error", async () => {
  const [wrong, old, stranger, missing] = await Promise.all(
    ["wrong", "old", "stranger", "undefined"].map((name) => modules.build(name)),
  );
  await Deno.writeTextFile(`${folder}/text.so`, "This is no library.");
  await Deno.mkdir(`${folder}/folder.so`);
  await must(["mkfifo", `${folder}/pipe.so`]);
  // Another name than the one that the driver has for it.
  await Deno.symlink(wrong!.slice("host:".length), `${folder}/linked.so`);
  const linked = `host:${folder}/linked.so`;
  const calls: readonly (readonly [string, () => unknown])[] = [
    [`host:${folder}/none.so`, () => open(`host:${folder}/none.so`)],
    [`host:${folder}/none.so/x.so`, () => open(`host:${folder}/none.so/x.so`)],
    [`host:/dev/null/x.so`, () => open(`host:/dev/null/x.so`)],
    [`host:${folder}/none.so`, () => unload(`host:${folder}/none.so`)],
    [`host:${folder}/text.so`, () => open(`host:${folder}/text.so`)],
    [`host:${folder}/folder.so`, () => open(`host:${folder}/folder.so`)],
    [`host:${folder}/pipe.so`, () => open(`host:${folder}/pipe.so`)],
    [old!, () => open(old!)],
    [stranger!, () => open(stranger!)],
    [missing!, () => open(missing!)],
    [linked, () => unload(linked)],
    [linked, () => open(linked, { parameters: { nonsense: 1 } })],
    [linked, () => open(linked, { parameters: { channels: "many" } })],
    [linked, () => open(linked, { parameters: { channels: 2 ** 32 } })],
    [linked, () => open(linked, { parameters: { channels: 2000 } })],
    [linked, () => open(linked, { parameters: { error: 5 } })],
    [linked, () => open(linked, { parameters: { positive: 5 } })],
    [linked, () => open(linked, { parameters: { how: "go_on", channels: 2000 } })],
    [linked, () => open(linked, { parameters: {} })],
    ["host:no-such-client", () => open("host:no-such-client")],
    ["host:no-such-client", () => unload("host:no-such-client")],
    ["host:other/echo", () => unload("host:other/echo")],
    ["host:", () => open("host:")],
  ];
  for (const [path, call] of calls) {
    const { message } = assertThrows(call, KupError, undefined, `${path}: ${call}`);
    assert(message.startsWith(`${path}: `), message);
    assertMatch(message, /[.)]$/, "a sentence");
    if (path.endsWith(".so")) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      assertEquals(count(message, name), 1, message);
      assertEquals(count(message, folder), path.includes(folder) ? 1 : 0, message);
    } else {
      assertEquals(count(message, path), 1, message);
    }
  }
  unload(linked);
  // The module stays, in memory and by its device's name.
  open(linked, { parameters: { how: "leave", name: "mine/left" } }).close();
  const { message } = failure(() => unload(linked));
  assertStringIncludes(message, "left a device behind");
  assertEquals(count(message, "linked.so") + count(message, "wrong0.so"), 1, message);
});
