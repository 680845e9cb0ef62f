// SPDX-License-Identifier: BSD-3-Clause
/** The predecessor's promise: programs and modules on its two APIs, of which neither knows anything newer. */

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

Deno.test("on the predecessor's APIs: play, with one module", (t) => play(t, "play", ["pingpong"]));

Deno.test("on the predecessor's APIs: customer, with two modules", (t) =>
  play(t, "customer", ["pingpong", "courier"]));
