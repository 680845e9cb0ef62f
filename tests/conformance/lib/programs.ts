// SPDX-License-Identifier: BSD-3-Clause
/** Tests in C: each line "ok …", "not ok …" or "skip …" of a program becomes a step. */

import { assert, assertEquals } from "../../../deps.ts";

/**
 * Registers a test for each program that the Makefile beside `folder` lists in this variable and
 * puts into `build`.
 */
export function testPrograms(
  folder: URL,
  title: string,
  args: readonly string[],
  variable = "PROGRAMS",
): void {
  const makefile = Deno.readTextFileSync(new URL("c/Makefile", folder));
  const list = new RegExp(`^${variable} := ((?:.*\\\\\n)*.*)$`, "m");
  const programs = makefile.match(list)?.[1]?.split(/[\s\\]+/) ?? [];
  assert(programs.length > 0, "no C program was found");
  for (const program of programs) {
    Deno.test(`${title}: ${program}`, (t) =>
      runProgram(t, new URL(`build/${program}`, folder), args));
  }
}

/** Runs one program. */
export async function runProgram(
  t: Deno.TestContext,
  program: URL,
  args: readonly string[],
): Promise<void> {
  const { code, signal, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
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
  const complaints = new TextDecoder().decode(stderr);
  assert(steps > 0, `${program} printed nothing: ${complaints}`);
  assertEquals([code, signal], [0, null], `${program}: ${lines.at(-2)} ${complaints}`);
}
