// SPDX-License-Identifier: BSD-3-Clause
/** Closing the pipe over which the waiter reports events. */

import { assertEquals } from "../../deps.ts";

const libc = Deno.dlopen("libc.so.6", { close: { parameters: ["i32"], result: "i32" } }).symbols;

function writablePipes(): Set<number> {
  const fds = new Set<number>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const flags = /flags:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${name}`))?.[1];
      const isPipe = Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("pipe:");
      if (isPipe && (parseInt(flags ?? "", 8) & 3) === 1) fds.add(Number(name));
    } catch {
      // The folder's own descriptor.
    }
  }
  return fds;
}

/** Closes the pipe that `begin` opens. */
export function closePipeOf<T>(begin: () => T): T {
  const before = writablePipes();
  const result = begin();
  const [pipe, ...others] = [...writablePipes()].filter((fd) => !before.has(fd));
  assertEquals(others, []);
  libc.close(pipe!);
  return result;
}
