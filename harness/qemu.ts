// SPDX-License-Identifier: BSD-3-Clause
/** Starting QEMU. */

import { spawnBound } from "./bound.ts";
import type { Machine } from "./machine.ts";
import { type Emulator, fetchQemu } from "./tools.ts";

/** One boot: what goes in, and the files of the serial ports. */
export interface Boot {
  readonly image: string;
  readonly initramfs: string;
  /** The file for the kernel's log. */
  readonly log: string;
  /** The file for what commands print; with a shell, for what the guest reports. */
  readonly output: string;
  /**
   * Connects the guest's terminal to this process's own, for a shell. Otherwise the port of the
   * protocol is QEMU's standard input and output.
   */
  readonly interactive: boolean;
  readonly machine: Machine;
}

function commandLine(emulator: Emulator, boot: Boot): string[] {
  const file = `file:${boot.output}`;
  const stdio = boot.interactive
    ? ["-chardev", "stdio,id=stdio,mux=on,signal=off", "-mon", "stdio,mode=readline"]
    : ["-chardev", "stdio,id=stdio,signal=off"];
  const [protocol, terminal] = boot.interactive ? [file, "chardev:stdio"] : ["chardev:stdio", file];
  return [
    ...emulator.options,
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    // Emulated also where KVM exists: the same machine and the same timing everywhere.
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max",
    "-smp",
    boot.machine.processors,
    "-m",
    String(boot.machine.memoryMb),
    "-no-reboot",
    "-kernel",
    boot.image,
    "-initrd",
    boot.initramfs,
    "-append",
    boot.machine.parameters.join(" "),
    "-serial",
    `file:${boot.log}`,
    ...stdio,
    "-serial",
    protocol!,
    "-serial",
    terminal!,
  ];
}

/** Starts a guest. QEMU ends when this process does. */
export async function startQemu(boot: Boot): Promise<Deno.ChildProcess> {
  const stdio = boot.interactive ? "inherit" : "piped";
  const emulator = await fetchQemu();
  return spawnBound([emulator.program, ...commandLine(emulator, boot)], {
    deathSignal: boot.interactive ? "TERM" : "KILL",
    stdin: stdio,
    stdout: stdio,
    stderr: stdio,
  });
}
