/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The driver inside a process: what stands in for the system calls on a device node, and the knobs
 * that make it as awkward as a kernel. All results are 0 (or what is told) or a negative errno, the
 * same ones as the system calls of the Linux module give.
 */
#ifndef KUP_HOST_H
#define KUP_HOST_H

#include "core.h"

struct host_file;

/* ---- node.c: an open file ---- */

/* -ENOENT: no device has this name. */
int host_open(const char *name, struct host_file **file);
void host_close(struct host_file *file);
int host_info(struct host_file *file, struct kup_info *info);
int host_attach(struct host_file *file, struct kup_attach *attach);
int host_kick(struct host_file *file);
int host_stats(struct host_file *file, struct kup_stats *stats);

/* Maps the attached channel as a user sees it, the kernel page read-only, in one range. */
int host_map(struct host_file *file, kup_u8 **address);

/* Sleeps until one of `events` (KUP_POLL_*), or a hangup; returns what is so, or 0: timed out. */
int host_wait(struct host_file *file, kup_u32 events, int timeout_ms);

/* ---- memory.c ---- */

int host_memory_map(struct os_memory *memory, kup_u8 **address);
void host_memory_unmap(kup_u8 *address, kup_u64 bytes);

/* ---- awkward.c: a context that may not sleep, failing allocations, delays ---- */

/* Ends the process, with a message, if the calling thread is in a context that may not sleep. */
void host_may_sleep(const char *what);
void host_enter_atomic(void);
void host_leave_atomic(void);

/* The n-th allocation from now (1: the next) fails, once; 0: none. */
void host_fail_allocation(kup_u32 n);
/* How many allocations there were since the last host_fail_allocation. */
kup_u32 host_allocations(void);
int host_allocation_fails(void);

/* Waits at random, one time in `odds`, where threads meet; 0: never. One seed, one set of dice. */
void host_delays(kup_u32 odds, kup_u32 seed);
void host_delay(void);

/* ---- sync.c ---- */

/* Waits until all threads that os_thread_start started have ended. */
void host_join_threads(void);

#endif
