// SPDX-License-Identifier: BSD-3-Clause
/** Running other programs, by default at the top of the checkout. */

import * as anywhere from "../../harness/process.ts";
import { ROOT } from "./paths.ts";

export { CommandError, type Finished, type RunOptions } from "../../harness/process.ts";

/** Runs a program to its end and keeps what it prints, with any exit status. */
export async function capture(
  command: readonly string[],
  options: anywhere.RunOptions = {},
): Promise<anywhere.Finished> {
  return await anywhere.capture(command, { cwd: ROOT, ...options });
}

/** Runs a program that has to succeed, and returns its standard output. */
export async function must(
  command: readonly string[],
  options: anywhere.RunOptions = {},
): Promise<string> {
  return await anywhere.must(command, { cwd: ROOT, ...options });
}

/** The files of the checkout that git tracks or would add: relative paths, without ignored ones. */
export async function projectFiles(...patterns: string[]): Promise<string[]> {
  return await checkoutFiles(ROOT, ...patterns);
}

/** The same for any checkout, or a part of one. */
export async function checkoutFiles(root: string, ...patterns: string[]): Promise<string[]> {
  const listed = await must(
    ["git", "ls-files", "-co", "--exclude-standard", "--deduplicate", "-z", "--", ...patterns],
    { cwd: root },
  );
  const paths = listed.split("\0").filter((path) => path !== "");
  // git also lists files of the index that were just deleted.
  const there = await Promise.all(
    paths.map((path) =>
      Deno.lstat(`${root}/${path}`).then((info) => !info.isDirectory, () => false)
    ),
  );
  return paths.filter((_, index) => there[index]).sort();
}
