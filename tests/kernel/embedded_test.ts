// SPDX-License-Identifier: BSD-3-Clause
/** The library that is embedded in the module. Kernels differ in how they keep files in memory. */

import { assertEquals, assertMatch } from "../../deps.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("open() loads the embedded library if there is none beside the module", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-copy-" });
  try {
    const args = ["-r", `${ROOT}mod.ts`, `${ROOT}src`, folder];
    assertEquals((await new Deno.Command("cp", { args }).output()).code, 0);
    const { open }: typeof import("../../mod.ts") = await import(`file://${folder}/mod.ts`);
    using device = open("/dev/kup/echo");
    using channel = await device.attach();
    await channel.send("hello");
    assertEquals((await channel.receive())?.text(), "hello");
    assertMatch(await Deno.readTextFile("/proc/self/maps"), /\/memfd:libkup-[0-9a-f]{16}\.so/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
