// SPDX-License-Identifier: BSD-3-Clause
/** Finding trouble in a kernel log. */

/**
 * What the kernel prints when something is wrong with it, whether or not it goes on. Matched without regard to
 * case, and only whole words where a part of one could be harmless.
 */
const TROUBLE: readonly RegExp[] = [
  /\bWARNING\b/i,
  /\bBUG\b/,
  /\bOops\b/i,
  /Kernel panic/i,
  /general protection/i,
  /unable to handle/i,
  /\bCall Trace\b/i,
  /\bKASAN\b/i,
  /\bKCSAN\b/i,
  /\bUBSAN\b/i,
  /\bkmemleak\b/i,
  /unreferenced object/i,
  /memory exposure|memory overwrite/i,
  /buffer overflow|field-spanning write/i,
  /single bit error/i,
  /refcount_t/i,
  /use-after-free/i,
  /double[- ]free/i,
  /corruption/i,
  /slab-out-of-bounds/i,
  // Lock debugging.
  /\blockdep\b/i,
  /DEBUG_LOCKS_WARN_ON/,
  /turning off the locking correctness validator/i,
  /trying to register non-static key/i,
  /wait context/i,
  /possible (?:circular|recursive|irq lock inversion)/i,
  /inconsistent lock state/i,
  /suspicious RCU usage/i,
  /bad unlock balance/i,
  /held lock freed/i,
  /sleeping function called from invalid context/i,
  /scheduling while atomic/i,
  /\busing .* in preemptible/i,
  // Objects that are used before they are set up, or freed while they are in use.
  /\bODEBUG\b/i,
  // Things that no longer move.
  /INFO: task .* blocked/i,
  /soft lockup/i,
  /hard lockup/i,
  /rcu: INFO/i,
  /detected stalls?/i,
  /self-detected stall/i,
  /watchdog: .*stuck/i,
  /workqueue lockup/i,
  // Memory that ran out: a test that needs so much has to say so.
  /Out of memory/i,
  /page allocation failure/i,
];

/** Lines that only look like trouble. Each says why. */
const HARMLESS: readonly RegExp[] = [
  // The kernel repeats its parameters, and `oops=panic` is one.
  /Command line: /i,
  // What a debug kernel says of its detectors when it starts.
  /kasan: KernelAddressSanitizer initialized/,
  /kmemleak: Kernel memory leak detector initialized/,
  /rcu:\s+RCU lockdep checking is enabled/,
  /rcu:\s+RCU callback double-\/use-after-free debug is enabled/,
  /ODEBUG: selftest passed/,
  // A test made an allocation of the detector's own fail. It continues, with more to look at.
  /kmemleak: Cannot allocate a scan area, scanning the full object/,
];

/** Removes what a serial console adds to a line. */
function clean(line: string): string {
  // deno-lint-ignore no-control-regex -- terminal control sequences are what is removed
  return line.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[\r\0]/g, "").trimEnd();
}

/** The lines of a kernel log that tell of trouble, without the console's control sequences. */
export function findTrouble(log: string): string[] {
  return log.split("\n").map(clean).filter((line) =>
    TROUBLE.some((pattern) => pattern.test(line)) &&
    !HARMLESS.some((pattern) => pattern.test(line))
  );
}
