// SPDX-License-Identifier: BSD-3-Clause
/** The predecessor's promise: programs and modules on its two APIs work, and know nothing newer. */

import { assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { driver } from "./lib/driver.ts";
import { runProgram } from "./lib/programs.ts";

const BUILD = new URL("../seed/build/", import.meta.url);

/** Runs a program of tests/seed while these modules are loaded. */
async function play(t: Deno.TestContext, program: string, modules: string[]): Promise<void> {
  const loaded: string[] = [];
  try {
    const paths: string[] = [];
    for (const module of modules) {
      const path = await driver.insert(module);
      loaded.unshift(module);
      if (path !== undefined) paths.push(path);
    }
    await runProgram(t, new URL(program, BUILD), [driver.pathOf(""), ...paths]);
  } finally {
    for (const module of loaded) await driver.remove(module);
  }
}

Deno.test("kernproxy_open() and others in play.c work with one module", (t) =>
  play(t, "play", ["pingpong"]));

Deno.test("kernproxy_open() and others in customer.c work with two modules", (t) =>
  play(t, "customer", ["pingpong", "courier"]));

/** NUL-terminated, as in C. */
function cut(text: string): string {
  return text.slice(0, text.indexOf("\0"));
}

Deno.test("kupdev_unload() of the module in docs/from-kup-1.md works while a process is attached", async () => {
  const loaded = await driver.insert("mydev");
  using device = open(loaded ?? driver.pathOf("mydev"));
  using channel = await device.attach({ channel: 0 });
  assertEquals(cut((await channel.receive())!.text()), "who?");
  await channel.send("Ada\0".padEnd(64));
  assertEquals(cut((await channel.receive())!.text()), "hello, Ada");
  await driver.remove("mydev");
  assertEquals(await channel.receive(), undefined);
});
