// SPDX-License-Identifier: BSD-3-Clause
/**
 * The content of `src/embedded/built_by_make.ts` until `make prebuilt` is run: no library. This
 * file is excluded from publishing (see `deno.json`), so `deno publish` refuses a module without
 * libraries, and names this file.
 *
 * @module
 */

export { CONTRACT as contract } from "./abi.ts";

/** There are none yet. */
export const libraries = {};
