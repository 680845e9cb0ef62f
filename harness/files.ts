// SPDX-License-Identifier: BSD-3-Clause
/** Files and folders, and the cache, where what is fetched or built is kept. */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { HarnessError } from "./error.ts";

/**
 * The top of the checkout that this file belongs to; undefined if it belongs to the published
 * package, which has no folder.
 */
export const CHECKOUT: string | undefined = findCheckout();

function findCheckout(): string | undefined {
  if (!import.meta.url.startsWith("file:")) return undefined;
  return fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
}

let known: string | undefined;

/**
 * The folder of the cache: `$KUP_CACHE`; in a checkout `.cache`; otherwise `$XDG_CACHE_HOME/kup`,
 * or `~/.cache/kup`.
 */
export function cacheFolder(): string {
  known ??= chooseCache();
  return known;
}

function chooseCache(): string {
  const own = Deno.env.get("KUP_CACHE");
  // Programs that run in other folders get it too.
  if (own) return resolve(own);
  if (CHECKOUT !== undefined) return `${CHECKOUT}/.cache`;
  const shared = Deno.env.get("XDG_CACHE_HOME");
  if (shared?.startsWith("/")) return `${shared}/kup`;
  const home = Deno.env.get("HOME");
  if (home?.startsWith("/")) return `${home}/.cache/kup`;
  throw new HarnessError("setting", "There is no HOME; name a folder for kernels in KUP_CACHE.");
}

/** Whether anything exists at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Makes a folder's content appear all at once: `fill` works in a temporary folder beside it, which
 * then takes its place. A run that dies half-way leaves nothing that a later one would use. Of two
 * runs at the same time, the second waits for the first.
 */
export async function fillOnce(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  if (await exists(folder)) return;
  await Deno.mkdir(dirname(folder), { recursive: true });
  using _lock = await lockFile(`${folder}.lock`);
  if (await exists(folder)) return;
  const temporary = `${folder}.tmp`;
  await removeIfThere(temporary);
  await Deno.mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await Deno.rename(temporary, folder);
  } catch (error) {
    await removeIfThere(temporary);
    throw error;
  }
}

/** Waits until this process alone has a file locked. The lock ends with the file. */
export async function lockFile(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { create: true, write: true });
  try {
    await file.lock(true);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** Removes a file or a folder with its content. */
export async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreMissing);
}

/** For `catch`: what is to be removed may not exist. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Writes a file, and makes its folder. */
export async function writeFile(path: string, data: string | Uint8Array): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  if (typeof data === "string") await Deno.writeTextFile(path, data);
  else await Deno.writeFile(path, data);
}

/** Copies a file, and makes the folder of the copy. */
export async function install(from: string, to: string, mode?: number): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(from, to);
  if (mode !== undefined) await Deno.chmod(to, mode);
}

/** The first 16 digits of a text's hash. */
export async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const bytes = [...new Uint8Array(digest).subarray(0, 8)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The folder of a path. */
export function dirname(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** The last part of a path. */
export function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
