// SPDX-License-Identifier: BSD-3-Clause
/** The names in `deps.ts`: each of them must exist in its stand-in. */

import { ROOT } from "../lib/paths.ts";
import { projectFiles } from "../lib/process.ts";

/** Only tests what deps.ts provides, so it does not count as a use. */
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

/** The static check of the whole checkout. */
export async function checkUnused(): Promise<string | undefined> {
  const paths = (await projectFiles("*.ts")).filter((path) => path !== STAND_INS_TEST);
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(`${ROOT}/${path}`)));
  const unused = findUnused(await Deno.readTextFile(`${ROOT}/deps.ts`), texts);
  return unused.length === 0 ? undefined : `used by no file: ${unused.join(", ")}`;
}
