// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals } from "../../deps.ts";
import { findTrouble } from "../../harness/kernel_log.ts";

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
  // What only a kernel with detectors prints.
  "BUG: KASAN: double-free in kup_handle_put+0x3f/0x60 [kup]",
  "BUG: KASAN: vmalloc-out-of-bounds in take_pages+0x1f/0x90 [kup]",
  "UBSAN: shift-out-of-bounds in kmod/core/send.c:88:17",
  "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
  "BUG: scheduling while atomic: kup/echo:3/212/0x00000002",
  "[ BUG: Invalid wait context ]",
  "[ BUG: Nested lock was not taken ]",
  "WARNING: inconsistent lock state",
  "WARNING: possible recursive locking detected",
  "WARNING: possible irq lock inversion dependency detected",
  "WARNING: suspicious RCU usage",
  "WARNING: bad unlock balance detected!",
  "WARNING: held lock freed!",
  "WARNING: lock held when returning to user space!",
  "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
  "INFO: trying to register non-static key.",
  "turning off the locking correctness validator.",
  "INFO: lockdep is turned off.",
  "BUG: MAX_LOCKDEP_CHAINS too low!",
  "BUG: using smp_processor_id() in preemptible [00000000] code: deno/180",
  "ODEBUG: free active (active state 0) object: ffff888007a3c0a8 object type: timer_list",
  "kernel BUG at mm/page_table_check.c:146!",
  "pagealloc: memory corruption",
  "pagealloc: single bit error",
  "BUG kmalloc-64 (Tainted: G           O      ): Poison overwritten",
  "usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64' (offset 0, size 96)!",
  "detected buffer overflow in memcpy",
  'memcpy: detected field-spanning write (size 16) of single field "a" at b.c:1 (size 8)',
  "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
  "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
  "kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE",
  "[   61.302918] kmemleak: Kernel memory leak detector disabled",
];

for (const line of TROUBLE) {
  Deno.test(`findTrouble() finds "${line.slice(0, 70)}"`, () => {
    const log = `[    1.000000] booting\r\n[    2.135000] ${line}\r\n[    3.000000] done\r\n`;
    assertEquals(findTrouble(log), [`[    2.135000] ${line}`]);
  });
}

Deno.test("findTrouble() finds nothing in an ordinary boot", () => {
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

Deno.test("findTrouble() finds nothing in a debug kernel's ordinary boot", () => {
  const log = [
    "[    0.000000] Kernel command line: console=ttyS0 slub_debug=FZPU page_poison=1 watchdog_thresh=30",
    "[    0.019000] kasan: KernelAddressSanitizer initialized",
    "[   24.065963] rcu: \tRCU callback double-/use-after-free debug is enabled.",
    "[   24.065963] rcu: \tRCU lockdep checking is enabled.",
    "[   24.070000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "[   24.070000] ... MAX_LOCKDEP_SUBCLASSES:  8",
    "[   24.071000] ... MAX_LOCKDEP_CHAINS:      65536",
    "[   24.080000] ODEBUG: selftest passed",
    "[   25.202114] Callback from call_rcu_tasks() invoked.",
    "[   28.045814] kmemleak: Kernel memory leak detector initialized (mem pool available: 14781)",
    "[    0.000000] kmemleak: Kernel memory leak detector disabled",
    "[  134.552156] kmemleak: Cannot allocate a scan area, scanning the full object",
    "[  187.257922] kobject: kobject_add_internal failed for kup (error: -12 parent: class)",
    "[   28.111186] hrtimer: interrupt took 17165991 ns",
  ].join("\r\n");
  assertEquals(findTrouble(log), []);
});

Deno.test("findTrouble() ignores a console's colours", () => {
  assertEquals(findTrouble("\x1b[1;31m[  1.0] BUG: spinlock bad magic\x1b[0m\r\n"), [
    "[  1.0] BUG: spinlock bad magic",
  ]);
});
