// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup version`, and `kup --version`: the versions of the parts.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { open } from "../mod.ts";
import { ABI_VERSION } from "../src/abi.ts";
import type { Command } from "./command.ts";
import { print, printJson } from "./output.ts";

const USAGE = `usage: kup version [--json] [DEVICE]...
       kup --version

Prints the versions of this program, of the ABI that it speaks, and of Deno;
and for each device, of the ABI that its driver speaks, and of the kernel
module (Deno needs -A to read that one).

  --json   print an object`;

/** What a device's driver reports about its version. */
interface DeviceVersion {
  readonly path: string;
  readonly abi: number;
  /** That of the kernel module `kup`; undefined if it can't be read, or the device has none. */
  readonly module?: string;
}

function versionOf(path: string): DeviceVersion {
  using device = open(path);
  const abi = device.info().abiVersion;
  const module = path.startsWith("host:") ? undefined : moduleVersion();
  return { path, abi, ...module === undefined ? {} : { module } };
}

function moduleVersion(): string | undefined {
  try {
    return Deno.readTextFileSync("/sys/module/kup/version").trim();
  } catch {
    return undefined;
  }
}

/** The command. */
export const command: Command = {
  usage: { text: USAGE, flags: ["json"], words: Infinity },
  // deno-lint-ignore require-await -- all commands are asynchronous.
  async run(line): Promise<void> {
    const devices = line.words.map(versionOf);
    const versions = { kup: config.version, abi: ABI_VERSION, deno: Deno.version.deno };
    if (line.flag("json")) return printJson({ ...versions, devices });
    print(`kup ${versions.kup}`);
    print(`ABI ${versions.abi}`);
    print(`Deno ${versions.deno}`);
    for (const { path, abi, module } of devices) {
      print(`${path}: ABI ${abi}${module === undefined ? "" : `, kernel module ${module}`}`);
    }
  },
};
