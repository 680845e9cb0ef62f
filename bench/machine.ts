// SPDX-License-Identifier: BSD-3-Clause
/** The machine that a benchmark runs on. */

import { HarnessError } from "../harness/error.ts";
import { ROOT } from "../tests/lib/paths.ts";
import { capture } from "../tests/lib/process.ts";

/** What figures depend on. */
export interface Machine {
  readonly system: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly processor: string;
  /** The processors that this process may use, by number. */
  readonly processors: readonly number[];
  readonly memoryBytes: number;
  /** Where Linux has its time from. */
  readonly clock: string;
  readonly deno: string;
  readonly v8: string;
  readonly compiler: string;
  /** KUP's version and commit. */
  readonly kup: string;
  /** Processes that were ready to run when the benchmark began, on average over a minute. */
  readonly load: number;
}

async function readOr(path: string, otherwise: string): Promise<string> {
  return await Deno.readTextFile(path).then((text) => text.trim(), () => otherwise);
}

/** The first line that a program prints; empty if it fails, or is not here. */
export async function firstLine(command: readonly string[]): Promise<string> {
  try {
    const { code, stdout } = await capture(command);
    return code === 0 ? stdout.split("\n")[0] ?? "" : "";
  } catch (error) {
    if (error instanceof HarnessError && error.code === "tool") return "";
    throw error;
  }
}

/** Reads a list of processors as Linux writes it, such as `0-3,6`. */
export function parseProcessors(list: string): number[] {
  return list.trim().split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    if (first === undefined || !Number.isInteger(first) || !Number.isInteger(last)) return [];
    return Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  });
}

async function processors(): Promise<number[]> {
  const status = await readOr("/proc/self/status", "");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  return list === undefined
    ? Array.from({ length: navigator.hardwareConcurrency }, (_, i) => i)
    : parseProcessors(list);
}

async function kupVersion(): Promise<string> {
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const commit = await firstLine(["git", "describe", "--always", "--dirty", "--abbrev=12"]);
  return commit === "" ? version : `${version} (${commit})`;
}

/** Describes this machine. */
export async function describeMachine(): Promise<Machine> {
  const cpuinfo = await readOr("/proc/cpuinfo", "");
  return {
    system: Deno.build.os,
    kernel: Deno.osRelease(),
    architecture: Deno.build.arch,
    processor: /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1] ?? "unknown",
    processors: await processors(),
    memoryBytes: Deno.systemMemoryInfo().total,
    clock: await readOr(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource",
      "unknown",
    ),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    compiler: await firstLine(["cc", "--version"]),
    kup: await kupVersion(),
    load: Deno.loadavg()[0]!,
  };
}
