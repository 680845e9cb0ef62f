// SPDX-License-Identifier: BSD-3-Clause
/** The examples in the docs of the public API: where one is missing, and their code. */

import { must } from "./process.ts";

/** The modules that the package exports. */
export const EXPORTS = ["mod.ts", "harness.ts", "cli.ts"];

/** The part of `deno doc --json` that is read here. */
interface Doc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
}

interface Member {
  readonly name: string;
  readonly jsDoc?: Doc;
}

interface Declaration {
  readonly declarationKind: string;
  readonly jsDoc?: Doc;
  readonly def?: { readonly methods?: readonly Member[]; readonly properties?: readonly Member[] };
}

/** What `deno doc --json` prints about some modules. */
export interface Docs {
  readonly nodes: Readonly<
    Record<string, {
      readonly module_doc?: Doc;
      readonly symbols: readonly {
        readonly name: string;
        readonly declarations: readonly Declaration[];
      }[];
    }>
  >;
}

/** An example, with the name of what it is about. */
export interface DocExample {
  /** `open`, `Channel.send`, or the module's name. */
  readonly name: string;
  readonly code: string;
}

/** Asks Deno for the docs of everything that is exported. */
export async function readDocs(config: string): Promise<Docs> {
  const command = [Deno.execPath(), "doc", "--json", "--quiet", "--config", config, ...EXPORTS];
  return JSON.parse(await must(command));
}

/** The code of a comment's `@example` tags. */
function codeOf(doc: Doc | undefined): string[] {
  const examples = (doc?.tags ?? []).filter(({ kind }) => kind === "example");
  return examples.map(({ doc = "" }) => {
    const [, code] = /^```ts\n([^]*?)^```$/m.exec(doc) ?? [];
    if (code === undefined) throw new Error(`An @example has no block of \`\`\`ts: ${doc}`);
    return code;
  });
}

/** All declarations with a name, the members of a type or class after it. */
function* declarations(docs: Docs): Generator<[string, Declaration]> {
  for (const { symbols } of Object.values(docs.nodes)) {
    for (const { name, declarations } of symbols) {
      for (const declaration of declarations) yield [name, declaration];
    }
  }
}

/** Each example once, in the order of the docs. */
export function findExamples(docs: Docs): DocExample[] {
  const found: DocExample[] = [];
  const add = (name: string, doc: Doc | undefined) => {
    for (const code of codeOf(doc)) found.push({ name, code });
  };
  for (const [path, { module_doc }] of Object.entries(docs.nodes)) {
    add(path.slice(path.lastIndexOf("/") + 1), module_doc);
  }
  for (const [name, { jsDoc, def }] of declarations(docs)) {
    add(name, jsDoc);
    for (const member of [...def?.methods ?? [], ...def?.properties ?? []]) {
      add(`${name}.${member.name}`, member.jsDoc);
    }
  }
  return found;
}

/**
 * The names that have no example. Everything that is exported needs one. A method needs one of its
 * own, unless its type's example calls it; methods such as `[Symbol.dispose]` need none.
 */
export function findMissing(docs: Docs): string[] {
  const missing: string[] = [];
  for (const [name, { jsDoc, def }] of declarations(docs)) {
    const examples = codeOf(jsDoc);
    if (examples.length === 0) missing.push(name);
    for (const method of def?.methods ?? []) {
      const called = examples.some((code) => code.includes(`.${method.name}(`));
      if (method.name.startsWith("[") || called || codeOf(method.jsDoc).length > 0) continue;
      missing.push(`${name}.${method.name}`);
    }
  }
  return missing;
}

/** An example of the harness that boots a guest takes too long to be run with all others. */
export function bootsGuest({ code }: DocExample): boolean {
  return /^\s*(?:await using|const) \w+ = await boot\(/m.test(code);
}

/** Writes each example as a module of its own, and returns the modules' paths by names. */
export async function writeExamples(
  examples: readonly DocExample[],
  folder: string,
): Promise<Map<string, string>> {
  await Deno.mkdir(folder, { recursive: true });
  const written = new Map<string, string>();
  for (const [index, { name, code }] of examples.entries()) {
    const path = `${folder}/${index}_${name.replace(/\W/g, "_")}.ts`;
    // Also an example without an import is a module, with names of its own.
    await Deno.writeTextFile(path, `${code}export {};\n`);
    written.set(written.has(name) ? `${name} (${index})` : name, path);
  }
  return written;
}
