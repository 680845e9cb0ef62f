// SPDX-License-Identifier: BSD-3-Clause
/**
 * All that the drivers do differently, with the reasons. The tests of this folder, in TypeScript
 * and in C, read only this list: for the drivers in DIFFERENCES they expect one behaviour, for all
 * others the other one. What SPECIALITIES contains exists on some drivers only, and is tested in
 * folders of its own. All other behaviour is the same on all drivers.
 */

/** A way to reach the engine. */
export type DriverName = "host" | "linux" | "freebsd";

/** Two behaviours of the same call. */
export interface Difference {
  /** The drivers that behave like this. */
  readonly on: readonly DriverName[];
  /** What these drivers do and the others don't. */
  readonly what: string;
  readonly reason: string;
}

/** Something that the other drivers have no calls for. */
export interface Speciality {
  readonly on: readonly DriverName[];
  readonly what: string;
  readonly reason: string;
  /** Where it is tested. */
  readonly tests: readonly string[];
}

/**
 * Pairs of behaviours. Each test expects the one that its driver has. C programs get the ids as
 * arguments.
 */
export const DIFFERENCES = {
  "opening-loads": {
    on: ["host"],
    what: "Opening the echo client by its own name, `host:echo`, loads it if it isn't loaded.",
    reason: "The process is its own administrator, so no one else could load it. A device that is" +
      " opened by its name, `host:kup/echo`, exists or not, as in /dev.",
  },
  "unknown-parameters-are-refused": {
    on: ["host"],
    what: "Loading a module with a parameter that it doesn't have fails with EINVAL.",
    reason: "Linux's own module loader ignores such a parameter, and writes a line to the " +
      "kernel's log, which a process does not have.",
  },
  "waiter-may-be-early": {
    on: ["host"],
    what: "The waiter may report another event of an armed file than the one that it was armed " +
      "for.",
    reason: "epoll looks at the file before it reports an event. In this driver the thread that " +
      "wakes the file writes to the isolate's pipe itself, and may not call the engine for " +
      "a look. A separate thread for that would double the time of a wake-up.",
  },
  "devices-are-files": {
    on: ["linux", "freebsd"],
    what: "open() of a part of a device's name, or of a path below a device, returns EISDIR or " +
      "ENOTDIR.",
    reason: "Names in /dev are folders and files. Without a file system they are just names that " +
      "no device has: ENOENT.",
  },
  "shared-by-processes": {
    on: ["linux", "freebsd"],
    what: "All processes see the same devices and compete for their channels.",
    reason:
      "There is one kernel, but each process that uses the host driver has an engine of its own.",
  },
  "polls-look-once": {
    on: ["freebsd"],
    what: "A poll that waits in vain looks once, and not a second time when its time is up.",
    reason: "FreeBSD's poll(2) looks again only after a wake-up.",
  },
  "polls-hold-no-file": {
    on: ["freebsd"],
    what: "Closing a handle frees its channel although another thread waits for it.",
    reason: "FreeBSD's poll(2) does not hold the file while it sleeps.",
  },
  "parameters-are-variables": {
    on: ["freebsd"],
    what: "A parameter that makes no sense is ignored, and every refusal of a client is ENOEXEC.",
    reason: "Parameters are variables of the kernel's environment, which the module reads when it" +
      " is loaded; kldload(2) has one errno for all that can fail then.",
  },
} as const satisfies Readonly<Record<string, Difference>>;

/** The id of a difference. */
export type DifferenceId = keyof typeof DIFFERENCES;

/** What exists on some drivers only. */
export const SPECIALITIES: readonly Speciality[] = [
  {
    on: ["linux"],
    what:
      "Handles as descriptors: ioctl's numbers and sizes, EFAULT, read and write, O_RDONLY and " +
      "O_NONBLOCK, dup, fork, epoll, sending one to another process.",
    reason: "Only the native library knows the numbers of the host driver's files.",
    tests: ["tests/kernel/c/calls.c", "tests/kernel/c/epoll.c", "tests/kernel/c/processes.c"],
  },
  {
    on: ["linux"],
    what: "mmap of single areas, mprotect, mremap, madvise, and all other access to a mapping.",
    reason: "In one process both sides have the same rights to all memory. The host driver's " +
      "kernel page is read-only to catch mistakes, the kernel's to stop attackers.",
    tests: ["tests/kernel/c/mapping.c"],
  },
  {
    on: ["linux"],
    what: "Signals: EINTR from ATTACH.",
    reason: "Threads wait in the host driver, and signals don't end their waits.",
    tests: ["tests/kernel/c/calls.c"],
  },
  {
    on: ["linux"],
    what: "The end of a process, by exit or kill -9, frees its channels; unloading survives it.",
    reason: "The host driver's engine ends with its process.",
    tests: [
      "tests/kernel/process_test.ts",
      "tests/kernel/c/calls.c",
      "tests/kernel/c/processes.c",
      "tests/kernel/c/unloading.c",
    ],
  },
  {
    on: ["linux"],
    what: "Owner, group and permissions of a device.",
    reason: "All code in a process may use all that the process has.",
    tests: ["tests/kernel/node_test.ts"],
  },
  {
    on: ["linux"],
    what: "A cgroup's memory limit, and leaks of the kernel's memory.",
    reason: "Only the kernel counts them.",
    tests: ["tests/kernel/c/processes.c"],
  },
  {
    on: ["linux"],
    what: "The number of closed channels that a user keeps mapped is limited, and a channel's " +
      "kernel thread is in its process's cgroups. A client that leaves a device behind can " +
      "be unloaded.",
    reason: "FreeBSD charges such memory as swap, and its threads belong to processes. In a " +
      "process all memory and threads belong to the process itself, and a module that " +
      "leaves a device behind stays.",
    tests: ["tests/kernel/c/hostile.c"],
  },
  {
    on: ["linux"],
    what: "Each allocation of a load, an open, an ATTACH and an mmap fails in turn.",
    reason: "Only a kernel that is built for it, the debug kernel, can make allocations fail.",
    tests: ["tests/kernel/c/allocations.c"],
  },
  {
    on: ["linux"],
    what: "kup.ko can't be unloaded while it is in use.",
    reason: "The host driver's engine is a part of the native library, which stays loaded.",
    tests: ["tests/kernel/c/unloading.c"],
  },
  {
    on: ["freebsd"],
    what:
      "Handles in a kqueue; mmap's flags; revoke, kldunload, kproc, and the limit of wired memory.",
    reason: "Only FreeBSD has them. (Its other system calls are those of Linux: calls.c, " +
      "processes.c and seed.c of tests/kernel/c run there, too.)",
    tests: [
      "tests/freebsd/c/hostile.c",
      "tests/freebsd/c/kqueue.c",
      "tests/freebsd/c/memory.c",
      "tests/freebsd/c/shifts.c",
      "tests/freebsd/c/unloading.c",
    ],
  },
  {
    on: ["host"],
    what: "Loading and unloading from TypeScript, and client modules as shared objects.",
    reason: "In a kernel an administrator loads modules, by insmod.",
    tests: ["tests/unit/host_test.ts"],
  },
];

/** Whether this driver differs in this way. */
export function differs(driver: DriverName, id: DifferenceId): boolean {
  return (DIFFERENCES[id].on as readonly DriverName[]).includes(driver);
}

/** The ids of all differences that a driver has. */
export function differencesOf(driver: DriverName): DifferenceId[] {
  return (Object.keys(DIFFERENCES) as DifferenceId[]).filter((id) => differs(driver, id));
}
