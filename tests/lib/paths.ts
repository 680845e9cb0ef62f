// SPDX-License-Identifier: BSD-3-Clause
/** Paths in the checkout. All are absolute, without a slash at the end. */

import { fileURLToPath } from "node:url";

/** The top of the checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** What is fetched or built goes below this ignored folder. */
export const CACHE = `${ROOT}/.cache`;

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
 * runs at the same time, the first wins.
 */
export async function fillOnce(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  if (await exists(folder)) return;
  const temporary = `${folder}.tmp-${Deno.pid}`;
  await Deno.remove(temporary, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    await Deno.rename(temporary, folder);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(ignoreMissing);
    if (!await exists(folder)) throw error;
  }
}

/** For `catch`: what is to be removed may not exist. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
