// SPDX-License-Identifier: BSD-3-Clause
/** The machine that each kernel is booted on, and the parameters that it is booted with. */

import { CACHE, ROOT } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { DEBUG_SERIES } from "./kernel.ts";

/** What an emulator has to know beyond the files. */
export interface Machine {
  /** What follows `-smp`. */
  readonly processors: string;
  readonly memoryMb: number;
  /** The kernel's parameters. */
  readonly parameters: readonly string[];
}

const EVERYWHERE = [
  "console=ttyS0",
  // A panic restarts at once, and QEMU ends at a restart.
  "panic=-1",
  "oops=panic",
  // The guest would go on printing that it is stuck.
  "softlockup_panic=1",
  // The same addresses each time make logs comparable.
  "nokaslr",
];

/** What Debian's kernels check for next to nothing: freed memory, and what lies around objects. */
const CHECKED = ["slub_debug=FZPU", "init_on_free=1"];

/** Both ends of what a distribution may choose: whether kernel code is ever interrupted. */
const PREEMPTION: Readonly<Record<string, string>> = { "6.1": "none", "6.12": "full" };

/** Returns the machine for a kernel of a series. */
export async function machineFor(series: string): Promise<Machine> {
  if (series === DEBUG_SERIES) return await debugMachine();
  const preempt = PREEMPTION[series];
  const parameters = preempt === undefined ? CHECKED : [...CHECKED, `preempt=${preempt}`];
  return { processors: "2", memoryMb: 2048, parameters: [...EVERYWHERE, ...parameters] };
}

async function debugMachine(): Promise<Machine> {
  return {
    // The table that describes them to a kernel without ACPI has one processor in each socket.
    processors: "2,sockets=2,cores=1",
    // Shadow memory, quarantines and stack traces take their share.
    memoryMb: 3072,
    parameters: [
      ...EVERYWHERE,
      // There is no other clock that it could measure this one by.
      `tsc_early_khz=${await measureTsc()}`,
      "tsc=reliable",
      "page_poison=1",
      // An emulated processor may not run for long while the real one is busy.
      "watchdog_thresh=30",
      // All lines of the report on leaks get into the log.
      "printk.devkmsg=on",
    ],
  };
}

/** The frequency of this machine's time stamp counter, which the emulator hands on, in kHz. */
async function measureTsc(): Promise<number> {
  const program = `${CACHE}/vm/tsc-${Deno.pid}`;
  await Deno.mkdir(`${CACHE}/vm`, { recursive: true });
  try {
    await must(["gcc-12", "-O2", "-o", program, `${ROOT}/tests/vm/tsc.c`]);
    return Number(await must([program]));
  } finally {
    await Deno.remove(program).catch(() => {});
  }
}
