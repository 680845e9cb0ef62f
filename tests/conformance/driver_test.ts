// SPDX-License-Identifier: BSD-3-Clause
/** What the drivers do differently. Each behaviour is tested on the drivers that the list names. */

import { assert, assertEquals } from "../../deps.ts";
import { open } from "../../mod.ts";
import { DIFFERENCES, SPECIALITIES } from "./differences.ts";
import { differsBy, driver, PATH } from "./lib/driver.ts";
import { ENOENT, throwsWith } from "./lib/errors.ts";
import { runScript } from "./lib/script.ts";

const TOP = new URL("../../", import.meta.url);

Deno.test("DIFFERENCES has a reason for each, and a test that reads it", () => {
  const programs = [...Deno.readDirSync(new URL("c/", import.meta.url))]
    .map(({ name }) => `c/${name}`).filter((name) => /\.c$/.test(name) && name !== "c/driver.c");
  const sources = ["driver_test.ts", ...programs]
    .map((file) => Deno.readTextFileSync(new URL(file, import.meta.url)));
  const known = Deno.readTextFileSync(new URL("c/driver.c", import.meta.url));
  for (const [id, { on, reason, what }] of Object.entries(DIFFERENCES)) {
    assert(on.length > 0 && reason.length > 20 && what.length > 20, id);
    const asked = sources.some((text) => new RegExp(`differs(By)?\\("${id}"\\)`).test(text));
    assert(asked, `no test reads ${id}`);
    assert(known.includes(`"${id}"`), `the C programs don't know ${id}`);
  }
  for (const { tests } of SPECIALITIES) {
    assert(tests.length > 0);
    for (const file of tests) assert(Deno.statSync(new URL(file, TOP)).isFile, file);
  }
});

Deno.test("open() of the echo client's own name loads it on the host driver, and fails elsewhere", async () => {
  await driver.unload();
  if (differsBy("opening-loads")) {
    using device = open(PATH);
    assertEquals(device.info().channels, 8);
  } else {
    throwsWith("not-found", () => open(PATH), ENOENT);
    await driver.load();
  }
});

Deno.test("Device.attach() of a second process competes for the same channels, or has its own", async () => {
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
