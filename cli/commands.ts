// SPDX-License-Identifier: BSD-3-Clause
/**
 * The table of commands. A command is loaded when it is used, so that the others cost it nothing.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** A command that reads its command line by itself, and returns the exit status. */
type Main = (args: readonly string[]) => Promise<number>;

/** A line of `kup --help`, and the command's module. */
export interface Entry {
  readonly summary: string;
  load(): Promise<{ readonly command: Command } | { readonly bind: Main }>;
}

/** All commands, in the order in which `kup --help` lists them. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  list: { summary: "list devices, their users and counters", load: () => import("./list.ts") },
  info: { summary: "describe a device and its channels", load: () => import("./info.ts") },
  ping: { summary: "measure round trips", load: () => import("./ping.ts") },
  cat: { summary: "connect a channel with stdin and stdout", load: () => import("./cat.ts") },
  top: { summary: "show live rates of all channels", load: () => import("./top.ts") },
  record: { summary: "write a channel's messages to a file", load: () => import("./record.ts") },
  replay: { summary: "send a file's messages to a channel", load: () => import("./replay.ts") },
  bench: { summary: "measure a device's rates", load: () => import("./bench.ts") },
  doctor: { summary: "find out why KUP does not work here", load: () => import("./doctor.ts") },
  modinfo: { summary: "describe a client module's file", load: () => import("./modinfo.ts") },
  test: { summary: "test a module in a kernel of its own", load: () => import("./test.ts") },
  bind: {
    summary: "generate types and checks from a C header",
    // Its options are those of compilers, such as -I and -D.
    load: () => import("../bind/bind.ts"),
  },
  version: { summary: "print the versions of the parts", load: () => import("./version.ts") },
  new: { summary: "make the folder of a new module", load: () => import("./new.ts") },
};
