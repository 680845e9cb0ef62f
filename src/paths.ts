// SPDX-License-Identifier: BSD-3-Clause
/**
 * The paths with which callers name devices and client modules.
 *
 * @module
 */

import { cString } from "./arguments.ts";
import { workingDirectory } from "./libc.ts";

/** The beginning of every path of the host driver. */
export const HOST = "host:";

/**
 * Returns the path that a file's URL stands for.
 *
 * @param name The argument's name, for the error.
 * @throws {TypeError} If the URL is not a file's.
 */
export function fromFileUrl(name: string, url: URL): string {
  if (url.protocol === "file:" && url.hostname === "") {
    try {
      return decodeURIComponent(url.pathname);
    } catch {
      // The path is not UTF-8.
    }
  }
  throw new TypeError(
    `\`${name}\` must be a path, or a URL that begins with file:///, not ${url.href}.`,
  );
}

/** Makes a path absolute, because the working directory may change later. */
function toAbsolute(path: string): string {
  if (path.startsWith("/")) return path;
  const folder = workingDirectory();
  if (folder === undefined) return path;
  return `${folder === "/" ? "" : folder}/${path.replace(/^(?:\.\/+)+/, "")}`;
}

/**
 * Returns a device's path in a form that does not depend on the working directory. Names of devices
 * and of built-in clients of the host driver stay as they are. The part after `host:` may be a
 * file's URL.
 *
 * @throws {TypeError} If it is not a path.
 */
export function toPath(path: string | URL): string {
  if (path instanceof URL) return fromFileUrl("path", path);
  cString("path", path);
  if (!path.startsWith(HOST)) return toAbsolute(path);
  const name = path.slice(HOST.length);
  if (name.startsWith("file:///")) return HOST + fromFileUrl("path", new URL(name));
  return name.endsWith(".so") ? HOST + toAbsolute(name) : path;
}

/** The absolute paths of relative spellings, as they were when a device was last opened by them. */
const opened = new Map<string, string>();

/** Remembers a spelling, so that it is found again after a change of the working directory. */
export function rememberPath(spelling: string | URL, whole: string): void {
  if (typeof spelling === "string" && spelling !== whole) opened.set(spelling, whole);
}

/**
 * The path that a spelling meant when a device was last opened by it, if it means another one now.
 */
export function formerPath(spelling: string, whole: string): string | undefined {
  const former = opened.get(spelling);
  return former === whole ? undefined : former;
}
