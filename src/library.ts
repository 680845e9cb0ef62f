// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library: where it is found, and that it is the right one. Its calls are listed in
 * `symbols.ts`; `native/kup_user.h` says what each call does and returns.
 *
 * @module
 */

import { ABI_VERSION } from "./abi.ts";
import { cString, kindOf } from "./arguments.ts";
import { openEmbedded } from "./embedded.ts";
import { KupError, meansTooManyFiles, systemError } from "./errors.ts";
import { openLibc } from "./libc.ts";
import { fromFileUrl } from "./paths.ts";
import { permissionError, requireFfi } from "./permission.ts";
import { readingFails } from "./probe.ts";
import { buildCommand, checkRuntime } from "./runtime.ts";
import { SYMBOLS } from "./symbols.ts";

/** Must equal KUP_USER_INTERFACE of `native/kup_user.h`. */
const INTERFACE = 5;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** The native calls. */
export type Native = Library["symbols"];

/** poll(2) bits, as the native calls take and return them. */
export const POLLIN = 1;
export const POLLOUT = 4;

/**
 * A loaded library and how many devices, channels and attaches use it. When none does it is given
 * back to Deno, whose test runner would take it for a leak; the code itself stays in the process,
 * with its waiter thread.
 */
interface Loaded {
  /** Undefined for the one that is embedded in this module. */
  readonly file: string | undefined;
  readonly library: Library;
  users: number;
}

const loaded = new Map<string | undefined, Loaded>();

/**
 * The file that `make native` builds, beside this module; undefined when the module is not a file:
 * it came over the network, or from a `blob:` or `data:` URL. Bundles as CommonJS or as a script
 * have no URL at all.
 */
function localFile(): string | undefined {
  const here: string | undefined = import.meta.url;
  if (!here?.startsWith("file:")) return undefined;
  const { os, arch } = Deno.build;
  return fromFileUrl("library", new URL(`../native/build/libkup-${os}-${arch}.so`, here));
}

function load(file: string | undefined): Loaded {
  requireFfi("KUP");
  const library = openLibrary(file);
  const abi = library.symbols.kup_user_abi_version();
  const version = library.symbols.kup_user_interface();
  if (abi === ABI_VERSION && version === INTERFACE) return { file, library, users: 0 };
  library.close();
  throw versionError(file, abi, version);
}

function versionError(file: string | undefined, abi: number, version: number): KupError {
  return new KupError(
    "library",
    `The native library ${file ?? "in this module"} is of another version (ABI ${abi}, ` +
      `interface ${version}; wanted ${ABI_VERSION} and ${INTERFACE}); build it again.`,
  );
}

function openLibrary(file: string | undefined): Library {
  try {
    return file === undefined ? openEmbedded(SYMBOLS) : Deno.dlopen(file, SYMBOLS);
  } catch (cause) {
    throw explain(cause, file);
  }
}

/** An error of this module's for whatever was thrown while a library was being loaded. */
function explain(cause: unknown, file: string | undefined): KupError {
  if (cause instanceof KupError) return cause;
  if (cause instanceof Deno.errors.NotCapable) {
    return permissionError(file ?? "The native library in this module", cause);
  }
  return file === undefined
    ? new KupError(
      "library",
      "The native library in this module can't be loaded: the system has to let files in memory " +
        "be mapped as code, and /proc be there; or name the library's file with the option " +
        "`library`.",
      { cause },
    )
    : explainFile(cause, file);
}

/** Deno says only that something was wrong with the file or with one of the symbols. */
function explainFile(cause: unknown, file: string): KupError {
  if (isLibrary(file)) return explainLibrary(cause, file);
  try {
    const errno = readingFails(cString("library", file));
    if (meansTooManyFiles(errno)) return systemError("open", -errno, `The native library ${file}`);
  } catch (error) {
    // A permission for this file, and not for the system's library.
    if (error instanceof Deno.errors.NotCapable) return explain(error, file);
  }
  return new KupError(
    "library",
    `The native library ${file} can't be loaded; build it with \`${buildCommand()}\`, ` +
      "or name another one with the option `library`.",
    { cause },
  );
}

function isLibrary(file: string): boolean {
  try {
    Deno.dlopen(file, {}).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * It can be loaded, and lacks a symbol: another program's, or another version's, which has these
 * two.
 */
function explainLibrary(cause: unknown, file: string): KupError {
  const { kup_user_abi_version, kup_user_interface } = SYMBOLS;
  let library: Deno.DynamicLibrary<{
    kup_user_abi_version: typeof kup_user_abi_version;
    kup_user_interface: typeof kup_user_interface;
  }>;
  try {
    library = Deno.dlopen(file, { kup_user_abi_version, kup_user_interface });
  } catch {
    return new KupError(
      "library",
      `${file} is not KUP's native library (no symbol kup_user_interface); name KUP's with the ` +
        "option `library`, or leave the option out.",
      { cause },
    );
  }
  const abi = library.symbols.kup_user_abi_version();
  const version = library.symbols.kup_user_interface();
  library.close();
  if (abi !== ABI_VERSION || version !== INTERFACE) return versionError(file, abi, version);
  return new KupError(
    "library",
    `The native library ${file} lacks a symbol of its own version; build it again.`,
    { cause },
  );
}

/** Asks the system itself, which needs no permission to read. */
function isThere(file: string): boolean {
  try {
    const libc = openLibc({
      access: { parameters: ["buffer", "i32"], result: "i32" },
    });
    const result = libc.symbols.access(cString("library", file), 0);
    libc.close();
    return result === 0;
  } catch (cause) {
    throw explain(cause, file);
  }
}

/** The file beside this module if there is one, even if it is of no use; or else the embedded one. */
function loadUsual(): Loaded {
  const file = localFile();
  if (file === undefined) return load(undefined);
  try {
    return load(file);
  } catch (error) {
    const isMissing = error instanceof KupError && error.code === "library" && !isThere(file);
    if (!isMissing) throw error;
    return load(undefined);
  }
}

/**
 * The native calls, from the file that was asked for; or else from the file beside this module, or
 * else from this module itself. Their user gives them back with {@linkcode releaseNative}.
 *
 * @throws {KupError} `"unsupported"`, `"no-ffi-permission"`, `"library"`, `"too-many-files"` or
 * `"out-of-memory"`.
 * @throws {TypeError} If the file's name is no string, empty, or holds a NUL character.
 */
export function loadNative(file?: string): Native {
  if (file !== undefined && typeof file !== "string") {
    throw new TypeError(`\`library\` must be a string, not ${kindOf(file)}.`);
  }
  // To the loader an empty name is the program itself.
  if (file !== undefined) cString("library", file);
  checkRuntime();
  let entry = loaded.get(file ?? localFile());
  if (file === undefined) entry ??= loaded.get(undefined) ?? loadUsual();
  else entry ??= load(file);
  loaded.set(entry.file, entry);
  entry.users++;
  return entry.library.symbols;
}

function find(native: Native): Loaded | undefined {
  for (const entry of loaded.values()) if (entry.library.symbols === native) return entry;
  return undefined;
}

/** One more user of calls that somebody uses already. */
export function retainNative(native: Native): void {
  const entry = find(native);
  if (entry !== undefined) entry.users++;
}

/** The caller makes no more calls. */
export function releaseNative(native: Native): void {
  const entry = find(native);
  if (entry === undefined || --entry.users > 0) return;
  loaded.delete(entry.file);
  entry.library.close();
}
