// SPDX-License-Identifier: BSD-3-Clause
/** `kup new`: makes the folder of a new module from the files in `template/files`. */

import { HarnessError } from "../harness/error.ts";
import { basename, CHECKOUT, dirname, exists, writeFile } from "../harness/files.ts";
import { filesBelow, packageFolder } from "../harness/package.ts";
import { quote } from "../harness/quote.ts";
import config from "../deno.json" with { type: "json" };

/** What the files call the module. */
const NAME = "my_device";

/** The name of a module, of C, and of files in /dev, which all accept. */
const NAMES = /^[a-z][a-z0-9_]{0,30}$/;

/** Words of C and of its compilers, a macro of Linux, and the modules that KUP has. */
const TAKEN = new Set(
  ("asm auto bool break case char const continue current default do double else enum extern " +
    "false float for goto if inline int kup kup_echo linux long register restrict return short " +
    "signed sizeof static struct switch true typedef typeof union unix unsigned void volatile " +
    "while").split(" "),
);

/**
 * Makes a folder whose last part is the name of a new module, and returns what to do next, for a
 * person.
 *
 * @throws {HarnessError} `"setting"` when the name can't be used, or exists.
 */
export async function newProject(path: string): Promise<string> {
  const name = basename(path.replace(/\/+$/, ""));
  if (!NAMES.test(name)) {
    throw new HarnessError(
      "setting",
      `"${name}" can't be the name of a module; use at most 31 small letters, digits and _, ` +
        "and a letter first.",
    );
  }
  if (TAKEN.has(name)) {
    throw new HarnessError(
      "setting",
      `"${name}" has a meaning in C or in KUP already; choose another name for the module.`,
    );
  }
  if (await exists(path)) {
    throw new HarnessError("setting", `${path} exists already; name a folder that does not.`);
  }
  const parent = path.includes("/") ? dirname(path) || "/" : ".";
  if (!await exists(parent)) {
    throw new HarnessError("setting", `There is no folder ${parent}; make it first.`);
  }
  // The folder appears complete or not at all.
  const temporary = await Deno.makeTempDir({ dir: parent, prefix: `.${name}-` });
  try {
    await writeProject(temporary, name);
    await Deno.chmod(temporary, 0o755);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true });
    throw error;
  }
  const word = /^[\w./-]+$/.test(path) ? path : quote(path);
  return `${path} is made; its README.md says what is in it. Next:

  make -C ${word} test       # on the host driver, in seconds
  make -C ${word} test-vm    # in a real kernel, in an emulated machine`;
}

async function writeProject(folder: string, name: string): Promise<void> {
  const from = `${await packageFolder()}/template/files`;
  for (const file of await filesBelow(from)) {
    const text = await Deno.readTextFile(`${from}/${file}`);
    await writeFile(`${folder}/${rename(file, name)}`, align(rename(text, name)));
  }
  await writeFile(`${folder}/deno.json`, spellConfig());
  await writeFile(`${folder}/.gitignore`, "*.so\n*.ko\n*.o\n*.mod\n*.mod.c\n.*.cmd\n");
}

/** The name in the ways in which the files spell it. */
function rename(text: string, name: string): string {
  const camel = name.split("_").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1));
  return text.replaceAll(NAME, name)
    .replaceAll(NAME.toUpperCase(), name.toUpperCase())
    .replaceAll("MyDevice", camel.join(""))
    .replaceAll("jsr:@kup/kup/harness", packageUrl("harness"));
}

/** Aligns the first column of a table again, whose cells have the name. */
function align(text: string): string {
  const cell = /^\| (.*?) +\| /gm;
  const cells = Array.from(text.matchAll(cell), ([, first]) => first!);
  const isRule = (first: string) => /^-+$/.test(first);
  const longest = Math.max(...cells.map((first) => isRule(first) ? 0 : first.length));
  return text.replace(
    cell,
    (_, first: string) => `| ${isRule(first) ? "-".repeat(longest) : first.padEnd(longest)} | `,
  );
}

/** A project that a checkout has made uses the checkout. */
function packageUrl(part: "harness" | ""): string {
  if (CHECKOUT !== undefined) return `${CHECKOUT}/${part === "" ? "mod" : part}.ts`;
  const version = `jsr:@kup/kup@^${config.version}`;
  return part === "" ? version : `${version}/${part}`;
}

function spellConfig(): string {
  return JSON.stringify({ imports: { "@kup/kup": packageUrl("") } }, null, 2) + "\n";
}
