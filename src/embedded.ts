// SPDX-License-Identifier: BSD-3-Clause
/**
 * The native library as a part of the module graph, so that a script which imports this module by
 * its URL needs `--allow-ffi` and nothing else.
 *
 * There is one copy in a process, whichever isolate comes first: all workers share the waiter and
 * the host driver. The loaders of glibc and FreeBSD find a library that is loaded already by the
 * name inside it, which no other build has. musl's doesn't: there each worker has a copy of its
 * own.
 *
 * @module
 */

import { CONTRACT } from "./abi.ts";
import { contract, libraries } from "./embedded/built_by_make.ts";
import { KupError } from "./errors.ts";
import { loadBytes } from "./library_file.ts";
import { buildCommand } from "./runtime.ts";

/** A shared object. */
interface Bytes {
  /** FNV-1a: the loader would take damaged bytes for code. */
  readonly checksum: number;
  readonly base64: string;
}

/** What a file in `embedded/` holds; `scripts/embed.ts` writes them. */
interface Embedded {
  readonly name: string;
  /** On Linux, one for each C library. */
  readonly gnu?: Bytes;
  readonly musl?: Bytes;
  readonly freebsd?: Bytes;
}

/**
 * A type error here means that the libraries are stale: run `make abi prebuilt`. The two names are
 * literal types, and `deno publish` checks types, so stale libraries can't be published.
 */
const builtFor: typeof CONTRACT = contract;

/** By the system and the machine. In a checkout there is one only after `make prebuilt`. */
const embedded: Readonly<Record<string, Embedded>> = libraries;

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

/** Those for this system, the likeliest first. */
function variants({ freebsd, gnu, musl }: Embedded): Bytes[] {
  const inOrder = Deno.build.target.includes("musl") ? [musl, gnu] : [gnu, musl];
  return [freebsd, ...inOrder].filter((bytes) => bytes !== undefined);
}

/** The first that can be loaded; or the first one's error, which is about Deno's own C library. */
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
 * The library that is embedded in the module graph. The caller closes it; its code stays.
 *
 * @throws {KupError} `"library"`, `"too-many-files"` or `"out-of-memory"`: none is embedded, it
 * is damaged, or the system refuses.
 * @throws Whatever else `Deno.dlopen` throws.
 */
export function openEmbedded<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S> {
  const library = findEmbedded();
  const present = openLoaded(library.name, symbols);
  if (present !== undefined) return present;
  place ??= loadAny(library);
  // Of two isolates that got here at the same time, both take the copy that the loader found first.
  return openLoaded(library.name, symbols) ?? Deno.dlopen(place, symbols);
}
