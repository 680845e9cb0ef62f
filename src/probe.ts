// SPDX-License-Identifier: BSD-3-Clause
/**
 * Why the system refuses a file. The loader of libraries has that in words only, which are not
 * always in English, so the system itself is asked for the number.
 *
 * @module
 */

import { openLibc } from "./libc.ts";

/**
 * Each thread has an errno of its own, at an address that stays the same; the function's name
 * depends on the system.
 */
const ERRNO_PLACE = typeof Deno === "object" && Deno.build.os === "freebsd"
  ? "__error"
  : "__errno_location";

/** To be loaded along with the calls that set it. */
export const ERRNO_SYMBOLS = {
  errno_place: { name: ERRNO_PLACE, parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Reads errno right after a call that has failed; before another call changes it. */
export function errnoReader(
  symbols: Deno.DynamicLibrary<typeof ERRNO_SYMBOLS>["symbols"],
): () => number {
  const view = new Deno.UnsafePointerView(symbols.errno_place()!);
  return () => view.getInt32();
}

const O_RDONLY = 0;
/** Linux's and FreeBSD's. Another thread may start a program at any time. */
const O_CLOEXEC = typeof Deno === "object" && Deno.build.os === "freebsd" ? 0x100000 : 0x80000;

const OPEN_SYMBOLS = {
  ...ERRNO_SYMBOLS,
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * The errno value that the file can't be opened for reading with, or 0 if it can. Needs no
 * permission to read.
 *
 * @param path A C string.
 * @throws Whatever `Deno.dlopen` throws.
 */
export function readingFails(path: Uint8Array<ArrayBuffer>): number {
  // It is in the process already, so that no file is opened for it.
  const libc = openLibc(OPEN_SYMBOLS);
  try {
    const errno = errnoReader(libc.symbols);
    const fd = libc.symbols.open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno();
    libc.symbols.close(fd);
    return 0;
  } finally {
    libc.close();
  }
}
