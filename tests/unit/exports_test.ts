// SPDX-License-Identifier: BSD-3-Clause
/**
 * The functions that clients link to: the kernel's list and the host driver's name the same ones.
 */

import { assert, assertEquals } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";

/** All that a pattern's first group finds in a file, sorted. */
async function names(path: string, pattern: RegExp): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/${path}`);
  return [...text.matchAll(pattern)].map(([, name]) => name!).sort();
}

Deno.test("kup.h and the layers declare no function that a driver does not export", async () => {
  // At the beginning of a line, with its type; comments begin with an asterisk.
  const declaration = /^(?:int|void|kup_u32|kup_u64|const|struct)\b[^;={}]*?\b(kup\w*)\(/gm;
  const declared = [
    ...await names("kmod/kup.h", declaration),
    ...await names("kmod/kup_client.h", declaration),
    ...await names("kmod/layers/turn.h", declaration),
    ...await names("kmod/layers/call.h", declaration),
    ...await names("kmod/kupdev.h", declaration),
  ].sort();
  const linux = await names("kmod/os/linux/module.c", /^EXPORT_SYMBOL_GPL\((\w+)\);/gm);
  const host = await names("native/exports.map", /^\s+(kup\w+\*?);/gm);
  assert(declared.includes("kup_pause") && declared.includes("kupdev_unload"));
  assertEquals(linux, declared);
  const found = (name: string) =>
    host.some((one) => one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : one === name);
  assertEquals(declared.filter((name) => !found(name)), []);
});
