// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs `kup bind` by itself:
 *
 *     deno run --allow-read --allow-write --allow-run bind/main.ts messages.h
 *
 * @module
 */

import { bind } from "./bind.ts";

if (import.meta.main) Deno.exit(await bind(Deno.args));
