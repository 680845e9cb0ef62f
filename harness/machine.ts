// SPDX-License-Identifier: BSD-3-Clause
/** The machine that each kernel is booted on, and the kernel's parameters. */

import type { Arch } from "./arch.ts";
import { cacheFolder } from "./files.ts";
import { DEBUG_SERIES } from "./kernel.ts";
import { packageFolder } from "./package.ts";
import { must } from "./process.ts";

/** What an emulator needs beside the files. */
export interface Machine {
  /** The value of `-smp`. */
  readonly processors: string;
  readonly memoryMb: number;
  readonly arch: Arch;
  /** The kernel's parameters. */
  readonly parameters: readonly string[];
}

const EVERYWHERE = [
  // A panic restarts at once, and QEMU ends at a restart.
  "panic=-1",
  "oops=panic",
  // The guest would continue to print that it is stuck.
  "softlockup_panic=1",
  // The same addresses each time make logs comparable.
  "nokaslr",
];

/**
 * What Debian's kernels check at little cost: freed memory, and the bytes around objects. Also to
 * record who has allocated each of them (U) takes 4% more of an emulated processor; the debug
 * kernel does that.
 */
const CHECKED = ["slub_debug=FZP", "init_on_free=1"];

/**
 * An emulated processor may not run for half a minute while the real one is busy, and arm64 is
 * slower to emulate. The kernel would report that as a processor that is stuck.
 */
const PATIENT = ["watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120"];

/**
 * Both extremes that a distribution may choose: kernel code is interrupted at any point, or never.
 */
const PREEMPTION: Readonly<Record<string, string>> = { "6.1": "none", "6.12": "full" };

/** The port of the kernel's log. */
const CONSOLE: Readonly<Record<Arch, string>> = {
  amd64: "console=ttyS0",
  arm64: "console=ttyAMA0",
};

/** Returns the machine for a kernel of a series. */
export async function machineFor(series: string, arch: Arch = "amd64"): Promise<Machine> {
  if (series === DEBUG_SERIES) return await debugMachine();
  const preempt = PREEMPTION[series];
  const parameters = [
    ...[CONSOLE[arch], ...EVERYWHERE, ...CHECKED],
    ...arch === "arm64" ? PATIENT : [],
    ...preempt === undefined ? [] : [`preempt=${preempt}`],
  ];
  return { processors: "2", memoryMb: 2048, arch, parameters };
}

async function debugMachine(): Promise<Machine> {
  return {
    // The table that describes the processors to a kernel without ACPI has one in each socket.
    processors: "2,sockets=2,cores=1",
    // Shadow memory, quarantines and stack traces need memory too.
    memoryMb: 3072,
    arch: "amd64",
    parameters: [
      CONSOLE.amd64,
      ...EVERYWHERE,
      // There is no other clock that it could measure this one by.
      `tsc_early_khz=${await (tsc ??= measureTsc())}`,
      "tsc=reliable",
      "page_poison=1",
      // An emulated processor may stall for a while when the real one is busy.
      "watchdog_thresh=30",
      // All lines of the report on leaks get into the log.
      "printk.devkmsg=on",
    ],
  };
}

/** What `measureTsc` has found, for all guests of this process. */
let tsc: Promise<number> | undefined;

/** The frequency of this machine's time stamp counter, which the emulator passes on, in kHz. */
async function measureTsc(): Promise<number> {
  const program = `${cacheFolder()}/vm/tsc-${Deno.pid}`;
  await Deno.mkdir(`${cacheFolder()}/vm`, { recursive: true });
  try {
    await must(["gcc-12", "-O2", "-o", program, `${await packageFolder()}/harness/tsc.c`]);
    return Number(await must([program]));
  } finally {
    await Deno.remove(program).catch(() => {});
  }
}
