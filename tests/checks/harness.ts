// SPDX-License-Identifier: BSD-3-Clause
/** The harness as others use it: a new module, and modules with bugs on purpose. */

import { ROOT } from "../lib/paths.ts";
import { capture, type Finished } from "../lib/process.ts";
import { publishedFiles } from "../lib/published.ts";
import { servePublished } from "../lib/serve.ts";
import type { Tally } from "../lib/tally.ts";
import { CONFIG } from "./static.ts";

/** A module with a bug, and what `kup test` ends with. */
interface Planted {
  readonly folder: string;
  readonly args: readonly string[];
  /** The last line, and what comes before. */
  readonly cause: RegExp;
}

const PLANTED: readonly Planted[] = [
  {
    folder: "broken",
    args: [],
    cause: /tests\/harness\/broken does not build for Linux .*missing_function.*\n$/,
  },
  {
    folder: "refuse",
    args: [],
    cause: /the end of the kernel's log[^]*\ninsmod planted_refuse\.ko: .*File exists\n$/,
  },
  {
    folder: "oops",
    args: [],
    cause: /planted_oops[^]*\nkernel log: .*BUG: kernel NULL pointer dereference.*\n$/,
  },
  {
    folder: "hang",
    args: ["--silence", "30"],
    cause: /\nthe guest was ended: it printed nothing for 30 s; .*\n$/,
  },
];

/** What only the debug kernel finds. */
const PLANTED_LEAK: Planted = {
  folder: "leak",
  args: ["--run", "true"],
  cause: /\nkernel log: .*kmemleak: unreferenced object.*planted_leak.*\n$/,
};

async function recorded(
  tally: Tally,
  name: string,
  run: () => Promise<string | undefined>,
  print: (line: string) => void = console.log,
): Promise<void> {
  const reason = await run().catch((error: Error) => error.message);
  tally.record(reason === undefined ? "passed" : "failed", name);
  print(reason === undefined ? `ok ${name}` : `not ok ${name}\n${reason}`);
}

/** Why a run was not as expected. */
function compare({ code, output }: Finished, status: number, text: RegExp): string | undefined {
  if (code === status && text.test(output)) return undefined;
  return `exit status ${code} instead of ${status}, or no ${text} in:\n${output}`;
}

/** The first steps with the harness, in a kernel of a series. */
export async function runHarnessTests(tally: Tally, series: string): Promise<void> {
  await recorded(
    tally,
    `kup new and kup test of the published package need nothing else on Linux ${series}`,
    () => testPublished(series),
  );
}

/** Runs modules with bugs, each in a guest of its own: a leak in the debug kernel. */
export async function runPlantedTests(
  tally: Tally,
  series: string,
  print: (line: string) => void,
): Promise<void> {
  for (const planted of PLANTED) await testPlanted(tally, series, planted, print);
  await testPlanted(tally, "debug", PLANTED_LEAK, print);
}

async function testPlanted(
  tally: Tally,
  series: string,
  planted: Planted,
  print: (line: string) => void,
): Promise<void> {
  const { folder, args, cause } = planted;
  const name = `kup test ends with the cause of a module's bug (${folder}) on Linux ${series}`;
  await recorded(tally, name, async () => {
    const command = ["run", "-A", "--no-check", "--config", CONFIG, `${ROOT}/harness.ts`, "test"];
    const run = await capture(
      [Deno.execPath(), ...command, "--kernel", series, ...args, `tests/harness/${folder}`],
      { env: { NO_COLOR: "1" } },
    );
    return compare(run, 1, cause);
  }, print);
}

/** From an empty folder to a module that is tested in a kernel, with the published files alone. */
async function testPublished(series: string): Promise<string | undefined> {
  await using server = servePublished(await publishedFiles());
  const cwd = await Deno.makeTempDir({ prefix: "kup-published-" });
  try {
    const url = `http://127.0.0.1:${server.addr.port}/harness.ts`;
    const env = { DENO_DIR: `${cwd}/deno`, KUP_CACHE: `${ROOT}/.cache`, NO_COLOR: "1" };
    const kup = (...args: string[]) =>
      capture([Deno.execPath(), "run", "-A", "--no-config", "--quiet", url, ...args], { cwd, env });
    const made = await kup("new", "thing");
    if (made.code !== 0) return made.output;
    // Only the files that are named are run.
    const other = `Deno.test("another file's", () => { throw new Error("It was run."); });`;
    await Deno.writeTextFile(`${cwd}/thing/other_test.ts`, other);
    const tested = await kup("test", "--kernel", series, "thing", "thing_test.ts");
    return compare(tested, 0, /2 passed \| 0 failed[^]*all is well on Linux/);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}
