// SPDX-License-Identifier: BSD-3-Clause
/**
 * Loads a library from its bytes. dlopen(3) takes only paths, so the bytes become a file for a
 * moment: on Linux a file in memory; on FreeBSD, where a file in memory has no path, a temporary
 * file. The calls of the C library that make these files need no permission but FFI.
 *
 * @module
 */

import { cString } from "./arguments.ts";
import { errnoName } from "./errno.ts";
import { KupError, meansTooManyFiles, systemError } from "./errors.ts";
import { openLibc } from "./libc.ts";
import { ERRNO_SYMBOLS, errnoReader, readingFails } from "./probe.ts";

/** The subject of error messages. */
const SUBJECT = "The native library in this module";

const MFD_CLOEXEC = 1;
const MFD_NOEXEC_SEAL = 8;

/** The value of O_CLOEXEC, by `Deno.build.os`. */
const CLOSE_ON_EXEC: Readonly<Record<string, number>> = { linux: 0o2000000, freebsd: 0x100000 };

const WRITING = {
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Each system's C library has only a part of these. */
const MEMORY_FILES = {
  ...WRITING,
  ...ERRNO_SYMBOLS,
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const TEMPORARY_FILES = {
  ...WRITING,
  getenv: { parameters: ["buffer"], result: "pointer" },
  mkostemp: { parameters: ["buffer", "i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Writing = Deno.DynamicLibrary<typeof WRITING>["symbols"];
type MemoryFiles = Deno.DynamicLibrary<typeof MEMORY_FILES>["symbols"];
type TemporaryFiles = Deno.DynamicLibrary<typeof TEMPORARY_FILES>["symbols"];

/** Writes all bytes; returns whether that succeeded. */
function writeAll(libc: Writing, fd: number, bytes: Uint8Array<ArrayBuffer>): boolean {
  let rest = bytes;
  while (rest.length > 0) {
    const written = Number(libc.write(fd, rest, BigInt(rest.length)));
    if (written <= 0) return false;
    rest = rest.subarray(written);
  }
  return true;
}

// ---- Files in memory ----

/** Makes a file that is in memory only, and returns its descriptor. */
function createMemoryFile(libc: MemoryFiles, name: string): number {
  const text = cString("name", name);
  const errno = errnoReader(libc);
  // The file is mapped, and never run as a program, so no setting of vm.memfd_noexec forbids it.
  let fd = libc.memfd_create(text, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  // Linux before 6.3 doesn't know the second flag.
  if (fd < 0) fd = libc.memfd_create(text, MFD_CLOEXEC);
  if (fd >= 0) return fd;
  throw memoryFileError(errno());
}

/** The error for memfd_create. A sandbox may forbid the call with any errno. */
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

/** Loads the file; the loader opens it once more, by its path. */
function loadFile(path: string): void {
  try {
    Deno.dlopen(path, {}).close();
  } catch (error) {
    const errno = readingFails(cString("path", path));
    throw meansTooManyFiles(errno) ? systemError("open", -errno, SUBJECT) : error;
  }
}

/**
 * Loads a library from a file in memory. The descriptor stays open as long as the code is there,
 * because the loader identifies files by their paths: it would take the next file with this number
 * for this one. The dot in the path has the same reason: other programs that load from descriptors
 * don't spell their paths like this.
 */
function loadFromMemory(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  const library = openLibc(MEMORY_FILES);
  const libc = library.symbols;
  let fd = -1;
  try {
    fd = createMemoryFile(libc, name);
    if (!writeAll(libc, fd, bytes)) {
      throw new KupError("out-of-memory", "There is not enough memory for the native library.");
    }
    const path = `/proc/self/fd/./${fd}`;
    loadFile(path);
    return path;
  } catch (error) {
    if (fd >= 0) libc.close(fd);
    throw error;
  } finally {
    library.close();
  }
}

// ---- Temporary files ----

/** Folders in which a temporary file may be made, in the order in which they are tried. */
function temporaryFolders(libc: TemporaryFiles): string[] {
  const variable = libc.getenv(cString("name", "TMPDIR"));
  const own = variable === null ? "" : Deno.UnsafePointerView.getCString(variable);
  return [...own.startsWith("/") ? [own] : [], "/tmp", "/var/tmp"];
}

/**
 * Loads from a new file, which only this user can write to, and removes the file. The code stays.
 */
function loadFrom(
  libc: TemporaryFiles,
  folder: string,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): string {
  const template = cString("name", `${folder}/${name}.XXXXXX`);
  const fd = libc.mkostemp(template, CLOSE_ON_EXEC[Deno.build.os] ?? 0);
  if (fd < 0) throw new Error(`No file can be made in ${folder}.`);
  try {
    const isWritten = writeAll(libc, fd, bytes);
    libc.close(fd);
    if (!isWritten) throw new Error(`There is not enough room in ${folder}.`);
    const path = new TextDecoder().decode(template.subarray(0, -1));
    Deno.dlopen(path, {}).close();
    return path;
  } finally {
    libc.unlink(template);
  }
}

function loadFromTemporary(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  const library = openLibc(TEMPORARY_FILES);
  const problems: unknown[] = [];
  try {
    for (const folder of temporaryFolders(library.symbols)) {
      try {
        return loadFrom(library.symbols, folder, name, bytes);
      } catch (error) {
        if (error instanceof Deno.errors.NotCapable) throw error;
        problems.push(error);
      }
    }
  } finally {
    library.close();
  }
  throw new KupError(
    "library",
    "The native library in this module is loaded from a temporary file, and none can be made and " +
      "mapped as code: set TMPDIR to a folder with room, on a file system that is not mounted " +
      "noexec; or name the library's file with the option `library`.",
    { cause: new AggregateError(problems, problems.map(String).join(" ")) },
  );
}

// ---- Both ----

function hasMemoryFiles(): boolean {
  return Deno.build.os === "linux";
}

/**
 * Loads a library, whose code then stays, and returns the path that it was loaded from. Only a file
 * in memory still exists then. After a temporary file was used, the loader finds the library by its
 * name.
 *
 * @param name The library's name inside the file (its DT_SONAME).
 * @throws {KupError} `"library"` or `"out-of-memory"`: the system refuses the file.
 * @throws Any other error of `Deno.dlopen`.
 */
export function loadBytes(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  return hasMemoryFiles() ? loadFromMemory(name, bytes) : loadFromTemporary(name, bytes);
}
