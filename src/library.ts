// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library: where it is found, and whether it is the right one. Its calls are listed in
 * `symbols.ts`; `native/kup_user.h` documents what each call does and returns.
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
 * A loaded library, and how many devices, channels and attaches use it. When none does, the library
 * is closed, since Deno's test runner would report it as a leak. Its code, and its waiter thread,
 * stay in the process.
 */
interface Loaded {
  /** Undefined for the library that is embedded in this module. */
  readonly file: string | undefined;
  readonly library: Library;
  users: number;
}

const loaded = new Map<string | undefined, Loaded>();

/**
 * The file that `make native` builds, beside this module. Undefined if the module is not a file: it
 * came over the network, or from a `blob:` or `data:` URL. A bundle as CommonJS or as a script has
 * no URL at all.
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

/** Turns an error that was thrown while a library was being loaded into an error of this module. */
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

/**
 * Explains why a file can't be loaded: Deno's own error does not say whether the file or a symbol
 * is wrong.
 */
function explainFile(cause: unknown, file: string): KupError {
  if (isLibrary(file)) return explainLibrary(cause, file);
  try {
    const errno = readingFails(cString("library", file));
    if (meansTooManyFiles(errno)) return systemError("open", -errno, `The native library ${file}`);
  } catch (error) {
    // There is a permission for this file, but not for the system's library.
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
 * Explains an error of a library that can be loaded, but lacks a symbol: it is another program's;
 * or it is KUP's in another version, which does have these two symbols.
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

/**
 * Loads the file beside this module if it exists, even if it can't be used; otherwise the embedded
 * library.
 */
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
 * Returns the native calls: from the file that was asked for; by default from the file beside this
 * module if it exists, and otherwise from this module itself. The caller gives them back with
 * {@linkcode releaseNative}.
 *
 * @throws {KupError} `"unsupported"`, `"no-ffi-permission"`, `"library"`, `"too-many-files"` or
 * `"out-of-memory"`.
 * @throws {TypeError} If the file's name is not a string, is empty, or contains a NUL character.
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

/** Adds a user of native calls that are in use already. */
export function retainNative(native: Native): void {
  const entry = find(native);
  if (entry !== undefined) entry.users++;
}

/** Ends one use of the native calls: this user makes no more calls. */
export function releaseNative(native: Native): void {
  const entry = find(native);
  if (entry === undefined || --entry.users > 0) return;
  loaded.delete(entry.file);
  entry.library.close();
}
