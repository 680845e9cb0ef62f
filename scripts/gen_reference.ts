// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes what is made from the headers' comments and from the command line's help: the reference
 * documents and the manual pages.
 *
 *     deno run -A scripts/gen_reference.ts            # writes them
 *     deno run -A scripts/gen_reference.ts --check    # exits with 1 if one of them differs
 */

import {
  contextOf,
  type Contexts,
  type Documented,
  type Entry,
  parts,
  readContexts,
  readDocumented,
} from "./headers.ts";
import { commandsPage, functionsPage } from "./man.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const KERNEL = ["kmod/kup.h", "kmod/kup_client.h", "kmod/layers/turn.h", "kmod/layers/call.h"];
const USER = ["native/kup_user.h", "native/kup_user_turn.h", "native/kup_user_call.h"];

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-");
}

/** Files, errnos, calls with what stands in their parentheses, fields, and other names of C. */
const NAMES = new RegExp(
  [
    /[\w/]+\.(?:h|c|ts|md)\b/,
    /-?\bE[A-Z]{3,}\b/,
    /\*?\b(?:kup|KUP)_\w+(?:\(\w*\)|\*)?/,
    /\b[a-z_]+\(\d\)/,
    /\b\w+->\w+|\*\w+\b|\bNULL\b|\b\w+_\w+\b/,
  ].map(({ source }) => source).join("|"),
  "g",
);

/** Names of C stand out, other documents are links, and no character is taken for Markdown. */
function inline(text: string): string {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? part : part.replace(NAMES, (name) => {
      const page = name.match(/^docs\/(.*\.md)$/)?.[1];
      return page === undefined ? "`" + name + "`" : `[${page}](${page})`;
    }).replace(/^(Threads|Contexts)\. |(?<=\. )(Contexts)\. /g, "**$1$2.** ")
  ).join("`").replace(/</g, "&lt;");
}

function prose(comment: readonly string[]): string {
  return parts(comment).map((part) => {
    switch (part.kind) {
      case "text":
        return inline(part.text);
      case "list":
        return part.items.map(([term, text]) => `- \`${term}\`: ${inline(text)}`).join("\n");
      case "literal": {
        const isCode = part.lines.some((line) => line.endsWith(";"));
        return "```" + (isCode ? "c" : "text") + "\n" + part.lines.join("\n") + "\n```";
      }
    }
  }).join("\n\n");
}

/** Breaks long prototypes, and leaves all other lines as they are. */
function wrap(code: string): string {
  return code.split("\n").map((line) => {
    if (line.length <= 90 || !/^[\w ]+\**kup\w+\(/.test(line)) return line;
    return line.replace("(", "(\n        ").replace(/(.{1,82}(?:,|;$)) ?/g, "$1\n        ")
      .trimEnd()
      .replace(/ +$/gm, "");
  }).join("\n");
}

function entryText(entry: Entry, contexts: Contexts | undefined): string {
  const lines = [`#### ${entry.names.join(", ")}`];
  lines.push("```c\n" + wrap(entry.code) + "\n```");
  if (entry.comment.length > 0) lines.push(prose(entry.comment));
  if (contexts !== undefined && entry.functions.length > 0) {
    lines.push(`_Context: ${inline(contextOf(entry, contexts))}._`);
  }
  return lines.join("\n\n");
}

function headerText(path: string, header: Documented, contexts: Contexts | undefined): string {
  const name = path.replace(/^kmod\/|^native\//, "");
  const lines = [`## ${name}`, prose(header.head)];
  for (const { title, text, entries } of header.sections) {
    if (title !== "") lines.push(`### ${title}`);
    if (text.length > 0) lines.push(prose(text));
    lines.push(...entries.map((entry) => entryText(entry, contexts)));
  }
  return lines.join("\n\n");
}

/** A line of links for each section. */
function contents(path: string, header: Documented): string {
  const sections = header.sections.map(({ title, entries }) => {
    const links = entries.map(({ names }) => `[${names.join(", ")}](#${anchor(names.join(", "))})`);
    return `  - ${title === "" ? "" : `${title}: `}${links.join(", ")}`;
  });
  const name = path.replace(/^kmod\/|^native\//, "");
  return [`- [${name}](#${anchor(name)})`, ...sections].join("\n");
}

async function read(path: string): Promise<Documented> {
  return readDocumented(await Deno.readTextFile(ROOT + path));
}

async function reference(
  title: string,
  intro: string,
  paths: readonly string[],
  contexts?: Contexts,
): Promise<string> {
  const headers = await Promise.all(paths.map(read));
  return [
    "<!-- Generated from the headers' comments by scripts/gen_reference.ts (`make reference`). -->",
    `# ${title}`,
    intro,
    headers.map((header, index) => contents(paths[index]!, header)).join("\n"),
    ...headers.map((header, index) => headerText(paths[index]!, header, contexts)),
  ].join("\n\n") + "\n";
}

/** As `deno fmt` leaves it, so that the check of formats and this one agree. */
async function formatted(markdown: string): Promise<string> {
  const config = `${ROOT}deno.json`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--config", config, "--ext", "md", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("`deno fmt` can't format what was generated.");
  return new TextDecoder().decode(stdout);
}

async function generate(): Promise<Record<string, string>> {
  const contexts = readContexts((await read("kmod/kup.h")).head);
  const kernel = reference(
    "The kernel API",
    "All calls of a client module, from the comments of the headers, which are the same on every " +
      "system. [tutorial-kernel.md](tutorial-kernel.md) begins at the beginning; " +
      "[troubleshooting.md](troubleshooting.md) has each errno, and what to do.",
    KERNEL,
    contexts,
  );
  const user = reference(
    "The C API of processes",
    "All calls of the native library, from the comments of its headers. Programs in C use the " +
      'calls from ["A whole channel"](#a-whole-channel-for-programs-in-c) on; the calls before ' +
      "it are what bindings are made of. [troubleshooting.md](troubleshooting.md) has each errno, " +
      "and what to do.",
    USER,
  );
  const [kernelHeaders, userHeaders] = await Promise.all([
    Promise.all(KERNEL.map(read)),
    Promise.all(USER.map(read)),
  ]);
  return {
    "docs/reference-kernel.md": await formatted(await kernel),
    "docs/reference-c.md": await formatted(await user),
    "man/kup.9": functionsPage("kernel", kernelHeaders, contexts),
    "man/kup_user.3": functionsPage("user", userHeaders),
    "man/kup.1": await commandsPage(),
  };
}

async function main(): Promise<number> {
  const isCheck = Deno.args.includes("--check");
  const wrong: string[] = [];
  for (const [path, text] of Object.entries(await generate())) {
    if (!isCheck) await Deno.writeTextFile(ROOT + path, text);
    else if (await Deno.readTextFile(ROOT + path).catch(() => "") !== text) wrong.push(path);
  }
  if (wrong.length === 0) return 0;
  console.error(
    `${wrong.join(", ")}: not what the headers and the help texts say. Run ` +
      "`make reference` and commit the result.",
  );
  return 1;
}

if (import.meta.main) Deno.exit(await main());
