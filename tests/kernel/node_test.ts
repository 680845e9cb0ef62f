// SPDX-License-Identifier: BSD-3-Clause
/** The device's node: its owner, and which users may open it. */

import { assertEquals } from "../../deps.ts";
import { PATH, withEcho } from "./lib/guest.ts";

/** What a user that is not root gets from opening the device: "opened", or the error's code. */
async function codeAsUser(): Promise<string> {
  const { stdout } = await new Deno.Command("su", {
    args: [
      "user",
      "-s",
      "/bin/sh",
      "-c",
      `DENO_DIR=/tmp/deno-user ${Deno.execPath()} eval --no-check '
      import { open } from "${new URL("../../mod.ts", import.meta.url).href}";
      try { open("${PATH}"); console.log("opened"); } catch (error) { console.log(error.code); }'`,
    ],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("open() reports that a user may not open the device", async () => {
  assertEquals(await codeAsUser(), "not-permitted");
});

Deno.test("kup_device_create() gives the device to the config's group", async () => {
  await withEcho({ permissions: "0660", group: 1000 }, async () => {
    const { mode, gid } = await Deno.stat(PATH);
    assertEquals([mode! & 0o777, gid], [0o660, 1000]);
    assertEquals(await codeAsUser(), "opened");
  });
  const { mode, gid } = await Deno.stat(PATH);
  assertEquals([mode! & 0o777, gid], [0o600, 0]);
});
