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

import { cString } from "./arguments.ts";
import { errnoName } from "./errno.ts";
import { KupError, meansTooManyFiles, systemError } from "./errors.ts";
import { ERRNO_SYMBOLS, errnoReader, readingFails } from "./probe.ts";

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

/** Why there is nothing embedded: a checkout has these files only after `make prebuilt`. */
let absence: unknown;

/** The specifiers are literal, so that they are in the module graph and need no permission. */
async function importEmbedded(): Promise<Embedded | undefined> {
  const { os, arch } = Deno.build;
  try {
    if (os !== "linux") return undefined;
    return arch === "x86_64"
      ? await import("./embedded/linux-x86_64.ts")
      : await import("./embedded/linux-aarch64.ts");
  } catch (error) {
    absence = error;
    return undefined;
  }
}

const embedded = await importEmbedded();

/** What messages are about. */
const SUBJECT = "The native library in this module";

const MFD_CLOEXEC = 1;
const MFD_NOEXEC_SEAL = 8;

/** Under musl this name means musl itself. */
const LIBC = "libc.so.6";

const LIBC_SYMBOLS = {
  ...ERRNO_SYMBOLS,
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
  const text = cString("name", name);
  const errno = errnoReader(libc);
  // It is mapped, and never run as a program: so no setting of vm.memfd_noexec is in the way.
  let fd = libc.memfd_create(text, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  // Linux before 6.3 doesn't know the second flag.
  if (fd < 0) fd = libc.memfd_create(text, MFD_CLOEXEC);
  if (fd >= 0) return fd;
  throw memoryFileError(errno());
}

/** A sandbox may forbid the call with any number. */
function memoryFileError(errno: number): KupError {
  if (meansTooManyFiles(errno)) return systemError("open", -errno, SUBJECT);
  const name = errnoName(errno);
  return new KupError(
    "library",
    "The system refuses the file in memory that the native library is loaded from: memfd_create " +
      `failed with ${name}. Allow that call in the sandbox or container, or name the library's ` +
      "file with the option `library`.",
    { errno },
  );
}

/** The loader opens it once more, by its path. */
function loadFile(path: string): void {
  try {
    Deno.dlopen(path, {}).close();
  } catch (error) {
    const errno = readingFails(cString("path", path));
    throw meansTooManyFiles(errno) ? systemError("open", -errno, SUBJECT) : error;
  }
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
    loadFile(path);
    return path;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** The variant for Deno's own C library, or the other one if that can't be loaded. */
function loadEither({ name, gnu, musl }: Embedded): string {
  const [first, second] = Deno.build.target.includes("musl") ? [musl, gnu] : [gnu, musl];
  const libc = Deno.dlopen(LIBC, LIBC_SYMBOLS);
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

/**
 * The library that is embedded in the module graph. The caller closes it; its code stays.
 *
 * @throws {KupError} `"library"`, `"too-many-files"` or `"out-of-memory"`: none is embedded, it
 * is damaged, or the system refuses.
 * @throws Whatever else `Deno.dlopen` throws.
 */
export function openEmbedded<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  if (embedded === undefined) {
    const { os, arch } = Deno.build;
    throw new KupError(
      "library",
      `There is no native library for ${os} on ${arch} in this module, and none beside it; ` +
        "build it with `make native`, or name its file with the option `library`.",
      { cause: absence },
    );
  }
  const present = openLoaded(embedded.name, symbols);
  if (present !== undefined) return present;
  place ??= loadEither(embedded);
  // Of two isolates that got here at the same time, both take the copy that the loader found first.
  return openLoaded(embedded.name, symbols) ?? Deno.dlopen(place, symbols);
}
