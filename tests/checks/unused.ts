// SPDX-License-Identifier: BSD-3-Clause
/** The names in `deps.ts` and `cli/deps.ts`: each of them must exist in its stand-in. */

import { ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

/** Only tests what they provide, so it does not count as a use. */
const STAND_INS_TEST = "tests/unit/stand_ins_test.ts";

/** The names in every `{ … }` that a pattern finds, without the names that they get there. */
function names(text: string, braces: RegExp, side: "first" | "last"): string[] {
  const lists = [...text.matchAll(braces)].flatMap(([, list]) => list!.split(","));
  const words = lists.map((item) => item.trim().replace(/^type /, "").split(" as "));
  return words.map((pair) => side === "first" ? pair[0]! : pair.at(-1)!).filter((name) =>
    name !== ""
  );
}

/** Returns the names that `deps` exports and no file in `users` imports from it. */
export function findUnused(deps: string, users: readonly string[]): string[] {
  const used = new Set(
    users.flatMap((text) =>
      names(
        text,
        /\b(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"[^"]*\bdeps\.ts"/g,
        "first",
      )
    ),
  );
  return names(deps, /\bexport\s+(?:type\s+)?\{([^}]*)\}/g, "last").filter((name) =>
    !used.has(name)
  );
}

/** The files that may name external modules, and whose imports of each count as uses. */
const LISTS: Readonly<Record<string, (path: string) => boolean>> = {
  "deps.ts": (path) => !path.startsWith("cli/"),
  "cli/deps.ts": (path) => path.startsWith("cli/"),
};

/** The static check of the whole checkout. */
export async function checkUnused(): Promise<string | undefined> {
  const paths = (await projectFiles("*.ts")).filter((path) => path !== STAND_INS_TEST);
  const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);
  const unused: string[] = [];
  for (const [list, counts] of Object.entries(LISTS)) {
    const texts = await Promise.all(paths.filter(counts).map(read));
    unused.push(...findUnused(await read(list), texts));
  }
  return unused.length === 0 ? undefined : `used by no file: ${unused.join(", ")}`;
}
