// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals } from "../../deps.ts";
import { findTrouble } from "../vm/kernel_log.ts";

/** Lines as real kernels print them. */
const TROUBLE = [
  "WARNING: CPU: 0 PID: 1 at arch/x86/kernel/traps.c:1120 exc_debug_kernel+0xca/0x160",
  "WARNING: possible circular locking dependency detected",
  "BUG: kernel NULL pointer dereference, address: 0000000000000000",
  "kernel BUG at kernel/entry/common.c:375!",
  "Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI",
  "Oops: double fault: 0000 [#1] PREEMPT SMP NOPTI",
  "Kernel panic - not syncing: Fatal exception in interrupt",
  "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]",
  "BUG: KASAN: slab-use-after-free in kup_release+0x10/0x20 [kup]",
  "UBSAN: array-index-out-of-bounds in kmod/core/ring.c:12:3",
  "refcount_t: underflow; use-after-free.",
  "INFO: task deno:123 blocked for more than 120 seconds.",
  "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kup/echo:99]",
  "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
  "list_del corruption. prev->next should be ff1100, but was ff1101",
  "Call Trace:",
];

for (const line of TROUBLE) {
  Deno.test(`the kernel log scanner finds "${line.slice(0, 50)}"`, () => {
    const log = `[    1.000000] booting\r\n[    2.135000] ${line}\r\n[    3.000000] done\r\n`;
    assertEquals(findTrouble(log), [`[    2.135000] ${line}`]);
  });
}

Deno.test("the kernel log scanner finds nothing in an ordinary boot", () => {
  const log = [
    "[    0.000000] Command line: console=ttyS0 panic=-1 oops=panic",
    "[    0.072360] Kernel command line: console=ttyS0 panic=-1 oops=panic",
    "[    0.400000] rcu: Preemptible hierarchical RCU implementation.",
    "[    0.400000] Spectre V2 : Mitigation: Retpolines",
    "[    5.306606] kup: loading out-of-tree module taints kernel.",
    "[    5.306978] kup: module verification failed: signature and/or required key missing - tainting kernel",
    "[    5.400000] systemd[1]: DEBUG output",
    "[    5.500000] kup: kup/echo: to_user_pages is 3, which is not a power of two",
    "[    5.810167] reboot: machine restart",
  ].join("\r\n");
  assertEquals(findTrouble(log), []);
});

Deno.test("the kernel log scanner sees through a console's colours", () => {
  assertEquals(findTrouble("\x1b[1;31m[  1.0] BUG: spinlock bad magic\x1b[0m\r\n"), [
    "[  1.0] BUG: spinlock bad magic",
  ]);
});
