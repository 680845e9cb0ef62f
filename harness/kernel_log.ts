// SPDX-License-Identifier: BSD-3-Clause
/** Finds trouble in a kernel log. */

/**
 * What the kernel prints when something is wrong with it, whether or not it continues. Matched
 * without regard to case, and only as whole words where a part of a word could be harmless.
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
  // Objects that are used before they are initialized, or freed while they are in use.
  /\bODEBUG\b/i,
  // Tasks that make no progress.
  /INFO: task .* blocked/i,
  /soft lockup/i,
  /hard lockup/i,
  /rcu: INFO/i,
  /detected stalls?/i,
  /self-detected stall/i,
  /watchdog: .*stuck/i,
  /workqueue lockup/i,
  // Memory that ran out: a test that needs this much has to announce it.
  /Out of memory/i,
  /page allocation failure/i,
];

/** Lines that only look like trouble, each with its reason. */
const HARMLESS: readonly RegExp[] = [
  // The kernel repeats its parameters, and `oops=panic` is one.
  /Command line: /i,
  // What a debug kernel prints about its detectors when it starts.
  /kasan: KernelAddressSanitizer initialized/,
  /kmemleak: Kernel memory leak detector initialized/,
  // By a parameter, which is read before the clock runs. By itself it is turned off later.
  /^\[ +0\.000000\] kmemleak: Kernel memory leak detector disabled$/,
  /rcu:\s+RCU lockdep checking is enabled/,
  /rcu:\s+RCU callback double-\/use-after-free debug is enabled/,
  /ODEBUG: selftest passed/,
  // A test made an allocation of the detector's own fail. It continues, with more to scan.
  /kmemleak: Cannot allocate a scan area, scanning the full object/,
];

/** Removes what a serial console adds to a line. */
function clean(line: string): string {
  // deno-lint-ignore no-control-regex -- terminal control sequences are what is removed
  return line.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[\r\0]/g, "").trimEnd();
}

/** The lines of a kernel log that report trouble, without the console's control sequences. */
export function findTrouble(log: string): string[] {
  return log.split("\n").map(clean).filter((line) =>
    TROUBLE.some((pattern) => pattern.test(line)) &&
    !HARMLESS.some((pattern) => pattern.test(line))
  );
}
