// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes manual pages in mdoc: two from the headers' comments, one from the command line's help.
 *
 * @module
 */

import { USAGE as BIND } from "../bind/bind.ts";
import { COMMANDS } from "../cli/commands.ts";
import {
  contextOf,
  type Contexts,
  type Documented,
  type Entry,
  parts,
  type Section,
} from "./headers.ts";

/** When the pages were last looked through as a whole; docs/release.md says when to change it. */
const DATE = "November 26, 2026";

const FRONT: Readonly<Record<"kernel" | "user", string>> = {
  kernel: `.Dt KUP 9
.Os
.Sh NAME
.Nm kup
.Nd channels between a kernel module and processes
.Sh SYNOPSIS
.In kup.h
.In layers/turn.h
.In layers/call.h`,
  user: `.Dt KUP_USER 3
.Os
.Sh NAME
.Nm kup_user
.Nd channels between a process and kernel modules
.Sh LIBRARY
libkup (\\-lkup); the compiler's flags are those of
.Ql pkg-config --cflags --libs kup .
.Sh SYNOPSIS
.In kup_user.h
.In kup_user_turn.h
.In kup_user_call.h`,
};

const BACK: Readonly<Record<"kernel" | "user", string>> = {
  kernel: `.Sh SEE ALSO
.Xr kup 1 ,
.Xr kup_user 3 ,
.Xr kup 4
.Pp
.Pa docs/reference-kernel.md
has the same text with links, and
.Pa docs/troubleshooting.md
a table of all errors.`,
  user: `.Sh SEE ALSO
.Xr kup 1 ,
.Xr kup 4 ,
.Xr kup 9
.Pp
.Pa docs/reference-c.md
has the same text with links, and
.Pa docs/troubleshooting.md
a table of all errors.`,
};

function escape(line: string): string {
  return line.replaceAll("\\", "\\e").replace(/^(?=[.'])/, "\\&")
    .replace(/[^\t -~]/g, (char) => `\\[u${char.codePointAt(0)!.toString(16).toUpperCase()}]`);
}

/** Each sentence begins a line of its own, as mandoc wants it; long ones are broken. */
function prose(text: string): string {
  const sentences = text.split(/(?<=[.:;?!]\)?) (?=["(A-Z0-9*-]|kup_)/);
  return sentences.flatMap(fold).flatMap(markUp).join("\n");
}

function fold(sentence: string): string[] {
  return sentence.match(/.{1,76}(?= |$)|\S+/g)?.map((line) => line.trim()) ?? [];
}

/** What has a macro of its own goes on a line of its own, with the punctuation behind it. */
function markUp(line: string): string[] {
  const pieces = line.split(/(\(?(?:\bkup\w+\(\)|FreeBSD\b)[.,;:)]*)/);
  return pieces.map((piece, index) => {
    if (index % 2 === 0) return escape(piece.trim());
    const [, before = "", name = "", after = ""] = piece.match(/^(\(?)(.*?)(?:\(\))?([.,;:)]*)$/)!;
    const words = [name === "FreeBSD" ? "Fx" : `Fn ${name}`, ...after];
    return before === "" ? `.${words.join(" ")}` : `.Pf ( ${words.join(" ")}`;
  }).filter((piece) => piece !== "");
}

function literal(lines: readonly string[], isFirst = false): string {
  const begin = `.Bd -literal -offset indent${isFirst ? " -compact" : ""}`;
  return [begin, ...lines.map((line) => line === "" ? "" : escape(line)), ".Ed"].join("\n");
}

/** A comment. The first paragraph continues the line before it. */
function commentText(comment: readonly string[]): string {
  return parts(comment).map((part, index) => {
    switch (part.kind) {
      case "text":
        return (index === 0 ? "" : ".Pp\n") + prose(part.text);
      case "literal":
        return literal(part.lines, index === 0);
      case "list":
        return [
          '.Bl -tag -width "-ETIMEDOUT" -offset indent',
          ...part.items.map(([term, text]) => `.It ${term}\n${prose(text)}`),
          ".El",
        ].join("\n");
    }
  }).join("\n");
}

function synopsis(headers: readonly Documented[]): string {
  return headers.flatMap(({ sections }) => sections.flatMap(({ entries }) => entries))
    .flatMap(({ functions }) => functions)
    .map(({ name, result, parameters }) => {
      const types = parameters.map((parameter) => `"${parameter}"`).join(" ");
      const whole = `.Fn ${name} ${types}`;
      return `.Ft ${result}\n` + (whole.length <= 80 ? whole : [
        `.Fo ${name}`,
        ...parameters.map((parameter) => `.Fa "${parameter}"`),
        ".Fc",
      ].join("\n"));
    }).join("\n");
}

/** The names of a function's arguments; "" where the prototype has none. */
function argument(parameter: string): string {
  return parameter.match(/\(\*(\w+)\)/)?.[1] ?? parameter.match(/(\w+)$/)?.[1] ?? parameter;
}

function entryText(entry: Entry, contexts?: Contexts): string {
  const lines = entry.functions.map(({ name, parameters }) => {
    const names = parameters[0] === "void" ? ["void"] : parameters.map(argument);
    return `.It Fn ${name} ${names.map((one) => `"${one}"`).join(" ")}`;
  });
  if (entry.functions.length === 0) lines.push(`.It Vt ${entry.names.join(", ")}`);
  if (entry.comment.length > 0) lines.push(commentText(entry.comment));
  if (entry.functions.length === 0) {
    lines.push(literal(entry.code.split("\n"), entry.comment.length === 0));
  }
  if (contexts !== undefined && entry.functions.length > 0) {
    lines.push(...entry.comment.length > 0 ? [".Pp"] : []);
    lines.push(prose(`Context: ${contextOf(entry, contexts)}.`));
  }
  return lines.join("\n");
}

function sectionText({ title, text, entries }: Section, contexts?: Contexts) {
  const lines = title === "" ? [] : [`.Ss ${title}`];
  if (text.length > 0) lines.push(commentText(text));
  lines.push(".Bl -tag -width Ds", ...entries.map((entry) => entryText(entry, contexts)), ".El");
  return lines.join("\n");
}

/** The page of a library's calls. */
export function functionsPage(
  which: "kernel" | "user",
  headers: readonly Documented[],
  contexts?: Contexts,
): string {
  const body = headers.flatMap(({ head, sections }, index) => [
    index === 0 ? ".Sh DESCRIPTION" : `.Sh ${headTitle(head)}`,
    commentText(head),
    ...sections.map((section) => sectionText(section, contexts)),
  ]);
  return page([FRONT[which], synopsis(headers), ...body, BACK[which]]);
}

/** What the other headers of a page are about. */
function headTitle(head: readonly string[]): string {
  const [first = ""] = head;
  return first.startsWith("What a client") ? "THE SYSTEM" : first.match(/^\w+/)![0].toUpperCase();
}

function page(blocks: readonly string[]): string {
  return [
    '.\\" SPDX-License-Identifier: BSD-3-Clause',
    '.\\" Generated by scripts/gen_reference.ts (`make reference`). Do not edit.',
    `.Dd ${DATE}`,
    ...blocks,
  ].join("\n") + "\n";
}

/** An option of a help text, and the lines that explain it. */
function optionText([first = "", ...rest]: readonly string[]): string {
  const [, names = "", text = ""] = first.match(/^ {2}(\S.*?)(?: {2,}| (?=[a-z"]))(.*)$/) ?? [];
  const [flag = "", ...words] = names.replaceAll(", ", " ").split(" ");
  const term = flag.startsWith("-") ? `Fl ${flag.slice(1)}` : `Ar ${flag}`;
  const table = rest.findIndex((line) => /\S {2,}\S/.test(line));
  const plain = table < 0 ? rest : rest.slice(0, table);
  return [
    `.It ${
      [term, ...words.map((word) => word.startsWith("-") ? `Fl ${word.slice(1)}` : `Ar ${word}`)]
        .join(" ")
    }`,
    prose([text, ...plain.map((line) => line.trim())].join(" ")),
    ...table < 0 ? [] : [literal(rest.slice(table).map((line) => line.trim()))],
  ].join("\n");
}

/** A help text: a usage line, paragraphs, and options. */
function helpText(name: string, text: string): string {
  const [usage = "", ...paragraphs] = text.trim().split("\n\n");
  const forms = usage.replace("usage:", "").split("\n").map((line) => line.trim());
  const lines = [`.Ss kup ${name}`, literal(forms, true)];
  for (const paragraph of paragraphs) {
    if (!paragraph.startsWith("  ")) {
      lines.push(".Pp", prose(paragraph.replace(/\s+/g, " ")));
      continue;
    }
    const options = paragraph.split(/\n(?= {2}\S)/).map((option) => option.split("\n"));
    lines.push(".Bl -tag -width Ds", ...options.map(optionText), ".El");
  }
  return lines.join("\n");
}

/** The page of the command line. */
export async function commandsPage(): Promise<string> {
  const commands: string[] = [];
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const loaded = await load();
    commands.push(helpText(name, "bind" in loaded ? BIND : loaded.command.usage.text));
  }
  const list = Object.entries(COMMANDS).map(([name, { summary }]) => `.It Cm ${name}\n${summary}`);
  return page([
    `.Dt KUP 1
.Os
.Sh NAME
.Nm kup
.Nd look at, use and test channels of kernel modules
.Sh SYNOPSIS
.Nm
.Ar command
.Op Ar option ...
.Op Ar argument ...
.Sh DESCRIPTION
The commands are:
.Bl -tag -width modinfo -offset indent -compact
${list.join("\n")}
.El
.Pp
A device is
.Pa /dev/NAME ;
or
.Ql host:NAME
or
.Ql host:FILE.so
for one of the host driver, which is then loaded into the process of
.Nm .
.Sh COMMANDS`,
    ...commands,
    `.Sh EXIT STATUS
.Bl -tag -width 130
.It 0
It worked.
.It 1
It failed; standard error has one sentence that says what to do.
.It 2
The command line is wrong.
.It 130
Ctrl-C, unless that is the usual end of the command.
.It 143
SIGTERM, in the same way.
.El
.Sh SEE ALSO
.Xr kup_user 3 ,
.Xr kup 4 ,
.Xr kup 9
.Pp
.Pa docs/cli.md
also has the permissions of Deno that each command needs, and the format of
recordings.`,
  ]);
}
