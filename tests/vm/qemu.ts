// SPDX-License-Identifier: BSD-3-Clause
/** Running QEMU. */

import { type Emulator, fetchQemu } from "./tools.ts";

/** One boot: what goes in, and where the two silent serial ports go. */
export interface Boot {
  readonly image: string;
  readonly initramfs: string;
  /** The file that takes the kernel's log. */
  readonly log: string;
  /** The file that takes the verdict. */
  readonly verdict: string;
  /** Gives the guest's terminal to this process's own, for a shell. */
  readonly interactive: boolean;
  /** Ends the guest after so many milliseconds. */
  readonly timeout: number;
}

/** How QEMU ended. */
export interface Ended {
  readonly code: number;
  readonly timedOut: boolean;
  /** What QEMU itself had to say. */
  readonly complaints: string;
}

const MEMORY_MB = 2048;

const KERNEL_PARAMETERS = [
  "console=ttyS0",
  // A panic restarts at once, and QEMU ends at a restart.
  "panic=-1",
  "oops=panic",
  // The same addresses each time make logs comparable.
  "nokaslr",
];

function commandLine(emulator: Emulator, boot: Boot): string[] {
  const terminal = boot.interactive
    ? ["-chardev", "stdio,id=terminal,mux=on,signal=off", "-mon", "terminal,mode=readline"]
    : ["-chardev", "stdio,id=terminal"];
  return [
    ...emulator.options,
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    // Emulated even where KVM is there: the same machine, the same timing, for everybody.
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max",
    "-smp",
    "2",
    "-m",
    String(MEMORY_MB),
    "-no-reboot",
    "-kernel",
    boot.image,
    "-initrd",
    boot.initramfs,
    "-append",
    KERNEL_PARAMETERS.join(" "),
    "-serial",
    `file:${boot.log}`,
    "-serial",
    `file:${boot.verdict}`,
    ...terminal,
    "-serial",
    "chardev:terminal",
  ];
}

/** Boots a guest and waits for its end; what it prints on its terminal is passed on at once. */
export async function runQemu(boot: Boot): Promise<Ended> {
  const stdio = boot.interactive ? "inherit" : "piped";
  const emulator = await fetchQemu();
  const child = new Deno.Command(emulator.program, {
    args: commandLine(emulator, boot),
    stdin: boot.interactive ? "inherit" : "null",
    stdout: stdio,
    stderr: stdio,
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, boot.timeout);
  try {
    const complaints = boot.interactive ? "" : await passOn(child);
    const { code } = await child.status;
    return { code, timedOut, complaints };
  } finally {
    clearTimeout(timer);
  }
}

/** QEMU's standard output is a pipe of ours, since QEMU would leave a terminal non-blocking. */
async function passOn(child: Deno.ChildProcess): Promise<string> {
  const shown = child.stdout.pipeTo(Deno.stdout.writable, { preventClose: true });
  const complaints = await new Response(child.stderr).text();
  await shown;
  return complaints;
}
