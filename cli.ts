// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup`, the command line: lists devices, talks to them, measures them and finds out why they do
 * not work. `docs/cli.md` describes it.
 *
 *     deno run --allow-ffi jsr:@kup/kup/cli ping host:echo
 *
 * @module
 */

import { main } from "./cli/main.ts";

if (import.meta.main) await main(Deno.args);
