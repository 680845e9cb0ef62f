// SPDX-License-Identifier: BSD-3-Clause
/** `make install`: what a program in C or C++ needs, found by pkg-config. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { flags, inFolder, installed, libraries } from "../lib/installed.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";

const PROGRAM = `${ROOT}/tests/unit/install/program.c`;

/** A compiler's words for one dialect. Warnings are errors: the headers must cause none. */
const DIALECTS = [
  ["cc", "-std=c99", "-pedantic"],
  ["cc", "-std=gnu11"],
  ["g++", "-x", "c++", "-std=c++98", "-pedantic"],
  ["g++", "-x", "c++", "-std=c++11", "-pedantic"],
  ["g++", "-x", "c++", "-std=c++20"],
];

Deno.test("make install gives programs in C and C++ what they need to build and run", () =>
  installed(async (folder) => {
    const [compile, link] = [await flags(folder, "--cflags"), await flags(folder, "--libs")];
    for (const [index, dialect] of DIALECTS.entries()) {
      const program = `${folder}/program${index}`;
      const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-long-long"];
      await must([...dialect, ...warnings, ...compile, "-c", PROGRAM, "-o", `${program}.o`]);
      await must([dialect[0]!, `${program}.o`, ...link, "-o", program]);
      const env = { LD_LIBRARY_PATH: libraries(folder) };
      assertEquals(await must([program], { env }), "well installed\n", dialect.join(" "));
    }
    // Of all that is installed, programs see only what is meant for them.
    const seen = await must(["nm", "-g", "--defined-only", `${libraries(folder)}/libkup.a`]);
    assertEquals(seen.match(/ [A-Z] (?!kup_|kupdev_|kernproxy_)\w+/g), null);
  }));

/**
 * What pkg-config prints for the static library. Its file is named, since -l finds the shared one.
 */
async function staticFlags(folder: string): Promise<string[]> {
  const words = [...await flags(folder, "--cflags"), ...await flags(folder, "--static", "--libs")];
  return words.map((word) => word === "-lkup" ? `${libraries(folder)}/libkup.a` : word);
}

Deno.test("kup_user_channel_open() works in a program that is linked to libkup.a alone", () =>
  installed(async (folder) => {
    await must(["cc", PROGRAM, ...await staticFlags(folder), "-o", `${folder}/program`]);
    assertEquals(await must([`${folder}/program`]), "well installed\n");
  }));

/** Linkers with rules of their own: the last two drop what no code refers to, as Rust's does. */
const LINKERS: Record<string, readonly string[]> = {
  "C": ["cc"],
  "C++": ["g++", "-x", "c++"],
  "ld --gc-sections": ["cc", "-Wl,--gc-sections"],
  "lld --gc-sections": [Deno.env.get("KUP_ZIG") ?? "zig", "cc", "-Wl,--gc-sections"],
};

const MODULES = `${ROOT}/tests/unit/install/modules.c`;
/** A setting that keeps the compiler's files with the project. */
const ZIG_CACHE = {
  ZIG_GLOBAL_CACHE_DIR: `${ROOT}/.cache/zig-cache`,
  ZIG_LOCAL_CACHE_DIR: `${ROOT}/.cache/zig-cache`,
};

/** Builds a client module, and returns its path for `open`. */
async function buildClient(folder: string): Promise<string> {
  const headers = ["-I", `${ROOT}/kmod`, "-I", `${ROOT}/kmod/os/host`];
  const source = `${ROOT}/tests/unit/clients/upper.c`;
  await must(["cc", "-shared", "-fPIC", ...headers, source, "-o", `${folder}/upper.so`]);
  return `host:${folder}/upper.so`;
}

Deno.test("kup_user_channel_open() loads client modules in a program with libkup.a", async (t) => {
  await installed(async (folder) => {
    const [all, client] = [await staticFlags(folder), await buildClient(folder)];
    for (const [name, linker] of Object.entries(LINKERS)) {
      await t.step(name, async () => {
        const program = `${folder}/modules`;
        const sources = [MODULES, ...linker.includes("g++") ? ["-x", "none"] : []];
        await must([...linker, ...sources, ...all, "-o", program], { env: ZIG_CACHE });
        const { stdout } = await capture([program, client]);
        assertEquals(
          stdout,
          'LINKED\necho: -22: The parameter channels must be a number below 2^32, not "many".\n',
        );
      });
    }
  });
});

Deno.test("kup_user_host_error() explains why a program's linking prevents client modules", () =>
  installed(async (folder) => {
    const [all, client] = [await staticFlags(folder), await buildClient(folder)];
    const ways = [
      all.filter((word) => word !== "-Wl,--export-dynamic"),
      [...all, "-static", "-Wl,--no-warnings"],
    ];
    for (const way of ways) {
      await must(["cc", MODULES, ...way, "-o", `${folder}/modules`]);
      const { code, stdout } = await capture([`${folder}/modules`, client]);
      assertEquals(code, 1);
      assertMatch(stdout, /^open: -8: Cannot load the module: undefined symbol: kup_/);
      assertStringIncludes(stdout, "pkg-config --static --libs kup");
    }
  }));

Deno.test("make install gives every call of the C API and the kernel API a manual page", () =>
  installed(async (folder) => {
    const pages = `${libraries(folder)}/../share/man`;
    const declared = await must([
      "sh",
      "-c",
      "cat kmod/kup.h kmod/layers/call.h native/kup_user*.h",
    ]);
    const calls = new Set(declared.match(/\bkup_\w+(?=\([^;]*\);)/g));
    assert(calls.size > 100, `only ${calls.size} calls were found`);
    for (const call of calls) {
      const section = call.startsWith("kup_user_") ? 3 : 9;
      const page = await Deno.readTextFile(`${pages}/man${section}/${call}.${section}`);
      assertStringIncludes(page, ` ${call}`);
    }
  }));

Deno.test("pkg-config prints KUP's version", () =>
  installed(async (folder) => {
    const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
    assertEquals((await flags(folder, "--modversion"))[0], version);
  }));

Deno.test(
  "make install gives a module of the predecessor's kupdev.h, which needs no other " +
    "header",
  () =>
    inFolder(async (folder) => {
      // The predecessor's user API has the name of our kernel API, and its tests have both files in
      // one folder.
      await Deno.writeTextFile(`${folder}/kup.h`, "#error this is another project's\n");
      await Deno.writeTextFile(
        `${folder}/client.c`,
        '#include "kupdev.h"\nint (*f)() = kupdev_wait_channel;\n',
      );
      await Deno.copyFile(`${ROOT}/kmod/kupdev.h`, `${folder}/kupdev.h`);
      await must([
        "cc",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-c",
        `${folder}/client.c`,
        "-o",
        `${folder}/client.o`,
      ]);
    }),
);

Deno.test("examples/echo.c works when it is built by the command that it names", () =>
  installed(async (folder) => {
    const source = await Deno.readTextFile(`${ROOT}/examples/echo.c`);
    const command = source.match(/^ \* {5}(cc .*) && \.\/echo host:echo$/m)?.[1];
    assert(command !== undefined, "the example names no command");
    const words = [await flags(folder, "--cflags"), await flags(folder, "--libs")].flat().join(" ");
    const whole = command.replace(/\$\(pkg-config [^)]*\)/, words).replace("-o ", `-o ${folder}/`);
    await must(["sh", "-c", `cd ${ROOT} && ${whole} -Wall -Wextra -Werror`]);
    const env = { LD_LIBRARY_PATH: libraries(folder) };
    assertEquals(
      await must([`${folder}/echo`], { env }),
      "13 bytes of type 7: hello, kernel\n13 bytes of type 7: grüße aus C\n" +
        "0 bytes of type 7: \nwritten in place\n",
    );
  }));
