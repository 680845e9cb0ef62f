// SPDX-License-Identifier: BSD-3-Clause
/** The files that the native library is built from. The flags are in native/Makefile. */

import { CHECKOUT } from "../harness/files.ts";
import { filesBelow } from "../harness/package.ts";

const SOURCE = /\.[ch]$|^native\/Makefile$|^native\/exports\.map$/;

/** Code of kernels, which the library does not contain, and what builds leave behind. */
const LEFT_OUT = /^native\/build\/|^kmod\/(?:freebsd|os\/freebsd|os\/linux)\/|\.mod\.c$/;

/**
 * Their paths in the checkout, sorted. Headers and sources that the library does not use may be
 * among them; a file that is missing here would leave an old library in the package.
 */
export async function librarySources(): Promise<string[]> {
  const paths: string[] = [];
  for (const folder of ["kmod", "native"]) {
    for (const path of await filesBelow(`${CHECKOUT}/${folder}`)) paths.push(`${folder}/${path}`);
  }
  return paths.filter((path) => SOURCE.test(path) && !LEFT_OUT.test(path));
}
