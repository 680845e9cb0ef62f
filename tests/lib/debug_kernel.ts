// SPDX-License-Identifier: BSD-3-Clause
/** Whether these tests run in the debug kernel. */

/** What `harness/debug.config` adds to the kernel's release. */
const SUFFIX = "-kup-debug";

/** The debug kernel can make allocations fail, and its detectors make it many times slower. */
export const IN_DEBUG_KERNEL = Deno.osRelease().endsWith(SUFFIX);
