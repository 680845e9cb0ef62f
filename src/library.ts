// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library: where it is found, and that it is the right one. Its calls are listed in
 * `symbols.ts`; `native/kup_user.h` says what each call does and returns.
 *
 * @module
 */

import { ABI_VERSION } from "./abi.ts";
import { cString } from "./arguments.ts";
import { openEmbedded } from "./embedded.ts";
import { KupError } from "./errors.ts";
import { openLibc } from "./libc.ts";
import { fromFileUrl } from "./paths.ts";
import { checkRuntime } from "./runtime.ts";
import { SYMBOLS } from "./symbols.ts";

/** Must equal KUP_USER_INTERFACE of `native/kup_user.h`. */
const INTERFACE = 3;

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
  const library = openLibrary(file);
  const abi = library.symbols.kup_user_abi_version();
  const version = library.symbols.kup_user_interface();
  if (abi === ABI_VERSION && version === INTERFACE) return { file, library, users: 0 };
  library.close();
  throw new KupError(
    "library",
    `The native library ${file ?? "in this module"} is of another version (ABI ${abi}, ` +
      `interface ${version}; wanted ${ABI_VERSION} and ${INTERFACE}); build it anew.`,
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
    return new KupError("no-ffi-permission", "KUP needs FFI: run Deno with --allow-ffi.", {
      cause,
    });
  }
  return new KupError(
    "library",
    file === undefined
      ? "The native library in this module can't be loaded: the system has to let files in memory " +
        "be mapped as code, and /proc be there; or name the library's file with the option `library`."
      : `The native library ${file} can't be loaded; build it with \`make native\`, ` +
        "or name another one with the option `library`.",
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
 * @throws {KupError} `"unsupported"`, `"no-ffi-permission"`, `"library"` or `"out-of-memory"`.
 */
export function loadNative(file?: string): Native {
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
