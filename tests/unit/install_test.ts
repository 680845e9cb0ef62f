// SPDX-License-Identifier: BSD-3-Clause
/** `make install`: what a program in C or C++ needs, found by pkg-config. */

import { assert, assertEquals } from "../../deps.ts";
import { flags, inFolder, installed, libraries } from "../lib/installed.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

const PROGRAM = `${ROOT}/tests/unit/install/program.c`;

/** A compiler's words for one dialect. Warnings are errors: the headers have to be clean for everybody. */
const DIALECTS = [
  ["cc", "-std=c99", "-pedantic"],
  ["cc", "-std=gnu11"],
  ["g++", "-x", "c++", "-std=c++98", "-pedantic"],
  ["g++", "-x", "c++", "-std=c++11", "-pedantic"],
  ["g++", "-x", "c++", "-std=c++20"],
];

Deno.test("programs in C and C++ build against what is installed, and run", () =>
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
    // Without the shared object, and so without LD_LIBRARY_PATH.
    const object = `${folder}/program0.o`;
    const parts = (await flags(folder, "--libs", "--static")).map((flag) =>
      flag === "-lkup" ? "-l:libkup.a" : flag
    );
    await must(["cc", object, ...parts, "-o", `${folder}/static`]);
    assertEquals(await must([`${folder}/static`]), "well installed\n", "static");
    // Of all that is in there, programs see only what is meant for them.
    const seen = await must(["nm", "-g", "--defined-only", `${libraries(folder)}/libkup.a`]);
    assertEquals(seen.match(/ [A-Z] (?!kup_|kupdev_|kernproxy_)\w+/g), null);
  }));

Deno.test("pkg-config tells KUP's version", () =>
  installed(async (folder) => {
    const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
    assertEquals((await flags(folder, "--modversion"))[0], version);
  }));

Deno.test("a module of the predecessor's needs kupdev.h and nothing beside it", () =>
  inFolder(async (folder) => {
    // The predecessor's user API has the name of our kernel API, and its tests have both files in one folder.
    await Deno.writeTextFile(`${folder}/kup.h`, "#error this is somebody else's\n");
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
  }));

Deno.test("the C example talks, built by the command that it names", () =>
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
