// SPDX-License-Identifier: BSD-3-Clause
/** What the drivers do differently by nature, each behaviour where the list says that it is. */

import { assert, assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { DIFFERENCES, SPECIALITIES } from "./differences.ts";
import { differsBy, driver, PATH } from "./lib/driver.ts";
import { ENOENT, throwsWith } from "./lib/errors.ts";
import { runScript } from "./lib/script.ts";

const TOP = new URL("../../", import.meta.url);

Deno.test("every difference has its reason, and a test that asks for it", () => {
  const sources = ["driver_test.ts", "c/contract.c", "c/module.c", "c/native.c", "c/waiter.c"]
    .map((file) => Deno.readTextFileSync(new URL(file, import.meta.url)));
  const known = Deno.readTextFileSync(new URL("c/driver.c", import.meta.url));
  for (const [id, { on, reason, what }] of Object.entries(DIFFERENCES)) {
    assert(on.length > 0 && reason.length > 20 && what.length > 20, id);
    const asked = sources.some((text) => new RegExp(`differs(By)?\\("${id}"\\)`).test(text));
    assert(asked, `no test asks for ${id}`);
    assert(known.includes(`"${id}"`), `the C programs don't know ${id}`);
  }
  for (const { tests } of SPECIALITIES) {
    assert(tests.length > 0);
    for (const file of tests) assert(Deno.statSync(new URL(file, TOP)).isFile, file);
  }
});

Deno.test("opening the echo client by its own name loads it, or not", async () => {
  await driver.unload();
  if (differsBy("opening-loads")) {
    using device = open(PATH);
    assertEquals(device.info().channels, 8);
  } else {
    throwsWith("not-found", () => open(PATH), ENOENT);
    await driver.load();
  }
});

Deno.test("a second process competes for the same channels, or has its own", async () => {
  using device = open(PATH);
  using _ = await device.attach({ channel: 2 });
  const { out, code } = await runScript(`
    using device = kup.open("${PATH}");
    try {
      using channel = await device.attach({ channel: 2, wait: false });
      console.log("attached");
    } catch (error) { console.log(error.code); }
  `);
  const wanted = differsBy("shared-by-processes") ? "busy" : "attached";
  assertEquals([code, out.trim()], [0, wanted]);
});
