// SPDX-License-Identifier: BSD-3-Clause
/**
 * The library's threads in processes with much static thread-local data, which lies on their
 * stacks.
 */

import { assertEquals } from "../../deps.ts";
import { flags, inFolder, installed, libraries } from "../lib/installed.ts";
import { ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";

const CLIENT = `${ROOT}/tests/unit/clients/deep.c`;
const KIB = 1024;

/** Also just below and just above the waiter's own stack size. */
const SIZES = [100 * KIB, 240 * KIB, 250 * KIB, 260 * KIB, 300 * KIB, 1024 * KIB, 8192 * KIB];

/** Builds a client module whose threads need some stack, and returns its path for `open`. */
async function buildClient(folder: string): Promise<string> {
  const headers = ["-I", `${ROOT}/kmod`, "-I", `${ROOT}/kmod/os/host`];
  await must(["cc", "-shared", "-fPIC", ...headers, CLIENT, "-o", `${folder}/deep.so`]);
  return `host:${folder}/deep.so`;
}

Deno.test("kup_user_waiter_add() works in a program with thread-local data of any size", () =>
  installed(async (folder) => {
    const [compile, link] = [await flags(folder, "--cflags"), await flags(folder, "--libs")];
    const source = `${ROOT}/tests/unit/stack/program.c`;
    const env = { LD_LIBRARY_PATH: libraries(folder) };
    const client = await buildClient(folder);
    for (const size of SIZES) {
      const program = `${folder}/program-${size}`;
      await must(["cc", `-DBYTES=${size}`, ...compile, source, ...link, "-o", program]);
      // The second is a limit below the size of the data: no new thread's default stack is large
      // enough.
      for (const limit of [[], ["prlimit", "--stack=262144"]]) {
        const name = `${size} bytes, ${limit.join(" ")}`;
        assertEquals(await must([...limit, program, client], { env }), "there and back\n", name);
      }
    }
  }));

const SCRIPT = `
  import { open } from ${JSON.stringify(`file://${ROOT}/mod.ts`)};
  using device = open(Deno.args[0]);
  using channel = await device.attach({ spin: 0 });
  const received = channel.receive();
  setTimeout(() => channel.trySend("there and back"), 10);
  console.log((await received).text());`;

Deno.test("Channel.receive() waits in a Deno with a preloaded library's thread-local data", () =>
  inFolder(async (folder) => {
    const url = `data:text/javascript,${encodeURIComponent(SCRIPT)}`;
    const client = await buildClient(folder);
    for (const size of SIZES) {
      const library = `${folder}/preload-${size}.so`;
      const source = `${ROOT}/tests/unit/stack/preload.c`;
      await must(["cc", `-DBYTES=${size}`, "-shared", "-fPIC", source, "-o", library]);
      const command = [Deno.execPath(), "run", "--allow-ffi", "--no-prompt", "--no-config"];
      const env = { LD_PRELOAD: library };
      assertEquals(
        await must([...command, url, client], { env }),
        "there and back\n",
        `${size} bytes`,
      );
    }
  }));
