/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux's numbers in /proc of memory and threads, and a cgroup to put processes into. */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The sum of all lines of a /proc file whose names begin like this. */
int64_t sum_of(const char *path, const char *prefix);

/*
 * The pages that are allocated and not freed. Unlike MemFree this ignores the processors' caches.
 */
int64_t pages_in_use(void);

/* Writes the whole text of a file. */
bool put_text(const char *path, const char *text);

/*
 * The first line of a file, without its end, or "" if there is none. The memory is used again by
 * the next call.
 */
const char *first_line(const char *path);

/* The kernel thread of this name, or 0. */
pid_t thread_named(const char *name);

/* The processor time of a process or thread, in ticks of 10 ms. */
uint64_t ticks_of(pid_t task);

/* Makes one cgroup (v2) with a limit for the calling program. Returns false if the system can't. */
bool cgroup_make(const char *limit, const char *value);
/* Puts the calling process into the cgroup. */
bool cgroup_enter(void);
/* The processor time that the cgroup was charged for, in microseconds. */
uint64_t cgroup_time(void);
/* The most memory that the cgroup had, in bytes. */
uint64_t cgroup_peak(void);
/* Returns nonzero while the cgroup is not empty. */
int cgroup_remove(void);

#endif
