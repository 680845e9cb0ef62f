// SPDX-License-Identifier: BSD-3-Clause
/** Paths: relative ones, URLs, unusual names, and those in which random calls have found errors. */

import { assertEquals, assertStringIncludes, assertThrows } from "../../deps.ts";
import { KupError, open, unload } from "../../mod.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

/** Builds a client module, which may have any name. */
async function build(file: string): Promise<void> {
  await must([
    ...["cc", "-shared", "-fPIC", `-I${ROOT}/kmod`, `-I${ROOT}/kmod/os/host`, "-o", file],
    `${ROOT}/tests/unit/clients/upper.c`,
  ]);
}

/** Runs a script that begins in a folder. */
async function runIn(cwd: string, script: string, allow = "--allow-ffi"): Promise<string[]> {
  const module = JSON.stringify(`file://${ROOT}/mod.ts`);
  const source = `import { KupError, open, unload } from ${module};
    const failure = (call) => { try { call(); } catch (error) { return error; } };
    ${script}`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const command = [Deno.execPath(), "run", "--no-prompt", "--no-config", allow, url];
  return (await must(command, { cwd })).trim().split("\n");
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "kup-paths-" }));
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Device.attach() and unload() use the meaning that a relative path had at open()", () =>
  inFolder(async (folder) => {
    await build(`${folder}/client.so`);
    const lines = await runIn(
      folder,
      `for (const path of ["host:./client.so", "host:client.so", "host:.//./client.so"]) {
         using device = open(path);
         Deno.chdir("/");
         using channel = await device.attach();
         await channel.send("hello");
         console.log(device.path, (await channel.receive()).text());
         Deno.chdir(${JSON.stringify(folder)});
       }
       Deno.chdir("/");
       unload("host:./client.so");
       const error = failure(() => unload("host:other.so"));
       console.log(error.code, error.message.includes("host:/other.so"));
       open(${JSON.stringify(`host:${folder}/client.so`)}).close();
       unload(${JSON.stringify(`host:${folder}/client.so`)});
       Deno.chdir("/dev");
       console.log(failure(() => open("null")).message);
       Deno.chdir("/");
       console.log(failure(() => open("./dev/null")).message);`,
      "-A",
    );
    const client = `host:${folder}/client.so HELLO`;
    const device = "/dev/null: This file is not a KUP device.";
    assertEquals(lines, [client, client, client, "not-found true", device, device]);
  }));

Deno.test("unload() uses the meaning that a relative path had at waitForDevice()", () =>
  inFolder(async (folder) => {
    await build(`${folder}/client.so`);
    const script = `
      const { waitForDevice } = await import(${JSON.stringify(`file://${ROOT}/mod.ts`)});
      (await waitForDevice("host:client.so")).close();
      Deno.chdir("/");
      unload("host:client.so");
      console.log("ok");`;
    assertEquals(await runIn(folder, script, "-A"), ["ok"]);
  }));

Deno.test("open() and unload() of a relative path need no permission to read", () =>
  inFolder(async (folder) => {
    await build(`${folder}/client.so`);
    const script = `open("host:client.so").close(); unload("host:client.so"); console.log("ok");`;
    assertEquals(await runIn(folder, script), ["ok"]);
  }));

Deno.test("open() of a relative path in a folder that is gone is not found", () =>
  inFolder(async (folder) => {
    const script = `
      Deno.removeSync(Deno.cwd());
      for (const path of ["host:./client.so", "client"]) {
        console.log(failure(() => open(path)).code);
      }`;
    await Deno.mkdir(`${folder}/gone`);
    assertEquals(await runIn(`${folder}/gone`, script, "-A"), [
      "not-found",
      "not-found",
    ]);
  }));

Deno.test("open() takes paths with blanks and letters of any language, and their URLs", () =>
  inFolder(async (folder) => {
    const parent = `${folder}/a b \u00e9`;
    await Deno.mkdir(parent);
    for (const name of ["\u65e5 \u672c.so", "100%.so", "%41.so", "a#b?c.so", "a'b\"c.so"]) {
      const path = `${parent}/${name}`;
      await build(path);
      const url = new URL(`file://${parent}`);
      url.pathname += `/${encodeURIComponent(name)}`;
      for (const spelling of [`host:${path}`, `host:${url}`]) {
        using device = open(spelling);
        assertEquals(device.path, `host:${path}`);
        using channel = await device.attach();
        await channel.send(name);
        assertEquals((await channel.receive())?.text().length, name.length);
      }
      unload(`host:${url}`);
    }
  }));

Deno.test("open() accepts the URL of a device's file", () => {
  for (const url of ["file:///dev/null", "file:///dev/%6eull", "file:/dev/../dev/null"]) {
    const error = assertThrows(() => open(new URL(url)), KupError);
    assertEquals([error.code, error.message.split(":")[0]], ["not-a-device", "/dev/null"]);
  }
  for (const url of ["http://localhost/dev/null", "file://server/dev/null", "file:///%ff"]) {
    const error = assertThrows(() => open(new URL(url)), TypeError);
    assertStringIncludes(error.message, "begins with file:///");
  }
  assertThrows(() => open(new URL("file:///dev/null%00")), TypeError);
  assertThrows(() => open("host:file:///%ff.so"), TypeError);
});

Deno.test("open() of a path that is too long for the system fails with not-found", () => {
  for (const path of [`host:${"x".repeat(300)}.so`, `host:${"/x".repeat(3000)}.so`]) {
    assertEquals(assertThrows(() => open(path), KupError).code, "not-found");
    assertEquals(assertThrows(() => unload(path), KupError).code, "not-found");
  }
  const device = `/${"x/".repeat(3000)}`;
  assertEquals(assertThrows(() => open(device), KupError).code, "not-found");
});

Deno.test("open() of a folder or a pipe as a client module fails at once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-pipe-", suffix: ".so" });
  try {
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe.so`] }).output();
    for (const path of [`host:${folder}`, `host:${folder}/pipe.so`]) {
      assertEquals(assertThrows(() => open(path), KupError).code, "not-a-device");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("open() of a path whose links lead in a circle fails with not-found", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-circle-" });
  try {
    await Deno.symlink(`${folder}/b.so`, `${folder}/a.so`);
    await Deno.symlink(`${folder}/a.so`, `${folder}/b.so`);
    assertEquals(assertThrows(() => open(`host:${folder}/a.so`), KupError).code, "not-found");
    assertEquals(assertThrows(() => open(`${folder}/a.so`), KupError).code, "not-found");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
