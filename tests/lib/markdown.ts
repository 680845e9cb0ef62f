// SPDX-License-Identifier: BSD-3-Clause
/** What the checks and tests of documents need of Markdown: its blocks, links and headings. */

/** A fenced block. */
export interface Block {
  /** The line of the fence, from 1. */
  readonly line: number;
  /** The first word behind the fence: `ts`, `c`, `sh`, or nothing. */
  readonly language: string;
  /** The lines between the fences, each with its newline. */
  readonly text: string;
  /** The paragraph right before the fence, as one line; empty if there is none. */
  readonly before: string;
}

/** A line with its number, from 1. */
type Line = readonly [number: number, text: string];

/** A document, in its parts. */
export interface Document {
  readonly blocks: readonly Block[];
  /** All lines outside of blocks. */
  readonly prose: readonly Line[];
}

const FENCE = /^( *)(`{3,})(\w*)/;

/** Splits a document into its blocks and its prose. */
export function parseMarkdown(text: string): Document {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  const prose: Line[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [, indent = "", fence = "", language = ""] = FENCE.exec(lines[i]!) ?? [];
    if (fence === "") {
      prose.push([i + 1, lines[i]!]);
      continue;
    }
    const inside: string[] = [];
    const first = i++;
    while (i < lines.length && lines[i]!.trim() !== fence) {
      inside.push(lines[i++]!.slice(indent.length) + "\n");
    }
    if (i === lines.length) throw new Error(`The block of line ${first + 1} has no end.`);
    const before = paragraphBefore(lines, first);
    blocks.push({ line: first + 1, language, text: inside.join(""), before });
  }
  return { blocks, prose };
}

function paragraphBefore(lines: readonly string[], fence: number): string {
  let end = fence;
  while (end > 0 && lines[end - 1]!.trim() === "") end--;
  let start = end;
  while (start > 0 && lines[start - 1]!.trim() !== "" && !FENCE.test(lines[start - 1]!)) start--;
  return lines.slice(start, end).map((line) => line.trim()).join(" ");
}

/** The links of a document, also of its HTML, each with its line. */
export function linksOf({ prose }: Document): Line[] {
  return prose.flatMap(([number, text]) => {
    const words = text.replaceAll(/`[^`]*`/g, "code");
    const targets = [
      ...words.matchAll(/\]\(<?([^()<>\s]+)>?(?: "[^"]*")?\)/g),
      ...words.matchAll(/^ *\[[^\]]+\]: *(\S+)/g),
      ...words.matchAll(/\b(?:href|src|srcset)="([^"\s]+)"/g),
    ];
    return targets.map(([, target]): Line => [number, target!]);
  });
}

/** What is set as code in the prose, each with its line. */
export function codeOf({ prose }: Document): Line[] {
  return prose.flatMap(([number, text]) =>
    [...text.matchAll(/`([^`]+)`/g)].map(([, code]): Line => [number, code!])
  );
}

/** The anchors of the headings, as GitHub makes them. */
export function anchorsOf({ prose }: Document): Set<string> {
  const anchors = new Set<string>();
  for (const [, text] of prose) {
    const [, heading] = /^#{1,6} +(.*?) *#*$/.exec(text) ?? [];
    if (heading === undefined) continue;
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}\-_ ]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let i = 1; anchors.has(unique); i++) unique = `${anchor}-${i}`;
    anchors.add(unique);
  }
  return anchors;
}
