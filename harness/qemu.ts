// SPDX-License-Identifier: BSD-3-Clause
/** Starting QEMU. */

import type { Arch } from "./arch.ts";
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
  /**
   * Whether each emulated processor has a thread of its own. Otherwise they take turns in one
   * thread, and one that spins gives its turn away.
   */
  readonly threads: "multi" | "single";
}

function commandLine(emulator: Emulator, boot: Boot): string[] {
  const stdio = boot.interactive
    ? ["-chardev", "stdio,id=stdio,mux=on,signal=off", "-mon", "stdio,mode=readline"]
    : ["-chardev", "stdio,id=stdio,signal=off"];
  return [
    ...emulator.options,
    ...MACHINE[boot.machine.arch],
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    // Emulated also where KVM exists: the same machine and the same timing everywhere.
    "-accel",
    `tcg,thread=${boot.threads}`,
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
    // In an option, a comma is written twice.
    ...["-chardev", `file,id=file,path=${boot.output.replaceAll(",", ",,")}`],
    ...ports(boot),
  ];
}

/** The second and the third port, which the guest knows as ttyS1 and ttyS2 on all machines. */
function ports({ interactive, machine }: Boot): string[] {
  const [protocol, terminal] = interactive ? ["file", "stdio"] : ["stdio", "file"];
  if (machine.arch === "amd64") {
    return ["-serial", `chardev:${protocol}`, "-serial", `chardev:${terminal}`];
  }
  // The board has one port, for the log. The first of these four, ttyS0, is not used.
  const unused = ["1", "4"].map((number) => `chardev${number}=null${number}`);
  return [
    ...["-chardev", "null,id=null1", "-chardev", "null,id=null4"],
    ...["-device", `pci-serial-4x,chardev2=${protocol},chardev3=${terminal},${unused.join()}`],
  ];
}

/** The processors are those with all features; signing pointers as hardware does costs a third. */
const MACHINE: Readonly<Record<Arch, readonly string[]>> = {
  amd64: ["-cpu", "max"],
  arm64: ["-machine", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"],
};

/** Starts a guest. QEMU ends when this process does. */
export async function startQemu(boot: Boot): Promise<Deno.ChildProcess> {
  const stdio = boot.interactive ? "inherit" : "piped";
  const emulator = await fetchQemu(boot.machine.arch);
  return spawnBound([emulator.program, ...commandLine(emulator, boot)], {
    deathSignal: boot.interactive ? "TERM" : "KILL",
    stdin: stdio,
    stdout: stdio,
    stderr: stdio,
  });
}
