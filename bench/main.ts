// SPDX-License-Identifier: BSD-3-Clause
/**
 * The benchmarks: KUP and its peers in one run, a table with targets and verdicts, the raw figures
 * as JSON, and a page with histograms. `make bench` calls it.
 */

import { setColorEnabled } from "../deps.ts";
import { CommandLine, UsageError, withUsage } from "../scripts/usage.ts";
import { CACHE } from "../tests/lib/paths.ts";
import { must } from "../tests/lib/process.ts";
import { echo, echo32 } from "./groups/echo.ts";
import { oneCore } from "./groups/one_core.ts";
import { peers } from "./groups/peers.ts";
import { copies, sizes } from "./groups/sizes.ts";
import { start } from "./groups/start.ts";
import { threads, toKernel, toUser } from "./groups/streams.ts";
import { watermark } from "./groups/watermark.ts";
import { many, waking } from "./groups/waking.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { renderPage } from "./page.ts";
import { buildIceoryx2, fetchHeaders } from "./peers.ts";
import { type Absent, FORMAT, type GroupResult, type Report } from "./results.ts";
import { type Group, hostDevice, Missing, Run } from "./run.ts";
import { formatGroup, formatMarkdown, formatReport } from "./table.ts";
import { judgeAll, ROWS } from "./targets.ts";

export const GROUPS: readonly Group[] = [
  echo,
  echo32,
  toUser,
  toKernel,
  sizes,
  copies,
  peers,
  waking,
  many,
  oneCore,
  start,
  threads,
  watermark,
];

const USAGE = {
  text: `usage: make bench ARGS="[--quick] [--output FOLDER] [GROUP|ROW]..."

Measures KUP and its peers, and compares the figures with the targets.

  GROUP            ${GROUPS.map(({ name }) => name).join(", ")}
  ROW              a row of the targets, 1 to 14; all if no group and no row is given
  --quick          a few tiny rounds: shows that everything works; the figures mean nothing
  --output FOLDER  where to write bench.json, table.md and index.html; .cache/bench if not given`,
  values: ["output"],
  flags: ["quick"],
  words: 20,
};

/** The groups that the words name, or all of them. */
export function chooseGroups(words: readonly string[]): Group[] {
  for (const word of words) {
    if (GROUPS.some(({ name }) => name === word) || ROWS.includes(Number(word))) continue;
    throw new UsageError(`"${word}" is neither a group nor a row from 1 to 14.`);
  }
  if (words.length === 0) return [...GROUPS];
  return GROUPS.filter(({ name, rows }) =>
    words.includes(name) || rows.some((row) => words.includes(String(row)))
  );
}

/** Builds what is in C and C++, with the peers that can be had. */
async function build(quick: boolean): Promise<Absent[]> {
  const absent = [...await fetchHeaders(), ...await buildIceoryx2(quick)];
  await must(["make", "-s", "-C", "native"]);
  await must(["make", "-s", "-C", "bench"]);
  return absent;
}

/** What a run has to know besides its groups. */
export interface Settings {
  readonly quick: boolean;
  readonly device?: (name: string) => string;
  /** Prints a line. */
  readonly say: (line: string) => void;
}

async function runGroup(
  group: Group,
  machine: Machine,
  settings: Settings,
): Promise<{ result?: GroupResult; absent: readonly Absent[] }> {
  const { quick, device = hostDevice } = settings;
  using run = new Run({ processors: machine.processors, quick, device });
  try {
    await group.run(run);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { absent: [...run.absent, { what: group.name, why: error.message }] };
  }
  const result = run.result(group);
  for (const text of formatGroup(result)) settings.say(text);
  settings.say("");
  return { result, absent: run.absent };
}

/** Runs groups, one after the other, and judges them. */
export async function runGroups(
  chosen: readonly Group[],
  settings: Settings,
  known: readonly Absent[] = [],
): Promise<Report> {
  const machine = await describeMachine();
  const begin = new Date();
  const groups: GroupResult[] = [];
  const absent = [...known];
  for (const group of chosen) {
    const { result, absent: more } = await runGroup(group, machine, settings);
    if (result !== undefined) groups.push(result);
    for (const one of more) if (!absent.some(({ what }) => what === one.what)) absent.push(one);
  }
  const rows = chosen.length === GROUPS.length ? ROWS : chosen.flatMap((group) => group.rows);
  return {
    format: FORMAT,
    date: begin.toISOString(),
    seconds: (Date.now() - begin.getTime()) / 1000,
    quick: settings.quick,
    machine,
    groups,
    absent,
    verdicts: judgeAll(groups, absent, rows),
  };
}

/** Writes the raw figures and the page. */
async function write(report: Report, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/bench.json`, `${JSON.stringify(report)}\n`);
  await Deno.writeTextFile(`${folder}/index.html`, renderPage(report));
  await Deno.writeTextFile(`${folder}/table.md`, formatMarkdown(report));
  console.log(`${folder}/bench.json has every round; a page to look at: ${folder}/index.html`);
}

async function main(line: CommandLine): Promise<void> {
  setColorEnabled(Deno.stdout.isTerminal());
  const chosen = chooseGroups(line.words);
  const quick = line.flag("quick");
  const absent = await build(quick);
  const say = (text: string) => console.log(text);
  const report = await runGroups(chosen, { quick, say }, absent);
  console.log(formatReport(report));
  await write(report, line.value("output") ?? `${CACHE}/bench`);
  Deno.exit(0);
}

if (import.meta.main) await withUsage(USAGE, main);
