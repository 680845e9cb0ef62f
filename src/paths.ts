// SPDX-License-Identifier: BSD-3-Clause
/**
 * The paths that callers name devices and client modules by.
 *
 * @module
 */

import { cString } from "./arguments.ts";
import { workingDirectory } from "./libc.ts";

/** What paths of the host driver begin with. */
export const HOST = "host:";

/**
 * The path that a URL of a file stands for.
 *
 * @param name The argument's, for the error.
 * @throws {TypeError} If the URL is of something else.
 */
export function fromFileUrl(name: string, url: URL): string {
  if (url.protocol === "file:" && url.hostname === "") {
    try {
      return decodeURIComponent(url.pathname);
    } catch {
      // Not UTF-8.
    }
  }
  throw new TypeError(
    `\`${name}\` must be a path, or a URL that begins with file:///, not ${url.href}.`,
  );
}

/** Later the working directory may be another one. */
function toAbsolute(path: string): string {
  if (path.startsWith("/")) return path;
  const folder = workingDirectory();
  if (folder === undefined) return path;
  return `${folder === "/" ? "" : folder}/${path.replace(/^(?:\.\/+)+/, "")}`;
}

/**
 * The one spelling of a device's path, which means the same after a change of the working
 * directory. Names of devices and of built-in clients of the host driver stay as they are; `host:`
 * may be followed by the URL of a file, too.
 *
 * @throws {TypeError} If it is no path.
 */
export function toPath(path: string | URL): string {
  if (path instanceof URL) return fromFileUrl("path", path);
  cString("path", path);
  if (!path.startsWith(HOST)) return toAbsolute(path);
  const name = path.slice(HOST.length);
  if (name.startsWith("file:///")) return HOST + fromFileUrl("path", new URL(name));
  return name.endsWith(".so") ? HOST + toAbsolute(name) : path;
}

/** What relative spellings of client modules meant when they were opened last. */
const opened = new Map<string, string>();

/** To be found by the same spelling after a change of the working directory. */
export function rememberPath(spelling: string | URL, whole: string): void {
  if (typeof spelling === "string" && spelling !== whole) opened.set(spelling, whole);
}

/** What a spelling meant when a device was opened by it, and means no longer. */
export function formerPath(spelling: string, whole: string): string | undefined {
  const former = opened.get(spelling);
  return former === whole ? undefined : former;
}
