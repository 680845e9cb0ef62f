// SPDX-License-Identifier: BSD-3-Clause
/** The names of errno values, compared with the systems' own headers. */

import { assert, assertEquals } from "../../deps.ts";
import { errnoName } from "../../src/errno.ts";
import { must } from "../lib/process.ts";

const zig = Deno.env.get("KUP_ZIG");
const hasZig = zig !== undefined && await Deno.stat(zig).then(() => true, () => false);

/** What a compiler's <errno.h> defines: names by their numbers. */
async function namesOf(compiler: readonly string[]): Promise<Map<number, string>> {
  const source = await Deno.makeTempFile({ suffix: ".c" });
  try {
    await Deno.writeTextFile(source, "#include <errno.h>\n");
    const macros = await must([...compiler, "-dM", "-E", source]);
    const names = new Map<number, string>();
    for (const [, name, number] of macros.matchAll(/^#define (E[A-Z0-9]+) (\d+)$/gm)) {
      // FreeBSD's last one has a second name.
      if (name !== "ELAST") names.set(Number(number), name!);
    }
    return names;
  } finally {
    await Deno.remove(source);
  }
}

async function check(os: "linux" | "freebsd", compiler: readonly string[]): Promise<void> {
  const names = await namesOf(compiler);
  assert(names.size > 90, `there are only ${names.size}`);
  for (let errno = 1; errno <= 200; errno++) {
    const name = names.get(errno);
    const expected = name === undefined ? `errno ${errno}` : `${name} (${errno})`;
    assertEquals(errnoName(errno, os), expected);
  }
}

Deno.test("errnoName() has the names of Linux's <errno.h>", () => check("linux", ["cc"]));

Deno.test({
  name: "errnoName() has the names of FreeBSD's <errno.h>",
  ignore: !hasZig,
  fn: () => check("freebsd", [zig!, "cc", "-target", "x86_64-freebsd"]),
});

Deno.test("errnoName() has the number that Linux keeps to its modules, and no others", () => {
  assertEquals(errnoName(524, "linux"), "ENOTSUPP (524)");
  assertEquals(errnoName(524, "freebsd"), "errno 524");
  for (const errno of [0, -1, 134, 4095]) assertEquals(errnoName(errno, "linux"), `errno ${errno}`);
});
