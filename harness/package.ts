// SPDX-License-Identifier: BSD-3-Clause
/**
 * The files of KUP that have to be files: the sources of its kernel modules, what runs in the
 * guest, the library for the guest, and the template. In a checkout they are there. The published
 * package contains them as a module (`embedded/files.ts`, which `make prebuilt` writes), and they
 * are unpacked into the cache.
 */

import { cacheFolder, CHECKOUT, fillOnce, hashOf, writeFile } from "./files.ts";

/** What `embedded/files.ts` has. */
interface Embedded {
  /** The texts of the files, by their paths in the checkout. */
  readonly files: Readonly<Record<string, string>>;
}

let found: Promise<string> | undefined;

/** The path of a folder that has these files at the same places as a checkout. */
export function packageFolder(): Promise<string> {
  found ??= CHECKOUT === undefined ? unpack() : Promise.resolve(CHECKOUT);
  return found;
}

async function unpack(): Promise<string> {
  const { files }: Embedded = await import("./embedded/files.ts");
  const { contract, libraries } = await import("../src/embedded/built_by_make.ts");
  const library = `// SPDX-License-Identifier: BSD-3-Clause
export const contract = ${JSON.stringify(contract)} as const;
export const libraries = ${
    JSON.stringify({
      "linux-x86_64": libraries["linux-x86_64"],
      "linux-aarch64": libraries["linux-aarch64"],
    })
  };
`;
  const folder = `${cacheFolder()}/package/${await hashOf(JSON.stringify(files) + library)}`;
  await fillOnce(folder, async (temporary) => {
    for (const [path, text] of Object.entries(files)) await writeFile(`${temporary}/${path}`, text);
    await writeFile(`${temporary}/src/embedded/built_by_make.ts`, library);
  });
  return folder;
}

/** All files below a folder, as paths in it, without names that begin with a dot. */
export async function filesBelow(folder: string): Promise<string[]> {
  return (await Array.fromAsync(walk(folder, ""))).sort();
}

async function* walk(folder: string, below: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${entry.name}`;
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory) yield* walk(folder, `${path}/`);
    else if (await isFile(`${folder}/${path}`)) yield path;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
