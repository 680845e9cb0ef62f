// SPDX-License-Identifier: BSD-3-Clause
/** `kup modinfo`: modules of both kinds, and files that are none. */

import { assert, assertEquals, assertMatch } from "../../deps.ts";
import { kup } from "../lib/cli.ts";
import { must } from "../lib/process.ts";
import { ROOT } from "../lib/paths.ts";

const SOURCE = `
#include "kup.h"
KUP_PARAM_NUMBER(size, 5, "how large");
KUP_PARAM_STRING(label, "usual", "what to call it");
KUP_PARAM_STRING(none, NULL, "nothing");
static int load(void) { return (int)size + !label + !none; }
static void unload(void) {}
KUP_MODULE(load, unload, "a test's module");
`;

/** Builds a host module. */
async function build(folder: string): Promise<string> {
  const file = `${folder}/mine.so`;
  await Deno.writeTextFile(`${folder}/mine.c`, SOURCE);
  const includes = [`-I${ROOT}/kmod`, `-I${ROOT}/kmod/os/host`, `-I${ROOT}/kmod/uapi`];
  await must(["cc", "-shared", "-fPIC", ...includes, `${folder}/mine.c`, "-o", file]);
  return file;
}

/** As a kernel's build writes it: a section .modinfo in an object. */
async function buildKernelLike(folder: string): Promise<string> {
  const pairs = [
    "name=mine",
    "description=a kernel module\\033[2J",
    "version=1.2",
    "license=GPL",
    "vermagic=6.12.1 SMP",
    "parmtype=size:uint",
    "parm=size:how large: in bytes",
  ];
  const text = pairs.map((pair) => `${pair}\\0`).join("");
  const source = `const char info[] __attribute__((section(".modinfo"))) = "${text}";`;
  await Deno.writeTextFile(`${folder}/mine.ko.c`, source);
  await must(["cc", "-c", `${folder}/mine.ko.c`, "-o", `${folder}/mine.ko`]);
  return `${folder}/mine.ko`;
}

async function modinfo(file: string) {
  const permissions = ["--allow-read"];
  const { code, output } = await kup(["modinfo", "--json", file], { permissions });
  assertEquals(code, 0, output);
  return JSON.parse(output);
}

Deno.test("kup modinfo describes modules of both kinds without loading them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-modinfo-" });
  try {
    const host = await modinfo(await build(folder));
    assertEquals([host.kind, host.name, host.description], [
      "host driver",
      "mine",
      "a test's module",
    ]);
    assertEquals(host.parameters, [
      { name: "size", type: "number", value: 5 },
      { name: "label", type: "string", value: "usual" },
      { name: "none", type: "string" },
    ]);
    const kernel = await modinfo(await buildKernelLike(folder));
    assertEquals(kernel.description, "a kernel module\x1b[2J");
    const text = await kup(["modinfo", `${folder}/mine.ko`], { permissions: ["--allow-read"] });
    assertMatch(text.stdout, /^description +a kernel module\\x1b\[2J$/m);
    assertEquals([kernel.kind, kernel.version, kernel.kernel], ["Linux", "1.2", "6.12.1"]);
    assertEquals(kernel.parameters, [
      { name: "size", type: "uint", description: "how large: in bytes" },
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("kup modinfo has one sentence for each file that is no whole module", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-modinfo-" });
  try {
    const whole = await Deno.readFile(await build(folder));
    const files = [`${folder}/mine.c`, `${folder}/none.ko`, folder];
    for (const length of [0, 10, 64, 100, whole.length / 2 | 0, whole.length - 100]) {
      files.push(`${folder}/cut${length}.so`);
      await Deno.writeFile(files.at(-1)!, whole.subarray(0, length));
    }
    const foreign = `${folder}/foreign.so`;
    await must(["sh", "-c", `echo 'int a;' | cc -shared -x c - -o ${foreign}`]);
    for (const file of [...files, foreign]) {
      const permissions = ["--allow-read"];
      const { code, output } = await kup(["modinfo", file], { permissions });
      assertEquals(code, 1, file);
      assertMatch(output, /^kup modinfo: [^\n]*[.)]\n$/, file);
      assert(output.includes(folder), output);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
