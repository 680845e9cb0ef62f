// SPDX-License-Identifier: BSD-3-Clause
/**
 * The version of the project: `deno.json` has it, and these other places repeat it because their
 * formats leave no choice.
 *
 *     deno run -A scripts/version.ts --check      # exits with 1 if a place has another one
 *     deno run -A scripts/version.ts 0.2.0        # writes it everywhere, and dates the changelog
 *     deno run -A scripts/version.ts --released   # exits with 1 if it is not tagged and described
 */

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** Where each file has it. */
const PLACES: Readonly<Record<string, RegExp>> = {
  "deno.json": /(?<="version": ")[^"]*/,
  "kmod/os/linux/module.c": /(?<=MODULE_VERSION\(")[^"]*/,
  "ports/kup-kmod/Makefile": /(?<=DISTVERSION=\t)\S*/,
};

/** Files that name other versions: what was measured, what changed, other projects', examples. */
const OTHERS = /^(?:CHANGELOG\.md|docs\/(?:performance|release)\.md|tools\/.*|tests\/.*)$/;

/** The versions that programs ask for, in documents and examples. */
const RANGES = /(?<=@kup\/kup@)[\^~]?\d+(?:\.\d+)*/g;

const FORM = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(ROOT + path);
}

async function git(...args: string[]): Promise<string> {
  const command = new Deno.Command("git", { args, cwd: ROOT, stderr: "null" });
  return new TextDecoder().decode((await command.output()).stdout);
}

function find(path: string, text: string): string {
  const found = text.match(PLACES[path]!)?.[0];
  if (found === undefined) throw new Error(`${path} has no version where one is expected.`);
  return found;
}

/** Whether a program that asks for this range gets the version, and not a later one only. */
function accepts(range: string, version: string): boolean {
  const [wanted, has] = [range.replace(/^[\^~]/, ""), version].map((text) => text.split("."));
  // Before 1.0 the second number is what may break programs.
  const fixed = range === wanted!.join(".") ? wanted!.length : Number(has![0] === "0") + 1;
  return wanted!.slice(0, fixed).join(".") === has!.slice(0, fixed).join(".");
}

/** What is wrong in a file that may name the version, but has no place of its own. */
function strayIn(path: string, text: string, version: string): string[] {
  const wrong: string[] = [];
  const own = new RegExp(`(?<![\\d.])${RegExp.escape(version)}(?!\\.?\\d)`);
  if (!(path in PLACES) && own.test(text.replace(RANGES, ""))) {
    wrong.push(
      `${path} repeats the version: take it from deno.json; or if it is another one's, ` +
        "add the file to OTHERS in scripts/version.ts",
    );
  }
  for (const [range] of text.matchAll(RANGES)) {
    if (!accepts(range, version)) wrong.push(`${path} imports @kup/kup@${range}`);
  }
  return wrong;
}

/** The other files that may name the version. */
async function strayFiles(version: string): Promise<string[]> {
  const listed = await git("grep", "-lIF", "--untracked", "-e", version, "-e", "@kup/kup@");
  return listed.split("\n").filter((path) => path !== "" && !OTHERS.test(path));
}

async function check(version: string): Promise<string[]> {
  const wrong: string[] = [];
  if (!FORM.test(version)) wrong.push(`deno.json: "${version}" is not three numbers with dots`);
  for (const path of Object.keys(PLACES)) {
    const found = find(path, await read(path));
    if (found !== version) wrong.push(`${path} has the version ${found}`);
  }
  for (const path of await strayFiles(version)) {
    wrong.push(...strayIn(path, await read(path), version));
  }
  return wrong;
}

/** What publishing needs besides: a tag at this commit, and the changelog's entry. */
async function checkRelease(version: string): Promise<string[]> {
  const wrong: string[] = [];
  const tags = (await git("tag", "--points-at", "HEAD")).split("\n");
  if (!tags.includes(`v${version}`)) wrong.push(`this commit has no tag v${version}`);
  const changes = await read("CHANGELOG.md");
  const entry = new RegExp(`^## ${RegExp.escape(version)} \\(\\d{4}-\\d\\d-\\d\\d\\)$`, "m");
  if (!entry.test(changes)) wrong.push(`CHANGELOG.md has no entry "## ${version} (date)"`);
  if (/^## Unreleased\n+(?!## )\S/m.test(changes)) {
    wrong.push('CHANGELOG.md has changes under "Unreleased"');
  }
  return wrong;
}

async function write(version: string): Promise<void> {
  for (const [path, place] of Object.entries(PLACES)) {
    await Deno.writeTextFile(ROOT + path, (await read(path)).replace(place, version));
  }
  for (const path of await strayFiles(version)) {
    const text = await read(path);
    const parts = version.split(".");
    const next = text.replace(
      RANGES,
      (range) => range.replace(/\d.*/, (old) => parts.slice(0, old.split(".").length).join(".")),
    );
    if (next !== text) await Deno.writeTextFile(ROOT + path, next);
  }
  const today = Temporal.Now.plainDateISO().toString();
  const changes = await read("CHANGELOG.md");
  const dated = changes.replace("## Unreleased\n", `## Unreleased\n\n## ${version} (${today})\n`);
  await Deno.writeTextFile(`${ROOT}CHANGELOG.md`, dated);
}

async function main(): Promise<number> {
  const [word = "", ...more] = Deno.args;
  if (more.length > 0 || !(FORM.test(word) || word === "--check" || word === "--released")) {
    console.error("usage: version.ts VERSION | --check | --released, with a VERSION such as 0.2.0");
    return 2;
  }
  if (FORM.test(word)) {
    await write(word);
    console.log("Now run `make abi prebuilt`; docs/release.md has the other steps.");
    return 0;
  }
  const version = find("deno.json", await read("deno.json"));
  const wrong = await check(version);
  if (word === "--released") wrong.push(...await checkRelease(version));
  if (wrong.length === 0) return 0;
  console.error(`${wrong.join("\n")}\nThe version is ${version}; docs/release.md has the steps.`);
  return 1;
}

if (import.meta.main) Deno.exit(await main());
