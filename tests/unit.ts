// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs one file or folder of tests on this machine, with what it needs built; the folder decides
 * how. `make unit` calls it.
 *
 *     deno run -A tests/unit.ts [--filter TEXT] [FILE]
 */

import { setColorEnabled } from "../deps.ts";
import { type CommandLine, SettingError, withUsage } from "../scripts/usage.ts";
import { runConformance, runDenoTests } from "./checks/unit.ts";
import { ROOT } from "./lib/paths.ts";
import { Tally } from "./lib/tally.ts";

const USAGE = {
  text: `usage: tests/unit.ts [--filter TEXT] [FILE]

Runs tests on this machine.

  --filter TEXT   only tests whose names hold TEXT, or match it when it is /a regular expression/
  FILE            a file or folder in tests/unit, or in tests/conformance for the host driver;
                  tests/unit if not given`,
  values: ["filter"],
  words: 1,
};

/** The path in the checkout, with a slash at its end if it is a folder. */
async function findTests(file: string): Promise<string> {
  const path = await Deno.realPath(file.startsWith("/") ? file : `${ROOT}/${file}`)
    .catch(() => undefined);
  if (path === undefined) throw new SettingError(`FILE=${file} is not there.`);
  const root = await Deno.realPath(ROOT);
  const relative = path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  return (await Deno.stat(path)).isDirectory ? `${relative}/` : relative;
}

async function main(line: CommandLine): Promise<number> {
  setColorEnabled(Deno.stdout.isTerminal());
  const file = line.words[0] ?? "tests/unit";
  const tests = await findTests(file);
  const filter = line.value("filter");
  const tally = new Tally();
  if (tests.startsWith("tests/unit/")) await runDenoTests(tally, { tests, filter });
  else if (tests.startsWith("tests/conformance/")) await runConformance(tally, { tests, filter });
  else if (tests.startsWith("tests/kernel/")) {
    throw new SettingError(`FILE=${file} needs a kernel; run \`make test-vm FILTER=…\`.`);
  } else if (tests.startsWith("tests/c/")) {
    throw new SettingError(`FILE=${file} is in C; run \`make -C tests/c check\`.`);
  } else throw new SettingError(`FILE=${file} is neither in tests/unit nor in tests/conformance.`);
  console.log(tally.names("failed").map((name) => `failed ${name}\n`).join("") + tally.verdict);
  return tally.ok ? 0 : 1;
}

if (import.meta.main) Deno.exit(await withUsage(USAGE, main));
