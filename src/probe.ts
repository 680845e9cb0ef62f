// SPDX-License-Identifier: BSD-3-Clause
/**
 * Finds out why the system refuses a file. The loader of libraries reports that in words only,
 * which are not always English, so this asks the system for the errno.
 *
 * @module
 */

import { openLibc } from "./libc.ts";

/**
 * The function that returns the address of errno; its name depends on the system. Each thread has
 * an errno of its own, at an address that stays the same.
 */
const ERRNO_PLACE = typeof Deno === "object" && Deno.build.os === "freebsd"
  ? "__error"
  : "__errno_location";

/** Load this symbol together with the calls that set errno. */
export const ERRNO_SYMBOLS = {
  errno_place: { name: ERRNO_PLACE, parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Returns a function that reads errno. Call it right after a call has failed, before another call
 * changes errno.
 */
export function errnoReader(
  symbols: Deno.DynamicLibrary<typeof ERRNO_SYMBOLS>["symbols"],
): () => number {
  const view = new Deno.UnsafePointerView(symbols.errno_place()!);
  return () => view.getInt32();
}

const O_RDONLY = 0;
/**
 * The value on Linux and on FreeBSD. The flag is needed because another thread may start a program
 * at any time.
 */
const O_CLOEXEC = typeof Deno === "object" && Deno.build.os === "freebsd" ? 0x100000 : 0x80000;

const OPEN_SYMBOLS = {
  ...ERRNO_SYMBOLS,
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Returns the errno with which the file can't be opened for reading, or 0 if it can. Needs no
 * permission to read.
 *
 * @param path A C string.
 * @throws Any error of `Deno.dlopen`.
 */
export function readingFails(path: Uint8Array<ArrayBuffer>): number {
  // The C library is in the process already, so loading it opens no file.
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
