// SPDX-License-Identifier: BSD-3-Clause
/**
 * The C programs in c/, which know the module by its uapi header alone: each line that one prints
 * ("ok …", "not ok …", "skip …") becomes a step here.
 */

import { assert, assertEquals } from "../../deps.ts";

const BUILD = new URL("build/", import.meta.url);
const programs = [...Deno.readDirSync(new URL("c/", import.meta.url))]
  .map(({ name }) => name.match(/^(.*)\.c$/)?.[1])
  .filter((name) => name !== undefined && !["peer", "cases"].includes(name)) as string[];

assert(programs.length > 0, "no C program was found");
for (const program of programs.sort()) {
  Deno.test(`the contract, in C: ${program}`, async (t) => {
    const { code, signal, stdout, stderr } = await new Deno.Command(new URL(program, BUILD), {
      stdin: "null",
    }).output();
    const lines = new TextDecoder().decode(stdout).split("\n");
    let steps = 0;
    for (const line of lines) {
      const [, verdict, name] = line.match(/^(ok|not ok|skip) (.*)$/) ?? [];
      if (verdict === undefined || name === undefined) continue;
      steps++;
      await t.step({
        name,
        ignore: verdict === "skip",
        fn: () => assertEquals(verdict, "ok", name),
      });
    }
    assert(steps > 0, `${program} said nothing: ${new TextDecoder().decode(stderr)}`);
    assertEquals([code, signal], [0, null], `${program}: ${lines.at(-2)}`);
  });
}
