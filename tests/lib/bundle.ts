// SPDX-License-Identifier: BSD-3-Clause
/** Programs as bundles. */

import { capture, must } from "./process.ts";

/**
 * Bundles a program that is a file. Returns the bundle's path, which differs only in its ending.
 */
export async function bundle(file: string, ...options: string[]): Promise<string> {
  const ending = options.includes("--format=cjs") ? "cjs" : "mjs";
  const output = file.replace(/\w+$/, ending);
  const command = [Deno.execPath(), "bundle", "--quiet", "--no-config", ...options];
  await must([...command, "-o", output, file]);
  return output;
}

/** Deno gets its bundler from npm, once. Returns false if it can't get it. */
export async function canBundle(): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "kup-bundler-" });
  try {
    await Deno.writeTextFile(`${folder}/nothing.ts`, "export {};\n");
    const command = [Deno.execPath(), "bundle", "--quiet", "--no-config", "nothing.ts"];
    return (await capture(command, { cwd: folder })).code === 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
