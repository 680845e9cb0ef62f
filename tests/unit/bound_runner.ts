// SPDX-License-Identifier: BSD-3-Clause
/**
 * A runner for guest_test.ts: starts its arguments as a bound program, prints its number, and
 * waits.
 */

import { spawnBound } from "../../harness/bound.ts";

const child = spawnBound(Deno.args, { deathSignal: "KILL", stdin: "null", stdout: "null" });
console.log(child.pid);
await child.status;
