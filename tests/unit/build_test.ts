// SPDX-License-Identifier: BSD-3-Clause
/** The build in a folder whose path has blanks, quotes and other letters. */

import { assertEquals, assertStringIncludes } from "../../deps.ts";
import { MINIMUM_DENO } from "../../src/runtime.ts";
import { CACHE, ROOT } from "../lib/paths.ts";
import { must, projectFiles } from "../lib/process.ts";

/** A copy of the checkout with what is fetched, and with what `make prebuilt` has compiled. */
async function copyCheckout(folder: string): Promise<void> {
  const paths = [...await projectFiles(), "native/build/prebuilt"];
  await must(["xargs", "-0", "cp", "-a", "--parents", "-t", folder], {
    input: paths.join("\0") + "\0",
  });
  await Deno.mkdir(`${folder}/.cache`);
  for await (const { name } of Deno.readDir(CACHE)) {
    if (!/^(?:deno|zig)-/.test(name) || name.includes(MINIMUM_DENO)) continue;
    await Deno.symlink(`${CACHE}/${name}`, `${folder}/.cache/${name}`);
  }
}

Deno.test("make native and make prebuilt work in a path with blanks", async () => {
  const parent = await Deno.makeTempDir({ prefix: "kup-build-" });
  try {
    const folder = `${parent}/it's a \u00e9 $b`;
    await Deno.mkdir(folder);
    await copyCheckout(folder);
    // One object and its library: the others would show nothing more.
    for (const path of ["objects/kmod/core/ring.o", "../libkup-linux-x86_64-gnu.so"]) {
      await Deno.remove(`${folder}/native/build/prebuilt/x86_64-gnu/${path}`);
    }
    // Make passes its variables on to what it runs: these are this checkout's.
    const env = { MAKEFLAGS: "", KUP_ZIG: "", KUP_DENO_CONFIG: "" };
    const said = await must(["make", "native", "prebuilt", "modules"], { cwd: folder, env });
    assertStringIncludes(said, "no path with blanks");
    const [library, embedded] = ["native/build", "src/embedded"].map((path) => `${folder}/${path}`);
    assertEquals(
      await Deno.readTextFile(`${embedded}/built_by_make.ts`),
      await Deno.readTextFile(`${ROOT}/src/embedded/built_by_make.ts`),
    );
    const script = `${folder}/tests/unit/oldest/exchange.ts`;
    const run = [Deno.execPath(), "run", "--no-config", "--allow-ffi", "--allow-read", script];
    const done = "sync async late iterate batch worker\n";
    assertEquals(await must(run), done);
    for await (const { name } of Deno.readDir(library!)) {
      if (name.endsWith(".so")) await Deno.remove(`${library}/${name}`);
    }
    assertEquals(await must(run), done, "with the embedded library");
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
