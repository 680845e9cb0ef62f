// SPDX-License-Identifier: BSD-3-Clause
/**
 * The system's C library, for the few calls that are needed before the native library is loaded, or
 * that Deno allows only with more permissions than FFI.
 *
 * @module
 */

/** Opens the C library; the caller closes it. musl also answers to this name. */
export function openLibc<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  return Deno.dlopen(Deno.build.os === "freebsd" ? "libc.so.7" : "libc.so.6", symbols);
}

const PATH_MAX = 4096;

/**
 * The working directory, or undefined if it has no path (any more). `Deno.cwd` would need
 * `--allow-read`.
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
