// SPDX-License-Identifier: BSD-3-Clause
/** Paths of the host driver that random calls have stumbled over. */

import { assertEquals, assertThrows } from "../../deps.ts";
import { KupError, open, unload } from "../../mod.ts";

Deno.test("a path that is too long for the system is not found", () => {
  for (const path of [`host:${"x".repeat(300)}.so`, `host:${"/x".repeat(3000)}.so`]) {
    assertEquals(assertThrows(() => open(path), KupError).code, "not-found");
    assertEquals(assertThrows(() => unload(path), KupError).code, "not-found");
  }
  const device = `/${"x/".repeat(3000)}`;
  assertEquals(assertThrows(() => open(device), KupError).code, "not-found");
});

Deno.test("a folder or a pipe is no client module, and nobody waits for it", async () => {
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

Deno.test("a path whose links lead in a circle is not found", async () => {
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
