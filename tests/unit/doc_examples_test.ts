// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs the examples in the docs of the public API, in one process and with their types checked.
 * Those of the harness that boot a guest are only type-checked.
 */

import { assert, assertEquals } from "../../deps.ts";
import { parseJunit } from "../../harness/junit.ts";
import { CONFIG } from "../checks/static.ts";
import {
  bootsGuest,
  type Docs,
  findExamples,
  findMissing,
  readDocs,
  writeExamples,
} from "../lib/doc_examples.ts";
import { ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";

/**
 * A test for each example that is run. Each one unloads the client, so that the next example can
 * load it with other parameters.
 */
function testProgram(run: ReadonlyMap<string, string>, check: ReadonlyMap<string, string>): string {
  const lines = [
    `import { KupError, unload } from "${ROOT}/mod.ts";`,
    // This function is never called; the imports make the compiler check these modules.
    `export const unused = () => [`,
    ...[...check.values()].map((path) => `  import("${path}"),`),
    `];`,
    `console.log = () => {};`,
    `function tidy() {`,
    `  try { unload("host:echo"); }`,
    `  catch (error) { if ((error as KupError).code !== "not-found") throw error; }`,
    `}`,
  ];
  for (const [name, path] of run) {
    const body = `try { await import("${path}"); } finally { tidy(); }`;
    lines.push(`Deno.test(${JSON.stringify(name)}, async () => { ${body} });`);
  }
  return lines.join("\n") + "\n";
}

/** Runs the program in a folder of its own, with the checkout's library. */
async function runProgram(folder: string, program: string) {
  const file = `${folder}/all_test.ts`;
  await Deno.writeTextFile(file, program);
  const report = `${folder}/report.xml`;
  const options = ["--check", "--quiet", "--config", `${ROOT}/${CONFIG}`, `--junit-path=${report}`];
  const command = [Deno.execPath(), "test", "-A", ...options, file];
  const { code, output } = await capture(command, { env: { NO_COLOR: "1" } });
  const tests = await Deno.readTextFile(report).then(parseJunit).catch(() => []);
  return { code, output, tests };
}

/** A module's docs with one class, whose example is this. */
function docsOf(example: string, method?: string): Docs {
  const doc = (code: string) => ({ tags: [{ kind: "example", doc: `\`\`\`ts\n${code}\n\`\`\`` }] });
  const methods = [
    { name: "send", ...method === undefined ? {} : { jsDoc: doc(method) } },
    { name: "[Symbol.dispose]" },
  ];
  const jsDoc = example === "" ? {} : { jsDoc: doc(example) };
  const declarations = [{ declarationKind: "export", ...jsDoc, def: { methods } }];
  return { nodes: { "file:///mod.ts": { symbols: [{ name: "Channel", declarations }] } } };
}

Deno.test("findMissing() names each symbol and method without an example", () => {
  assertEquals(findMissing(docsOf("")), ["Channel", "Channel.send"]);
  assertEquals(findMissing(docsOf("open();")), ["Channel.send"]);
  assertEquals(findMissing(docsOf("channel.send();")), []);
  assertEquals(findMissing(docsOf("open();", "channel.send();")), []);
});

Deno.test("findExamples() finds the examples of modules, symbols and methods", async () => {
  assertEquals(findExamples(docsOf("open();", "channel.send();")), [
    { name: "Channel", code: "open();\n" },
    { name: "Channel.send", code: "channel.send();\n" },
  ]);
  const names = findExamples(await readDocs(CONFIG)).map(({ name }) => name);
  for (const name of ["mod.ts", "harness.ts", "open", "CallStatus", "Channel.readable", "Vm"]) {
    assert(names.includes(name), name);
  }
});

Deno.test("every example in the docs of the public API type-checks and runs", async (t) => {
  const examples = findExamples(await readDocs(CONFIG));
  const folder = await Deno.makeTempDir({ prefix: "kup-examples-" });
  try {
    const check = await writeExamples(examples.filter(bootsGuest), `${folder}/check`);
    const run = await writeExamples(examples.filter((one) => !bootsGuest(one)), `${folder}/run`);
    const { code, output, tests } = await runProgram(folder, testProgram(run, check));
    for (const { name, outcome } of tests) {
      await t.step(`${name} runs`, () => assertEquals(outcome, "passed", output));
    }
    assertEquals([code, tests.length], [0, run.size], output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
