// SPDX-License-Identifier: BSD-3-Clause
/** Running QEMU. */

import { spawnBound } from "./bound.ts";
import type { Machine } from "./machine.ts";
import { type Limits, SilenceWatch } from "./silence.ts";
import { type Emulator, fetchQemu } from "./tools.ts";

/** One boot: what goes in, and the files of the two serial ports that are not shown. */
export interface Boot {
  readonly image: string;
  readonly initramfs: string;
  /** The file for the kernel's log. */
  readonly log: string;
  /** The file for the verdict. */
  readonly verdict: string;
  /** Connects the guest's terminal to this process's own, for a shell. */
  readonly interactive: boolean;
  readonly limits: Limits;
  readonly machine: Machine;
}

/** How QEMU ended. */
export interface Ended {
  readonly code: number;
  /** Why the guest was ended before it ended itself. */
  readonly stopped?: string;
  /** What QEMU itself printed. */
  readonly complaints: string;
}

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
    "-serial",
    `file:${boot.verdict}`,
    ...terminal,
    "-serial",
    "chardev:terminal",
  ];
}

/** How often the ports are read. */
const LOOK_EVERY_MS = 1000;

async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path).catch(() => undefined))?.size ?? 0;
}

/** Boots a guest and waits for its end; passes on at once what it prints on its terminal. */
export async function runQemu(boot: Boot): Promise<Ended> {
  const stdio = boot.interactive ? "inherit" : "piped";
  const emulator = await fetchQemu();
  const child = spawnBound([emulator.program, ...commandLine(emulator, boot)], {
    deathSignal: boot.interactive ? "TERM" : "KILL",
    stdin: boot.interactive ? "inherit" : "null",
    stdout: stdio,
    stderr: stdio,
  });
  const watch = new SilenceWatch(boot.limits, performance.now());
  let shown = 0;
  let stopped: string | undefined;
  const timer = setInterval(async () => {
    const printed = shown + await sizeOf(boot.log) + await sizeOf(boot.verdict);
    const reason = watch.look(performance.now(), printed);
    if (reason === undefined || stopped !== undefined) return;
    stopped = reason;
    child.kill("SIGKILL");
  }, LOOK_EVERY_MS);
  try {
    const complaints = boot.interactive ? "" : await passOn(child, (bytes) => shown += bytes);
    const { code } = await child.status;
    return { code, complaints, ...stopped === undefined ? {} : { stopped } };
  } finally {
    clearInterval(timer);
  }
}

/** QEMU's standard output is our pipe, since QEMU would leave a terminal non-blocking. */
async function passOn(child: Deno.ChildProcess, count: (bytes: number) => void): Promise<string> {
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
  const shown = child.stdout.pipeThrough(counter)
    .pipeTo(Deno.stdout.writable, { preventClose: true });
  const complaints = await new Response(child.stderr).text();
  await shown;
  return complaints;
}
