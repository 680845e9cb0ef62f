// SPDX-License-Identifier: BSD-3-Clause
/** The documents: their links lead somewhere, and their blocks of TypeScript and C compile. */

import { anchorsOf, type Block, codeOf, linksOf, parseMarkdown } from "../lib/markdown.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { capture, checkoutFiles } from "../lib/process.ts";
import type { Check } from "./check.ts";

/** Documents about other versions, whose files may be gone. */
const HISTORY = /^CHANGELOG\.md$/;

async function parse(root: string, path: string) {
  return parseMarkdown(await Deno.readTextFile(`${root}/${path}`));
}

/** The path that a relative link of a document means, from the top of the checkout. */
function resolve(document: string, target: string): string {
  const url = new URL(target, `file:///${document}`);
  return decodeURIComponent(url.pathname.slice(1)).replace(/\/$/, "");
}

/** Links that lead nowhere, and files that are named but don't exist, in a checkout's documents. */
export async function findBrokenLinks(root: string): Promise<string[]> {
  const files = await checkoutFiles(root);
  const there = new Set(files.flatMap((path) => {
    const parts = path.split("/");
    return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  }));
  const wrong: string[] = [];
  for (const path of files.filter((file) => file.endsWith(".md"))) {
    const document = await parse(root, path);
    for (const [line, link] of linksOf(document)) {
      if (/^[a-z+]+:/.test(link)) continue;
      const [target = "", anchor] = link.split("#");
      const file = target === "" ? path : resolve(path, target);
      if (!there.has(file) && file !== "") wrong.push(`${path}:${line}: there is no ${link}`);
      if (anchor === undefined || !there.has(file)) continue;
      const known = file.endsWith(".md") && anchorsOf(await parse(root, file)).has(anchor);
      if (!known) wrong.push(`${path}:${line}: there is no heading for ${link}`);
    }
    if (HISTORY.test(path)) continue;
    for (const [line, code] of codeOf(document)) {
      // `make` also builds files, which git ignores.
      if (!/^[\w.-]+(?:\/[\w.-]+)+$/.test(code) || !there.has(code.split("/")[0]!)) continue;
      if (!await exists(`${root}/${code}`)) wrong.push(`${path}:${line}: there is no ${code}`);
    }
  }
  return wrong;
}

async function checkLinks(): Promise<string | undefined> {
  const wrong = await findBrokenLinks(ROOT);
  return wrong.length === 0 ? undefined : wrong.join("\n");
}

/** A document that a script writes from sources, which compile themselves. */
const GENERATED = /^<!-- Generated /;

/** A file that needs others beside it belongs to a tutorial, which compiles it. */
const NEEDS_OTHERS = /\bfrom "\.\/|^#include "[\w]+_check\.h"/m;

/** The blocks of one language in all documents, each with its place. */
async function blocksOf(
  root: string,
  language: string,
): Promise<[place: string, block: Block][]> {
  const found: [string, Block][] = [];
  for (const path of await checkoutFiles(root, "*.md")) {
    const text = await Deno.readTextFile(`${root}/${path}`);
    if (GENERATED.test(text)) continue;
    for (const block of parseMarkdown(text).blocks) {
      const isChecked = block.language === language && !NEEDS_OTHERS.test(block.text);
      if (isChecked) found.push([`${path}:${block.line}`, block]);
    }
  }
  return found;
}

/** As a file's name. */
function fileName(place: string): string {
  return place.replaceAll(/[/:]/g, "-").replace(/\.md-/, "-line-");
}

/** What documents import, and where it is. `scripts/version.ts` checks the versions. */
const IMPORTS = { "": "mod.ts", "/harness": "harness.ts" };

function importsOf(text: string): Record<string, string> {
  const imports: Record<string, string> = { "jsr:@std/assert": `${ROOT}/deps.ts` };
  for (const [name, part = ""] of text.matchAll(/(?:jsr:)?@kup\/kup(?:@[\^~\d.]+)?(\/\w+)?/g)) {
    const file = IMPORTS[part as keyof typeof IMPORTS];
    if (file !== undefined) imports[name] = `${ROOT}/${file}`;
  }
  return imports;
}

/**
 * Type-checks each block as a module. A block that is a part of a program uses the names that
 * `tests/documents/names.ts` declares.
 */
async function checkTypeScript(): Promise<string | undefined> {
  const blocks = await blocksOf(ROOT, "ts");
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const offline = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.offline.json`));
  const folder = await Deno.makeTempDir({ prefix: "kup-documents-" });
  try {
    const checked = {
      compilerOptions: {
        ...config.compilerOptions,
        noUnusedLocals: false,
        noUnusedParameters: false,
      },
      imports: importsOf(blocks.map(([, { text }]) => text).join("")),
      links: offline.links.map((link: string) => `${ROOT}/${link}`),
    };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(checked));
    for (const [place, { text }] of blocks) {
      const module = `${text}import "${ROOT}/tests/documents/names.ts";\nexport {};\n`;
      await Deno.writeTextFile(`${folder}/${fileName(place)}.ts`, module);
    }
    const { code, output } = await capture([Deno.execPath(), "check", "."], {
      cwd: folder,
      env: { NO_COLOR: "1" },
    });
    return code === 0 ? undefined : output.replaceAll(`file://${folder}/`, "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const INCLUDES = ["kmod", "kmod/os/host", "kmod/uapi", "native", "tests/documents"]
  .map((path) => `-I${ROOT}/${path}`);

const COMPILER = ["cc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", ...INCLUDES];

/** Parts of a program may leave out what uses or sets a name. */
const PART_FLAGS = ["-Wno-unused", "-Wno-missing-field-initializers", "-include"];

/** What the compiler may be given for a block: a line `...` stands for what is left out. */
function formsOf(text: string): string[] {
  if (text.includes("#include")) return [text];
  const inFunction = (lines: string) => `int part(void)\n{\n#line 1\n${lines}\nreturn 0;\n}\n`;
  const [first = "", ...others] = text.split(/^\.\.\.$/m);
  const rest = others.join("");
  return [text, inFunction(text), `${first}\n${inFunction(rest)}`];
}

/** Returns nothing, or what the compiler printed. */
async function compile(folder: string, place: string, { text }: Block): Promise<string> {
  const names = /\bkup_user_/.test(text) ? "program.h" : "kernel.h";
  const flags = text.includes("#include") ? ["-Wno-unused-function"] : [...PART_FLAGS, names];
  const outputs: string[] = [];
  for (const form of formsOf(text)) {
    const file = `${folder}/${fileName(place)}.c`;
    await Deno.writeTextFile(file, form);
    const { code, output } = await capture([...COMPILER, ...flags, file]);
    if (code === 0) return "";
    outputs.push(output.replaceAll(`${folder}/`, ""));
  }
  // Most parts are statements.
  return outputs[1] ?? outputs[0]!;
}

/** What the compiler prints about the blocks of C in a checkout's documents. */
export async function findBrokenC(root: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kup-documents-" });
  try {
    const wrong: string[] = [];
    for (const [place, block] of await blocksOf(root, "c")) {
      wrong.push(await compile(folder, place, block));
    }
    return wrong.join("");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The static checks of documents. */
export function documentChecks(): Check[] {
  return [
    { name: "links in documents lead to files and headings", run: checkLinks },
    {
      name: "TypeScript in documents type-checks",
      scope: "typescript",
      run: checkTypeScript,
    },
    { name: "C in documents compiles", run: async () => await findBrokenC(ROOT) || undefined },
  ];
}
