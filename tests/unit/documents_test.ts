// SPDX-License-Identifier: BSD-3-Clause
/** The checks of documents, and the runner of tutorials: what they find, and what they accept. */

import { assertEquals, assertMatch, assertRejects, assertThrows } from "../../deps.ts";
import { findBrokenC, findBrokenLinks } from "../checks/documents.ts";
import { anchorsOf, linksOf, parseMarkdown } from "../lib/markdown.ts";
import { ROOT } from "../lib/paths.ts";
import { must, projectFiles } from "../lib/process.ts";
import { outputPattern, Reader, stepsOf } from "../lib/tutorial.ts";

const FENCE = "```";

function block(language: string, text: string, before = ""): string {
  return `${before}\n\n${FENCE}${language}\n${text}\n${FENCE}\n\n`;
}

/** Runs a check in a new checkout that has these files. */
async function inCheckout<T>(
  files: Readonly<Record<string, string>>,
  run: (root: string) => Promise<T>,
): Promise<T> {
  const root = await Deno.makeTempDir({ prefix: "kup-checkout-" });
  try {
    await must(["git", "init", "--quiet", root]);
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    return await run(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("parseMarkdown() separates blocks from prose, and knows the paragraph before a block", () => {
  const { blocks, prose } = parseMarkdown(`one\ntwo\n${block("ts", "a `b`\n[c](d)").trim()}\nend`);
  assertEquals(blocks, [{ line: 3, language: "ts", text: "a `b`\n[c](d)\n", before: "one two" }]);
  assertEquals(prose.map(([line]) => line), [1, 2, 7]);
  assertThrows(
    () => parseMarkdown(`a\n${FENCE}c\nno end`),
    Error,
    "The block of line 2 has no end",
  );
});

Deno.test("linksOf() and anchorsOf() read what GitHub shows", () => {
  const document = parseMarkdown(
    '# A `b` c, d\n# A b c d\n[`x`](y.md#z) `[no](link)` ![i](i.svg)\n<img src="j.svg">\n[r]: k.md\n',
  );
  assertEquals([...anchorsOf(document)], ["a-b-c-d", "a-b-c-d-1"]);
  assertEquals(linksOf(document).map(([, link]) => link), ["y.md#z", "i.svg", "j.svg", "k.md"]);
});

Deno.test("findBrokenLinks() finds links, headings and files that are not there", async () => {
  const files = {
    "README.md": "# Top\n[a](docs/a.md#one) [t](#top) [d](docs) [w](https://x.y/z) `docs/a.md`\n",
    "docs/a.md": "# One\n[b](b.md)\n[no](../README.md#bottom)\n[self](#two)\n`docs/c.ts`\n",
  };
  assertEquals(await inCheckout(files, findBrokenLinks), [
    "docs/a.md:2: there is no b.md",
    "docs/a.md:3: there is no heading for ../README.md#bottom",
    "docs/a.md:4: there is no heading for #two",
    "docs/a.md:5: there is no docs/c.ts",
  ]);
});

Deno.test("findBrokenC() compiles files, declarations and statements, and reports what is wrong", async () => {
  const good = block("c", '#include "kup.h"\nint f(void)\n{\n\treturn 0;\n}') +
    block("c", "static int g(void)\n{\n\treturn 1;\n}\n...\nerror = g();") +
    block("c", "kup_user_release(channel);") + block("c", "struct s {\n\tkup_u32 a;\n};");
  assertEquals(await inCheckout({ "good.md": good }, findBrokenC), "");
  const bad = block("c", "kup_send(channel, 1);") + block("c", "kup_sned(channel);");
  const found = await inCheckout({ "bad.md": bad }, findBrokenC);
  assertMatch(found, /too few arguments to function .kup_send.[^]*kup_sned/);
});

Deno.test("stepsOf() knows files, commands, outputs and what is not run, and refuses the rest", () => {
  const steps = stepsOf(
    block("ts", "1", "**`a.ts`**") + block("sh", "true") + block("text", "", "Times vary:") +
      block("sh", "false", "It fails:") + block("ts", "part") +
      block("sh", "reboot", "_The tests don't run this: it boots._"),
  );
  assertEquals(steps, [
    { line: 3, kind: "file", name: "a.ts", text: "1\n" },
    { line: 9, kind: "shell", text: "true\n", fails: false, interrupted: false },
    { line: 15, kind: "output", text: "\n", varies: true },
    { line: 21, kind: "shell", text: "false\n", fails: true, interrupted: false },
    { line: 33, kind: "skipped", reason: "it boots." },
  ]);
  for (const language of ["", "json", "text", "diff"]) {
    assertThrows(
      () => stepsOf(block(language, "x")),
      Error,
      "Nothing says what the block of line 3",
    );
  }
});

Deno.test("outputPattern() lets only what is marked vary", () => {
  assertMatch("a 1.5 ms\nb\nc\nd\n", outputPattern("a 1.5 ms\n…\nd\n", false));
  assertMatch("x (12ms)\n", outputPattern("x (…)\n", false));
  assertMatch("took   1,234.5 ms of 7\n", outputPattern("took 3 ms of 12,000\n", true));
  for (const [expected, printed] of [["a 1", "a 2"], ["a.c", "abc"], ["a", "a\nb"], ["a", "xa"]]) {
    assertEquals(outputPattern(expected!, false).test(`${printed}\n`), false, expected);
  }
  assertEquals(outputPattern("1 ok", true).test("1 bad\n"), false);
});

Deno.test("Reader.take() keeps folder and variables, and rejects at what is not as shown", async () => {
  using reader = new Reader();
  const run = async (document: string) => {
    for (const step of stepsOf(document)) await reader.take(step);
  };
  await run(block("sh", "mkdir a; cd a; export B=c") + block("ts", "1", "**`d`**"));
  await run(block("sh", "echo $(pwd) $B; cat d >&2") + block("text", "…/a c\n1"));
  await run(block("sh", "ls ~/kup/mod.ts"));
  await assertRejects(
    () => run(block("sh", "echo 1") + block("text", "2")),
    Error,
    "It printed:\n1",
  );
  await assertRejects(() => run(block("sh", "false\ntrue")), Error, "Exit status 1");
  await assertRejects(() => run(block("sh", "true", "This fails:")), Error, "Exit status 0");
  await run(block("sh", "false", "This fails:"));
  const interrupted = "trap 'echo bye; exit' INT; echo hello; while :; do sleep 0.01; done";
  await run(block("sh", interrupted, "End it with Ctrl-C:") + block("text", "hello\nbye"));
});

Deno.test("docs/reference-*.md, man: a comment inside a struct keeps its lines", async () => {
  for (const page of ["docs/reference-kernel.md", "docs/reference-c.md", "man/kup.9"]) {
    const text = await Deno.readTextFile(`${ROOT}/${page}`);
    assertEquals(text.match(/^.*\w[,.]? {2}\* \w.*$/m)?.[0], undefined, page);
  }
});

Deno.test("README.md has less than 200 lines", async () => {
  const text = await Deno.readTextFile(`${ROOT}/README.md`);
  assertEquals(text.split("\n").length < 200, true);
});

Deno.test("docs/map.md has a row for each folder at the top, in kmod and in tests", async () => {
  const map = await Deno.readTextFile(`${ROOT}/docs/map.md`);
  const [, rows = ""] = map.split("## What is in each folder");
  const folders = new Set<string>();
  for (const path of await projectFiles()) {
    const folder = path.match(/^(?:kmod|tests)\/[^/]+(?=\/)|^(?!kmod|tests)[^/]+(?=\/)/);
    if (folder !== null) folders.add(folder[0]);
  }
  assertEquals([...folders].filter((folder) => !rows.includes(`\`${folder}\``)), []);
});
