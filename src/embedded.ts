// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library as a part of the module graph. With it, a script that imports this module by
 * its URL needs `--allow-ffi` and nothing else.
 *
 * A process has one copy: all workers share the waiter and the host driver. The loaders of glibc
 * and FreeBSD find a library that is loaded already by the name inside it, which no other build
 * has. musl's loader doesn't, so there each worker has a copy of its own.
 *
 * @module
 */

import { CONTRACT } from "./abi.ts";
import { checksum as checksumOf } from "./checksum.ts";
import { contract, libraries } from "./embedded/built_by_make.ts";
import { KupError } from "./errors.ts";
import { loadBytes } from "./library_file.ts";
import { buildCommand } from "./runtime.ts";

/** A shared object. */
interface Bytes {
  /** See `checksum.ts`. The loader would execute damaged bytes. */
  readonly checksum: number;
  readonly base64: string;
}

/** What a file in `embedded/` contains; `scripts/embed.ts` writes these files. */
interface Embedded {
  readonly name: string;
  /** On Linux there is one for each C library. */
  readonly gnu?: Bytes;
  readonly musl?: Bytes;
  readonly freebsd?: Bytes;
}

/**
 * A type error here means that the libraries are stale: run `make abi prebuilt`. The two names are
 * literal types, and `deno publish` checks types, so stale libraries can't be published.
 */
const builtFor: typeof CONTRACT = contract;

/** By the system and the machine. In a checkout there are some only after `make prebuilt`. */
const embedded: Readonly<Record<string, Embedded>> = libraries;

/**
 * The path of the copy that this isolate has loaded. If it is undefined, this isolate uses another
 * isolate's copy.
 */
let place: string | undefined;

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    // The second way is for older Denos; it takes 5 ms, the first one 0.1.
    return Uint8Array.fromBase64?.(text) ??
      Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}

function decode({ base64, checksum }: Bytes): Uint8Array<ArrayBuffer> {
  const bytes = fromBase64(base64);
  if (checksumOf(bytes) === checksum) return bytes;
  throw new KupError(
    "library",
    "The native library in this module is damaged; fetch the module again (deno run --reload).",
  );
}

/** The libraries for this system, the most likely one first. */
function variants({ freebsd, gnu, musl }: Embedded): Bytes[] {
  const inOrder = Deno.build.target.includes("musl") ? [musl, gnu] : [gnu, musl];
  return [freebsd, ...inOrder].filter((bytes) => bytes !== undefined);
}

/**
 * Loads the first one that can be loaded. If none can, throws the first one's error, which is about
 * Deno's own C library.
 */
function loadAny(library: Embedded): string {
  const errors: unknown[] = [];
  for (const bytes of variants(library)) {
    try {
      return loadBytes(library.name, decode(bytes));
    } catch (error) {
      errors.push(error);
      if (error instanceof KupError) break;
    }
  }
  throw errors[0];
}

/** Undefined if no library of this name is loaded, or if this C library doesn't search by name. */
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
        `build it with \`${buildCommand()}\`, or name its file with the option \`library\`.`,
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
 * Opens the library that is embedded in the module graph. The caller closes it; its code stays in
 * the process.
 *
 * @throws {KupError} `"library"`, `"too-many-files"` or `"out-of-memory"`: no library is embedded,
 * it is damaged, or the system refuses it.
 * @throws Any other error of `Deno.dlopen`.
 */
export function openEmbedded<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  const library = findEmbedded();
  const present = openLoaded(library.name, symbols);
  if (present !== undefined) return present;
  place ??= loadAny(library);
  // If two isolates get here at the same time, both use the copy that the loader finds first.
  return openLoaded(library.name, symbols) ?? Deno.dlopen(place, symbols);
}
