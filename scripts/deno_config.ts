// SPDX-License-Identifier: BSD-3-Clause
/**
 * Prints the name of the configuration that every Deno command has to use: `deno.json` where JSR
 * can be reached (or its modules are cached already), and otherwise a generated
 * `deno.offline.json`, which is the same except that it serves the stand-ins in `tests/std/`.
 *
 * The answer is kept in `.cache/` for a day. This script imports nothing, because it runs before it
 * is known which modules exist.
 *
 *     deno run -A --no-config scripts/deno_config.ts
 */

const ROOT = new URL("../", import.meta.url);
const REAL = "deno.json";
const OFFLINE = "deno.offline.json";
const ANSWER = new URL(".cache/deno-config", ROOT);
const DAY_MS = 24 * 60 * 60 * 1000;

/** How long JSR may take to answer. A first download of three small packages takes a second. */
const PATIENCE_MS = 8000;

async function modifiedAt(file: URL): Promise<number> {
  try {
    return (await Deno.stat(file)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Asks Deno itself, so that its proxies, its certificates and its cache are used. */
async function canResolve(): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--config", REAL, "deps.ts", "cli/deps.ts"],
    cwd: ROOT,
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return (await command.output()).success;
}

/** The names of the stand-ins' folders; each is a package of its own. */
async function standIns(): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(new URL("tests/std/", ROOT))) {
    if (entry.isDirectory) names.push(`./tests/std/${entry.name}`);
  }
  return names.sort();
}

/** Two runs may write at once, so the file appears whole or not at all. */
async function writeWhole(file: URL, text: string): Promise<void> {
  const temporary = new URL(`${file.href}.${Deno.pid}`);
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, file);
}

/** Writes the offline configuration, also where it isn't used: the test machine has no network. */
async function writeOffline(): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(new URL(REAL, ROOT)));
  config.links = await standIns();
  await writeWhole(new URL(OFFLINE, ROOT), JSON.stringify(config, null, 2) + "\n");
}

async function choose(): Promise<string> {
  const known = await modifiedAt(ANSWER);
  const changed = Math.max(
    await modifiedAt(new URL(REAL, ROOT)),
    await modifiedAt(new URL("deps.ts", ROOT)),
    await modifiedAt(new URL("cli/deps.ts", ROOT)),
    await modifiedAt(new URL(import.meta.url)),
  );
  if (known > changed && Date.now() - known < DAY_MS && await modifiedAt(new URL(OFFLINE, ROOT))) {
    return (await Deno.readTextFile(ANSWER)).trim();
  }
  await Deno.mkdir(new URL(".cache/", ROOT), { recursive: true });
  await writeOffline();
  const answer = await canResolve() ? REAL : OFFLINE;
  if (answer === OFFLINE) {
    console.error("setup: JSR can't be reached; tests/std/ stands in for @std today");
  }
  await writeWhole(ANSWER, answer + "\n");
  return answer;
}

console.log(await choose());
