// SPDX-License-Identifier: BSD-3-Clause
/**
 * Prints how much memory an attached channel takes beside its shared pages, in bytes:
 *
 *     deno run -A --v8-flags=--expose-gc bench/workers/memory.ts DEVICE CHANNELS
 */

import { type Channel, open } from "../../mod.ts";
import { hostDevice } from "../run.ts";

declare const gc: () => void;

/** Memory of the process that is not shared, in bytes. */
function ownMemory(): number {
  gc();
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const [path = "", count = "1"] = Deno.args;
// On the host driver, the module is loaded with its first device.
if (path.startsWith("host:")) open(hostDevice("bench"));
const device = open(path);
const channels: Channel[] = [];
// What the first channel needs for the whole process does not count.
channels.push(await device.attach({ wait: false }));
const before = ownMemory();
for (let i = 1; i < Number(count); i++) channels.push(await device.attach({ wait: false }));
console.log((ownMemory() - before) / (channels.length - 1));
Deno.exit();
