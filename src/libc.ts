// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system's own library, for the little that is needed before the native library is loaded, or
 * that Deno allows only with more permissions than FFI.
 *
 * @module
 */

/** Under musl, Linux's name means musl itself. The caller closes it. */
export function openLibc<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  return Deno.dlopen(Deno.build.os === "freebsd" ? "libc.so.7" : "libc.so.6", symbols);
}

const PATH_MAX = 4096;

/**
 * The working directory; `Deno.cwd` would need `--allow-read`. Undefined if it has no path (any
 * more).
 */
export function workingDirectory(): string | undefined {
  const libc = openLibc({ getcwd: { parameters: ["buffer", "usize"], result: "pointer" } });
  try {
    const bytes = new Uint8Array(PATH_MAX);
    if (libc.symbols.getcwd(bytes, BigInt(bytes.length)) === null) return undefined;
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  } finally {
    libc.close();
  }
}
