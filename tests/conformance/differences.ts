// SPDX-License-Identifier: BSD-3-Clause
/**
 * All that the drivers do differently, with the reasons. The tests of this folder, in TypeScript and in C, ask this
 * list and nothing else: where one of the first kind holds they expect the one behaviour, elsewhere the
 * other. What is of the second kind exists on some drivers only, and is tested in folders of their own.
 * Whatever is in neither list is the same for all.
 */

/** A way to reach the engine. */
export type DriverName = "host" | "linux" | "freebsd";

/** Two behaviours of the same call. */
export interface Difference {
  /** The drivers that do it. */
  readonly on: readonly DriverName[];
  /** What they do and the others don't. */
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

/** Two behaviours: each of them is expected where it belongs. C programs get the ids as arguments. */
export const DIFFERENCES = {
  "opening-loads": {
    on: ["host"],
    what: "Opening the echo client by its own name, `host:echo`, loads it if it isn't loaded.",
    reason:
      "Nobody else is there to load it: the process is its own administrator. A device that is " +
      "opened by its name, `host:kup/echo`, is there or not, as in /dev.",
  },
  "unknown-parameters-are-refused": {
    on: ["host"],
    what: "Loading a module with a parameter that it doesn't have fails with EINVAL.",
    reason: "Linux's own module loader ignores such a parameter, with a line in the kernel's log " +
      "that a process has no place for.",
  },
  "waiter-may-be-early": {
    on: ["host"],
    what: "A file that is armed may be told for another event than the one it was armed for.",
    reason:
      "epoll looks before it tells. Here whoever wakes the file tells the isolate itself, and may " +
      "not call the engine for a look; a thread that did would double the time of a wake-up.",
  },
  "devices-are-files": {
    on: ["linux", "freebsd"],
    what: "Opening a part of a device's name, or what lies below one, is EISDIR or ENOTDIR.",
    reason: "Names in /dev are folders and files. Without a file system they are just names that " +
      "nobody has: ENOENT.",
  },
  "shared-by-processes": {
    on: ["linux", "freebsd"],
    what: "All processes see the same devices and compete for their channels.",
    reason:
      "There is one kernel, but each process that uses the host driver has an engine of its own.",
  },
  "polls-look-once": {
    on: ["freebsd"],
    what: "A poll that waits in vain looks once, not once more when its time is up.",
    reason: "FreeBSD's poll(2) looks again after a wake-up only.",
  },
  "polls-hold-no-file": {
    on: ["freebsd"],
    what: "Closing a handle gives its channel back although another thread waits for it.",
    reason: "FreeBSD's poll(2) has no hold on a file while it sleeps.",
  },
  "parameters-are-variables": {
    on: ["freebsd"],
    what: "A parameter that makes no sense is ignored, and whatever a client refuses is ENOEXEC.",
    reason:
      "Parameters are variables of the kernel's environment, which a module's loading reads; " +
      "kldload(2) has one errno for all that can go wrong then.",
  },
} as const satisfies Readonly<Record<string, Difference>>;

/** The id of a difference. */
export type DifferenceId = keyof typeof DIFFERENCES;

/** What is not for all drivers at all. */
export const SPECIALITIES: readonly Speciality[] = [
  {
    on: ["linux"],
    what:
      "Handles as descriptors: ioctl's numbers and sizes, EFAULT, read and write, O_RDONLY and " +
      "O_NONBLOCK, dup, fork, epoll, sending one to another process.",
    reason: "The numbers of the host driver's files are known to the native library alone.",
    tests: ["tests/kernel/c/calls.c", "tests/kernel/c/epoll.c", "tests/kernel/c/processes.c"],
  },
  {
    on: ["linux"],
    what:
      "mmap of single areas, mprotect, mremap, madvise, and whatever else could get at a mapping.",
    reason:
      "In one process both sides have the same rights to all memory; the host driver's kernel " +
      "page is read-only to catch mistakes, the kernel's against attackers.",
    tests: ["tests/kernel/c/mapping.c"],
  },
  {
    on: ["linux"],
    what: "Signals: EINTR from ATTACH.",
    reason: "The host driver's waits are those of threads, which signals don't end.",
    tests: ["tests/kernel/c/calls.c"],
  },
  {
    on: ["linux"],
    what:
      "The end of a process, by exit or kill -9, gives its channels back; unloading survives it.",
    reason: "With its process the host driver's engine ends, too.",
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
    reason: "Whoever is in a process may use all that is in it.",
    tests: ["tests/kernel/node_test.ts"],
  },
  {
    on: ["linux"],
    what: "A cgroup's memory limit, and leaks of the kernel's memory.",
    reason: "They are the kernel's to count.",
    tests: ["tests/kernel/c/processes.c"],
  },
  {
    on: ["linux"],
    what: "Each allocation of a load, an open, an ATTACH and an mmap fails in turn.",
    reason: "Only a kernel that is built for it, the debug kernel, can make them fail.",
    tests: ["tests/kernel/c/allocations.c"],
  },
  {
    on: ["linux"],
    what: "kup.ko can't be unloaded while it is in use.",
    reason: "The host driver's engine is a part of the native library, which stays.",
    tests: ["tests/kernel/c/unloading.c"],
  },
  {
    on: ["freebsd"],
    what:
      "Handles in a kqueue; mmap's flags; revoke, kldunload, kproc, and the limit of wired memory.",
    reason: "They are FreeBSD's own. (Its other system calls are those of Linux: calls.c, " +
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
    reason: "Into a kernel an administrator loads modules, by insmod.",
    tests: ["tests/unit/host_test.ts"],
  },
];

/** Does this driver differ in this way? */
export function differs(driver: DriverName, id: DifferenceId): boolean {
  return (DIFFERENCES[id].on as readonly DriverName[]).includes(driver);
}

/** The ids of all that hold for a driver. */
export function differencesOf(driver: DriverName): DifferenceId[] {
  return (Object.keys(DIFFERENCES) as DifferenceId[]).filter((id) => differs(driver, id));
}
