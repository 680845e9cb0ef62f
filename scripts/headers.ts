// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reads the comments and declarations of KUP's own headers, for the reference and the manual pages.
 * It relies on their form: one comment before each group of declarations, a blank line between
 * groups, and section titles between dashes.
 *
 * @module
 */

/** A function's prototype, without the macros in front of it. */
export interface Prototype {
  readonly name: string;
  readonly result: string;
  readonly parameters: readonly string[];
}

/** A group of declarations, and the comment before it. */
export interface Entry {
  /** What it declares: functions; or if there are none, types; or constants. */
  readonly names: readonly string[];
  readonly comment: readonly string[];
  readonly code: string;
  readonly functions: readonly Prototype[];
}

/** What lies between two section titles. */
export interface Section {
  readonly title: string;
  readonly text: readonly string[];
  readonly entries: readonly Entry[];
}

/** One header. */
export interface Documented {
  /** The comment at the top. */
  readonly head: readonly string[];
  readonly sections: readonly Section[];
}

/** A part of a comment. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly (readonly [term: string, text: string])[] }
  | { readonly kind: "literal"; readonly lines: readonly string[] };

/** What stands around the declarations, and says nothing to a reader. */
const FRAME =
  /^(?:#include .*|#if.*|#endif.*|#define KUP(?:_\w+)?_H|extern "C" \{|\}|#define KUP_USER_\w*CALL\b.*)$/;

const TITLE = /^(?:---- )?(?:\w+(?:\/\w+)?\.c: )?(.*?) ----$/;

/** The lines inside a comment, without its decoration. */
function uncomment(lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const inner = lines.join("\n").replace(/^\/\* ?\n?/, "").replace(/\s*\*\/$/, "");
  return inner.split("\n").map((line) => line.replace(/^ \* ?/, "").trimEnd());
}

function readFunctions(code: string): Prototype[] {
  const found = code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\{[\s\S]*?\n\}/g, "")
    .matchAll(/^([\w ]+?[ *]+)(kup\w+)\(([^;#]*?)\); *$/gm);
  return [...found].map(([, result = "", name = "", parameters = ""]) => ({
    name,
    result: result.trim(),
    parameters: parameters.split(/,\s*/),
  }));
}

/** The declarations as a reader wants them: no macros for linkers, one line for each prototype. */
function tidy(lines: readonly string[]): string {
  return lines.filter((line) => !FRAME.test(line)).join("\n")
    .replace(/KUP_USER_(?:DENO_)?CALL\s+| __attribute__.*(?=;)/g, "").replace(
      /,\n\s+(?![\s*])/g,
      ", ",
    )
    .replace(/\(\n\s+/g, "(").replace(/ \*\n(?=kup_)/g, " *").split("\n").map(expand).join("\n")
    .trim();
}

/** Replaces tabs, which end at each eighth column. */
function expand(line: string): string {
  let out = "";
  for (const char of line) out += char === "\t" ? " ".repeat(8 - out.length % 8) : char;
  return out;
}

function namesOf(code: string, functions: readonly Prototype[]): string[] {
  if (functions.length > 0) return functions.map(({ name }) => name);
  const types = [...code.matchAll(/^struct (\w+) ?[{;]|^typedef .* (\w+);/gm)];
  if (types.length > 0) return types.map(([, struct, type]) => (struct ?? type)!);
  return [...code.matchAll(/^#define (\w+)/gm)].map(([, name]) => name!);
}

/** Lines up to the next blank one outside of braces and comments. */
function groups(lines: readonly string[]): string[][] {
  const all: string[][] = [];
  let current: string[] = [];
  let [isComment, depth] = [false, 0];
  for (const line of lines) {
    if (line === "" && !isComment && depth === 0) {
      if (current.length > 0) all.push(current);
      current = [];
      continue;
    }
    // A long comment begins a group, also without a blank line before it.
    if (line === "/*" && depth === 0 && current.length > 0) {
      all.push(current);
      current = [];
    }
    current.push(line);
    if (/^\s*\/\*/.test(line) && !line.includes("*/")) isComment = true;
    else if (line.includes("*/")) isComment = false;
    else if (/^(?:struct|static) .*\{$/.test(line)) depth++;
    else if (/^\};?$/.test(line) && depth > 0) depth--;
  }
  if (current.length > 0) all.push(current);
  return all;
}

/** Reads a header's text. */
export function readDocumented(text: string): Documented {
  const [, ...rest] = text.trimEnd().split("\n");
  const end = rest.findIndex((line) => line === " */" || line.startsWith("#ifndef"));
  const head = rest[end] === " */" ? uncomment(rest.slice(0, end + 1)) : [];
  const sections: { title: string; text: string[]; entries: Entry[] }[] = [];
  for (const group of groups(rest.slice(end + 1))) {
    const isComment = group[0]!.startsWith("/*");
    const last = isComment ? group.findIndex((line) => line.endsWith("*/")) : -1;
    let comment = uncomment(group.slice(0, last + 1));
    const title = comment[0]?.match(TITLE)?.[1];
    if (title !== undefined) {
      sections.push({
        title: title[0]!.toUpperCase() + title.slice(1),
        text: comment.slice(1),
        entries: [],
      });
      comment = [];
    }
    const code = tidy(group.slice(last + 1));
    if (code === "") continue;
    if (sections.length === 0) sections.push({ title: "", text: [], entries: [] });
    const functions = readFunctions(code);
    sections.at(-1)!.entries.push({ names: namesOf(code, functions), comment, code, functions });
  }
  return { head, sections };
}

/** Divides a comment into paragraphs, lists of errors, and what is printed as it is written. */
export function parts(lines: readonly string[]): Part[] {
  const all: Part[] = [];
  for (const group of lines.join("\n").trim().split(/\n(?:\s*\n)+/)) {
    const last = all.at(-1);
    if (/^(?! )/.test(group)) {
      if (group !== "") all.push({ kind: "text", text: group.replace(/\s+/g, " ") });
    } else if (/^ +-E/.test(group)) {
      const items = group.split(/\n(?= {1,4}-E)/).map((item) => item.trim().replace(/\s+/g, " "));
      all.push({
        kind: "list",
        items: items.map((item) => [item.split(" ", 1)[0]!, item.slice(item.indexOf(" ") + 1)]),
      });
    } else if (last?.kind === "literal") {
      all[all.length - 1] = {
        kind: "literal",
        lines: [...last.lines, "", ...group.split("\n").map(expand)],
      };
    } else {
      all.push({ kind: "literal", lines: group.split("\n").map(expand) });
    }
  }
  return all.map((part) => part.kind === "literal" ? unindent(part) : part);
}

function unindent(part: Part & { kind: "literal" }): Part {
  const least = Math.min(
    ...part.lines.filter((line) => line !== "").map((line) => line.search(/\S/)),
  );
  return { kind: "literal", lines: part.lines.map((line) => line.slice(least)) };
}

/** The calls of the table at the top of kup.h, with the contexts in which they may be made. */
export type Contexts = ReadonlyMap<string, string>;

/** Reads that table. */
export function readContexts(head: readonly string[]): Contexts {
  const contexts = new Map<string, string>();
  let context = "";
  for (const line of head) {
    const label = line.match(/^ {2}(A(?:NY CONTEXT| THREAD THAT MAY SLEEP).*)$/)?.[1];
    if (label !== undefined) context = label.toLowerCase();
    if (!/^ {4,}\S/.test(line)) continue;
    for (const [name] of line.matchAll(/\bkup_\w+/g)) contexts.set(name, context);
  }
  return contexts;
}

/** The contexts of an entry's calls: one for all, or one for each. */
export function contextOf({ functions }: Entry, contexts: Contexts): string {
  const found = functions.map(({ name }) => {
    const context = contexts.get(name);
    if (context === undefined) throw new Error(`The table of contexts in kup.h lacks ${name}.`);
    return context;
  });
  if (new Set(found).size === 1) return found[0]!;
  return functions.map(({ name }, index) => `${name}: ${found[index]}`).join("; ");
}
