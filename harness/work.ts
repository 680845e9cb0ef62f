// SPDX-License-Identifier: BSD-3-Clause
/**
 * A folder for one boot. A runner that was killed leaves one behind, with an initramfs of 100 MB.
 */

const PREFIX = "boot-";

/** A folder that this process has locked, and that is removed at the end. */
export interface WorkFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a folder for one boot inside `parent`, and removes those whose runners are gone. */
export async function makeWorkFolder(parent: string, name: string): Promise<WorkFolder> {
  await Deno.mkdir(parent, { recursive: true });
  return await oneAtATime(parent, async () => {
    await removeAbandoned(parent);
    const path = await Deno.makeTempDir({ dir: parent, prefix: `${PREFIX}${name}-` });
    const own = await Deno.open(`${path}/lock`, { create: true, write: true });
    await own.lock(true);
    return {
      path,
      async [Symbol.asyncDispose]() {
        await oneAtATime(parent, () => Deno.remove(path, { recursive: true }));
        own.close();
      },
    };
  });
}

/** No runner sees a folder that another one is making or removing. */
async function oneAtATime<T>(parent: string, act: () => Promise<T>): Promise<T> {
  using all = await Deno.open(`${parent}/lock`, { create: true, write: true });
  await all.lock(true);
  return await act();
}

async function removeAbandoned(parent: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(parent)) {
    const path = `${parent}/${name}`;
    if (!isDirectory || !name.startsWith(PREFIX) || await isInUse(path)) continue;
    await Deno.remove(path, { recursive: true });
  }
}

/** The kernel releases a process's locks when it ends. */
async function isInUse(folder: string): Promise<boolean> {
  try {
    using file = await Deno.open(`${folder}/lock`, { write: true });
    return !await file.tryLock(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
