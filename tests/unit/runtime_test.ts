// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runtimes and systems: where open() reports that it can't work, and the oldest Deno where it
 * works.
 */

import { assertEquals, assertStringIncludes } from "../../deps.ts";
import { MINIMUM_DENO } from "../../src/runtime.ts";
import { bundle, canBundle } from "../lib/bundle.ts";
import { Copy } from "../lib/copy.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { capture, must, projectFiles } from "../lib/process.ts";

const MODULE = JSON.stringify(`file://${ROOT}/mod.ts`);

/** Imports the module after a change, and prints how open and unload fail. */
function failing(before: string, module = MODULE): string {
  return `${before}
    const { KupError, open, unload } = await import(${module});
    const said = [];
    for (const call of [() => open("/dev/null"), () => unload("host:echo")]) {
      try {
        call();
      } catch (error) {
        said.push([error instanceof KupError, error.code, error.message]);
      }
    }
    console.log(JSON.stringify(said));`;
}

/** Both calls fail with the same error. */
function assertUnsupported(printed: string, message: string): void {
  const said = [true, "unsupported", message];
  assertEquals(JSON.parse(printed), [said, said]);
}

async function runDeno(script: string): Promise<string> {
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  return await must([Deno.execPath(), "run", "-A", "--no-config", url]);
}

function faked(property: "build" | "version", fields: Record<string, string>): string {
  const changed = `{ ...Deno.${property}, ...${JSON.stringify(fields)} }`;
  return `Object.defineProperty(Deno, "${property}", { value: ${changed} });`;
}

Deno.test("open() reports that an older Deno is not enough", async () => {
  for (const deno of ["1.46.3", "2.5.0", "2.7.11", "2.7.2-rc.1"]) {
    const message = `KUP needs Deno ${MINIMUM_DENO} or newer; this is ${deno}. ` +
      "Run `deno upgrade`.";
    assertUnsupported(await runDeno(failing(faked("version", { deno }))), message);
  }
});

Deno.test("open() works in newer versions of Deno, with any version number", async () => {
  for (const deno of [MINIMUM_DENO, "2.7.13", "2.10.0", "2.8.0-rc.1", "2.9.6+1a2b3c4", "10.0.0"]) {
    const said = JSON.parse(await runDeno(failing(faked("version", { deno }))));
    assertEquals(said.map(([, code]: string[]) => code), ["not-a-device", "not-found"]);
  }
});

const SYSTEMS: Record<string, string> = {
  darwin: "macOS: run the program in a Linux container or a virtual machine.",
  windows: "Windows: run the program in WSL 2, a Linux container or a virtual machine.",
  netbsd: "netbsd: run the program in a virtual machine.",
};

Deno.test("open() names the systems that have channels", async () => {
  for (const [os, sentence] of Object.entries(SYSTEMS)) {
    const said = await runDeno(failing(faked("build", { os })));
    assertUnsupported(said, `KUP's channels need Linux or FreeBSD; this is ${sentence}`);
  }
});

Deno.test("open() reports what a Deno without FFI lacks", async () => {
  const said = await runDeno(failing("delete Deno.dlopen;"));
  const message = "KUP needs Deno's FFI, which is not available here: " +
    "run the program with the `deno` command.";
  assertUnsupported(said, message);
});

const NODE = await capture(["node", "--version"]).catch(() => undefined);

Deno.test({
  name: "open() reports that Node and Bun are not Deno, and the module can be imported there",
  ignore: NODE?.code !== 0 || !await canBundle(),
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "kup-node-" });
    try {
      // Node before 22.18 can't run TypeScript.
      await Deno.writeTextFile(`${folder}/library.ts`, `export * from ${MODULE};`);
      await bundle(`${folder}/library.ts`, "--platform=deno");
      const fakes = {
        [`Node ${NODE!.stdout.trim().slice(1)}`]: "",
        "Bun 1.2.3": `globalThis.Bun = { version: "1.2.3" };`,
        "another runtime": "delete globalThis.process;",
      };
      for (const [name, before] of Object.entries(fakes)) {
        await Deno.writeTextFile(`${folder}/main.mjs`, failing(before, `"./library.mjs"`));
        const message = `KUP needs Deno ${MINIMUM_DENO} or newer; this is ${name}. ` +
          "Run the program with `deno run --allow-ffi`.";
        assertUnsupported(await must(["node", `${folder}/main.mjs`]), message);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("mod.ts has no syntax that Node, which only strips types, can't parse", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-syntax-" });
  try {
    const config = `${folder}/deno.json`;
    await Deno.writeTextFile(config, `{ "compilerOptions": { "erasableSyntaxOnly": true } }`);
    await must([Deno.execPath(), "check", "--config", config, `${ROOT}/mod.ts`]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  for (const path of await projectFiles("src/*.ts")) {
    const lines = (await Deno.readTextFile(`${ROOT}/${path}`)).split("\n");
    assertEquals(lines.filter((line) => /^\s*(?:await )?using \w+ =/.test(line)), [], path);
  }
});

Deno.test("README.md and the other documents and the Makefile name the oldest supported Deno", async () => {
  const tutorials = ["docs/tutorial-typescript.md", "docs/tutorial-kernel.md"];
  for (const path of ["README.md", ...tutorials, "mod.ts", "src/device.ts", "Makefile"]) {
    const versions = (await Deno.readTextFile(`${ROOT}/${path}`))
      .matchAll(/Deno (?=\d)(\d[\d.]*\d)(?= or newer)|^DENO_MINIMUM := (.*)$/gm);
    const named = [...versions].map(([, words, variable]) => words ?? variable);
    assertEquals(named, [MINIMUM_DENO], path);
  }
});

/** `make test` fetches it. */
const OLDEST = `${ROOT}/.cache/deno-${MINIMUM_DENO}/bin/deno`;

Deno.test({
  name: "Channel.send() and receive() work in all ways in the oldest supported Deno",
  ignore: !await exists(OLDEST),
  fn: async (t) => {
    assertStringIncludes(await must([OLDEST, "--version"]), `deno ${MINIMUM_DENO} `);
    await using copy = await Copy.make("tests/unit/oldest");
    const env = { DENO_DIR: `${copy.folder}/deno-dir`, NO_COLOR: "1" };
    await t.step("after a check of types", async () => {
      await must([OLDEST, "check", "--no-config", "mod.ts"], { cwd: copy.folder, env });
    });
    for (const [name, root] of [["beside the module", ROOT], ["embedded", copy.folder]] as const) {
      await t.step(`with the library ${name}`, async () => {
        const options = ["--no-prompt", "--no-config", "--allow-ffi", "--allow-read"];
        const script = `${root}/tests/unit/oldest/exchange.ts`;
        assertEquals(
          await must([OLDEST, "run", ...options, script], { env }),
          "sync async late iterate batch worker\n",
        );
      });
    }
  },
});
