// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library as a part of the module graph, so that a script which imports this module by
 * its URL needs `--allow-ffi` and nothing else. The bytes are loaded from a file in memory, since
 * dlopen(3) takes nothing but files.
 *
 * There is one copy in a process, whichever isolate comes first: all workers share the waiter and
 * the host driver. glibc finds a library that is loaded already by the name inside it, which no
 * other build has. musl doesn't: there each worker has a copy of its own.
 *
 * @module
 */

import { CONTRACT } from "./abi.ts";
import { contract, libraries } from "./embedded/built_by_make.ts";
import { KupError } from "./errors.ts";
import { openLibc } from "./libc.ts";

/** A shared object. */
interface Bytes {
  /** FNV-1a: the loader would take damaged bytes for code. */
  readonly checksum: number;
  readonly base64: string;
}

/** What a file in `embedded/` holds; `scripts/embed.ts` writes them. */
interface Embedded {
  readonly name: string;
  readonly gnu: Bytes;
  readonly musl: Bytes;
}

/**
 * A type error here means that the libraries are stale: run `make abi prebuilt`. The two names are
 * literal types, and `deno publish` checks types, so stale libraries can't be published.
 */
const builtFor: typeof CONTRACT = contract;

/** By the system and the machine. In a checkout there is one only after `make prebuilt`. */
const embedded: Readonly<Record<string, Embedded>> = libraries;

const MFD_CLOEXEC = 1;
const MFD_NOEXEC_SEAL = 8;

const LIBC_SYMBOLS = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>["symbols"];

/** The path of the copy that this isolate has loaded; without one it uses another isolate's. */
let place: string | undefined;

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    // The second is for older Denos, and takes 5 ms where the first takes 0.1.
    return Uint8Array.fromBase64?.(text) ??
      Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}

function decode({ base64, checksum }: Bytes): Uint8Array<ArrayBuffer> {
  const bytes = fromBase64(base64);
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  if (hash >>> 0 === checksum) return bytes;
  throw new KupError(
    "library",
    "The native library in this module is damaged; fetch the module anew (deno run --reload).",
  );
}

/** The descriptor of a file that is in memory only. */
function createMemoryFile(libc: Libc, name: string): number {
  const text = new TextEncoder().encode(`${name}\0`);
  // It is mapped, and never run as a program: so no setting of vm.memfd_noexec is in the way.
  let fd = libc.memfd_create(text, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  // Linux before 6.3 doesn't know the second flag.
  if (fd < 0) fd = libc.memfd_create(text, MFD_CLOEXEC);
  if (fd >= 0) return fd;
  throw new KupError(
    "library",
    "The system refuses the file in memory that the native library is loaded from (are too many " +
      "files open, see `ulimit -n`?); or name the library's file with the option `library`.",
  );
}

function writeAll(libc: Libc, fd: number, bytes: Uint8Array<ArrayBuffer>): void {
  let rest = bytes;
  while (rest.length > 0) {
    const written = Number(libc.write(fd, rest, BigInt(rest.length)));
    if (written <= 0) {
      throw new KupError("out-of-memory", "There is not enough memory for the native library.");
    }
    rest = rest.subarray(written);
  }
}

/**
 * Loads one variant, whose code then stays, and returns where it is. The descriptor stays too: the
 * loader knows files by their paths, and would take the next file of this number for this one. The
 * dot is there for the same reason: others who load from descriptors don't spell them so.
 */
function loadBytes(libc: Libc, name: string, bytes: Uint8Array<ArrayBuffer>): string {
  const fd = createMemoryFile(libc, name);
  try {
    writeAll(libc, fd, bytes);
    const path = `/proc/self/fd/./${fd}`;
    Deno.dlopen(path, {}).close();
    return path;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** The variant for Deno's own C library, or the other one if that can't be loaded. */
function loadEither({ name, gnu, musl }: Embedded): string {
  const [first, second] = Deno.build.target.includes("musl") ? [musl, gnu] : [gnu, musl];
  const libc = openLibc(LIBC_SYMBOLS);
  try {
    return loadBytes(libc.symbols, name, decode(first));
  } catch (error) {
    if (error instanceof KupError) throw error;
    try {
      return loadBytes(libc.symbols, name, decode(second));
    } catch {
      throw error;
    }
  } finally {
    libc.close();
  }
}

/** Undefined if no library of this name is loaded, or if this C library doesn't look for names. */
function openLoaded<S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
): Deno.DynamicLibrary<S> | undefined {
  try {
    return Deno.dlopen(name, symbols);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

function findEmbedded(): Embedded {
  const { os, arch } = Deno.build;
  const library = embedded[`${os}-${arch}`];
  if (library === undefined) {
    throw new KupError(
      "library",
      `There is no native library for ${os} on ${arch} in this module, and none beside it; ` +
        "build it with `make native`, or name its file with the option `library`.",
    );
  }
  if (builtFor === CONTRACT) return library;
  throw new KupError(
    "library",
    "The native library in this module was built for another version of it; " +
      "build it again with `make abi prebuilt`.",
  );
}

/**
 * The library that is embedded in the module graph. The caller closes it; its code stays.
 *
 * @throws {KupError} `"library"` or `"out-of-memory"`: none is embedded, it is damaged, or the system
 * refuses.
 * @throws Whatever else `Deno.dlopen` throws.
 */
export function openEmbedded<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  const library = findEmbedded();
  const present = openLoaded(library.name, symbols);
  if (present !== undefined) return present;
  place ??= loadEither(library);
  // Of two isolates that got here at the same time, both take the copy that the loader found first.
  return openLoaded(library.name, symbols) ?? Deno.dlopen(place, symbols);
}
