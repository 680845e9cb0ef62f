// SPDX-License-Identifier: BSD-3-Clause
/** The kernel's driver: this process is root's, on a machine where kup.ko is loaded. */

import { type Driver, type Parameters, threadsIn } from "./interface.ts";

/** Errno values. */
const ENOENT = 2;
const ENOTDIR = 20;
const EISDIR = 21;
const ENOTTY = 25;

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

export class LinuxDriver implements Driver {
  readonly name = "linux";
  readonly path = "/dev/kup/echo";
  readonly refusedPaths = [
    ["/dev/kup/none", "not-found", ENOENT],
    ["/dev/kup/echo/below", "not-found", ENOTDIR],
    ["/dev/kup", "not-a-device", EISDIR],
    ["/dev/null", "not-a-device", ENOTTY],
    ["/etc/passwd", "not-a-device", ENOTTY],
  ] as const;

  pathOf(name: string): string {
    return `/dev/${name}`;
  }

  async load(parameters: Parameters = {}): Promise<void> {
    const words = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
    await run("insmod", "/lib/modules/kup_echo.ko", ...words);
  }

  async unload(): Promise<void> {
    await run("rmmod", "kup_echo");
  }

  async insert(module: string): Promise<string | undefined> {
    await run("insmod", `/lib/modules/${module}.ko`);
    return undefined;
  }

  async remove(module: string): Promise<void> {
    await run("rmmod", module);
  }

  servingThreads(): string[] {
    return threadsIn("/proc");
  }
}
