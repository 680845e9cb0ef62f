// SPDX-License-Identifier: BSD-3-Clause
/** Paths in the checkout. All are absolute, without a slash at the end. */

import { CHECKOUT } from "../../harness/files.ts";

export { exists, fillOnce, ignoreMissing } from "../../harness/files.ts";

/** The top of the checkout. */
export const ROOT = CHECKOUT!;

/** What is fetched or built goes below this ignored folder. */
export const CACHE = `${ROOT}/.cache`;
