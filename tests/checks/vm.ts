// SPDX-License-Identifier: BSD-3-Clause
/** The kernel tests, each series in a virtual machine of its own. */

import { HeldOutput } from "../lib/beside.ts";
import { ROOT } from "../lib/paths.ts";
import type { Tally } from "../lib/tally.ts";
import { ALL_SERIES, DEBUG_SERIES, fetchKernel } from "../../harness/kernel.ts";
import { readModuleFolder } from "../../harness/module.ts";
import { HarnessError } from "../../harness/error.ts";
import { allTestFiles, type Tests } from "../vm/job.ts";
import { buildModules, buildOwnModule } from "../vm/modules.ts";
import { buildPrograms } from "../vm/programs.ts";
import { type Judgement, runGuest } from "../vm/session.ts";

/**
 * The tests of what only a kernel has, the programs in C, those of the predecessor's API, and what
 * needs processors that run at the same time.
 */
const FOUNDATION = [
  ...["programs", "broadcast", "config", "instance", "node", "process", "timer"].map(kernelTest),
  "tests/conformance/busy_test.ts",
  "tests/conformance/programs_test.ts",
  "tests/conformance/seed_test.ts",
];

async function allBut(without: readonly string[]): Promise<string[]> {
  return (await allTestFiles()).filter((file) => !without.includes(file));
}

const ALL = { kind: "tests", filter: "" } as const;

/**
 * `make test` divides the tests between Debian's kernels, since a test finds nearly the same in
 * each: the older ones get the foundation, and the last series of ALL_SERIES gets the rest. The
 * debug kernel runs all, and so does `make test-vm`. The rest runs on processors that take turns,
 * since the two guests share the real ones.
 */
async function partsOf(series: string): Promise<Tests[]> {
  if (series === DEBUG_SERIES) return await debugParts();
  const all: readonly string[] = ALL_SERIES;
  if (!all.includes(series)) return [{ ...ALL, files: await allTestFiles() }];
  if (series !== all.at(-1)) return [{ ...ALL, files: FOUNDATION }];
  return [{ ...ALL, files: await allBut(FOUNDATION), inTurns: true }];
}

/**
 * The debug kernel is slow, and rarely busy with both processors, so two guests share its tests.
 * The tests of the library use the modules in ways in which the other guest's use them too; looking
 * for leaks, and at each freed page, costs up to a third of their time.
 */
async function debugParts(): Promise<Tests[]> {
  const modules = [kernelTest("example"), ...FOUNDATION];
  const until = deadline();
  return [
    { ...ALL, files: modules, until },
    {
      ...ALL,
      files: await allBut(modules),
      parameters: ["kmemleak=off", "page_poison=0"],
      inTurns: true,
      until,
    },
  ];
}

/**
 * KUP_DEADLINE is when it is too late to begin more tests in the debug kernel, in seconds since
 * 1970. They are skipped then.
 */
function deadline(): number | undefined {
  const text = Deno.env.get("KUP_DEADLINE");
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return 1000 * Number(text);
  throw new Error(`KUP_DEADLINE is "${text}"; it has to be a number of seconds since 1970.`);
}

/** With less time a guest could not begin with its first tests. */
const LEAST_MS = 10 * 60_000;

function kernelTest(name: string): string {
  return `tests/kernel/${name}_test.ts`;
}

/**
 * The part for the newest series: the programs in C that make system calls of their own, without
 * the storm, which takes long. They run through most of what a new series can change for KUP:
 * memory, descriptors, poll, threads, and modules that come and go.
 */
const PART: Tests = {
  kind: "tests",
  files: ["programs", "node"].map(kernelTest),
  // Deno's patterns can't exclude a name.
  filter:
    "/ (?:attack|calls|epoll|hostile|mapping|processes|seed|unloading)$|may not open|config's group/",
};

/**
 * Boots the newest series for a part of the tests. Debian's archive keeps no old versions, and the
 * tools of its release run in a namespace: what is not to be had here is skipped, with the reason.
 */
export async function runNewestKernel(tally: Tally, series: string): Promise<void> {
  try {
    await fetchKernel(series);
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    console.log(error.message);
    return tally.record("skipped", `Linux ${series}: ${error.message}`);
  }
  await runKernelTests(tally, series, { part: PART });
}

/** Which tests are run, and what else is done meanwhile. */
export interface KernelTestOptions {
  /**
   * The tests.
   *
   * @default {what `partsOf` returns}
   */
  readonly part?: Tests;
  /**
   * What is done when the last part's guest has ended, even if the first one has not. It does not
   * throw.
   */
  readonly after?: () => Promise<void>;
}

/**
 * Boots one series, once for each part of its tests, and counts the tests; each problem beside them
 * is one more failure. The first part's output appears as it comes, and that of each other part
 * after it.
 */
export async function runKernelTests(
  tally: Tally,
  series: string,
  { part, after = () => Promise.resolve() }: KernelTestOptions = {},
): Promise<void> {
  const where = `Linux ${series}`;
  const kernel = await fetchKernel(series);
  const build = await buildModules(kernel);
  tally.record(build.ok ? "passed" : "failed", `${where}: the modules build without a warning`);
  if (!build.ok) {
    console.log(build.output);
    return await after();
  }
  const parts = part === undefined ? await partsOf(series) : [part];
  if (parts.some(({ until = Infinity }) => until - Date.now() < LEAST_MS)) {
    tally.record("skipped", `${where}: all tests: no time was left`);
    return await after();
  }
  // Each guest needs them, and would make them at the same time as the others.
  await buildPrograms(true);
  console.log(`booting ${kernel.release}`);
  const outputs = parts.map(() => new HeldOutput());
  const guests = parts.map(async (one, i) => {
    const output = outputs[i]!;
    try {
      const judgement = await runGuest(kernel, build.modules, one, { print: output.write });
      tally.recordTests(where, judgement.tests);
      recordProblems(tally, where, judgement, output.line);
    } catch (error) {
      output.line(String(error));
      tally.record("failed", `${where}: the tests could not be run`);
    }
  });
  const rest = guests.at(-1)!.then(after);
  for (const [i, guest] of guests.entries()) {
    outputs[i]!.show();
    await guest;
  }
  await rest;
}

function recordProblems(
  tally: Tally,
  where: string,
  { problems, log }: Judgement,
  print: (line: string) => void = console.log,
): void {
  for (const problem of problems) tally.record("failed", `${where}: ${problem}`);
  if (problems.length > 0) print(`the kernel's log is in ${log}`);
}

/**
 * The ticker as a project of its own has it: the published name of KUP, and no path to the
 * checkout.
 */
const SCRIPT = `
import { open } from "jsr:@kup/kup";
using device = open("/dev/ticker");
using channel = await device.attach();
await channel.send(new Uint32Array([1000]), { type: 1 });
const message = await channel.receive();
console.log(device.channels + " channels; a message of type " + message?.type);
if (device.channels !== 3 || message?.type !== 2) Deno.exit(1);
`;

/** Boots a module from a folder outside the project, as `make vm MODULE=… COMMAND=…` does. */
export async function runOwnModuleTest(tally: Tally, series: string): Promise<void> {
  const name = `make vm MODULE=… runs a module from anywhere in Linux ${series}`;
  const parent = await Deno.makeTempDir({ prefix: "kup-own-" });
  try {
    const folder = `${parent}/it's a módule:\nwith "two" lines`;
    await Deno.mkdir(`${folder}/scripts`, { recursive: true });
    for (const file of ["ticker.c", "ticker.h"]) {
      await Deno.copyFile(`${ROOT}/examples/ticker/${file}`, `${folder}/${file}`);
    }
    await Deno.writeTextFile(`${folder}/Kbuild`, "obj-m := ticker.o\n");
    await Deno.writeTextFile(`${folder}/scripts/tick.ts`, SCRIPT);
    await Deno.writeTextFile(`${folder}/scripts/two\nlines`, "");
    const kernel = await fetchKernel(series);
    const { modules } = await buildModules(kernel);
    const own = await buildOwnModule(kernel, await readModuleFolder(folder));
    const command = "insmod /lib/modules/ticker.ko channels=3 && " +
      "deno run --allow-ffi scripts/tick.ts && rmmod ticker";
    const judgement = await runGuest(kernel, modules, { kind: "command", command }, { own });
    recordProblems(tally, name, judgement);
    if (judgement.problems.length === 0) tally.record("passed", name);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}
