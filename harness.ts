// SPDX-License-Identifier: BSD-3-Clause
/**
 * Boots a Linux kernel in an emulated machine, with KUP and with modules of one's own, and runs
 * commands and Deno tests there. Nothing of this machine's own kernel is used or changed.
 *
 * It needs a Debian machine (12 or newer, x86_64) with a compiler and make, and all permissions of
 * Deno. Kernels and QEMU are fetched from Debian's archive once, and kept in `~/.cache/kup`.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({ kernel: "6.12", modules: ["./my_module"] });
 * const { status, output } = await vm.run("cat /proc/modules");
 * const { ok, tests } = await vm.test(["my_test.ts"]);
 * console.log(status, output, ok, tests);
 * ```
 *
 * @module
 */

export type { Arch } from "./harness/arch.ts";
export { boot, type BootOptions, type ModuleOptions } from "./harness/boot.ts";
export { HarnessError, type HarnessErrorCode } from "./harness/error.ts";
export { GuestError, type Judgement } from "./harness/judge.ts";
export type { Outcome, TestCase } from "./harness/junit.ts";
export type { Kernel } from "./harness/kernel.ts";
export {
  type RunOptions,
  type RunResult,
  type TestOptions,
  type TestResult,
  Vm,
  type VmOptions,
} from "./harness/vm.ts";

import { main } from "./harness/main.ts";

if (import.meta.main) await main(Deno.args);
