/* SPDX-License-Identifier: BSD-3-Clause */
/* What Linux shows in /proc of its memory and threads, and a cgroup to put processes into. */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The sum of all lines of such a file whose names begin so. */
int64_t sum_of(const char *path, const char *prefix);

/* Pages that were allocated and not freed; unlike MemFree this ignores the processors' caches. */
int64_t pages_in_use(void);

/* Writes a file's text, whole. */
bool put_text(const char *path, const char *text);

/* The first line of a file, without its end; "" if there is none. In memory that the next call uses
 * again. */
const char *first_line(const char *path);

/* The kernel thread of this name, or 0. */
pid_t thread_named(const char *name);

/* The processor time of a process or thread, in ticks of 10 ms. */
uint64_t ticks_of(pid_t task);

/* One cgroup (v2) for the calling program, with a limit; false: the system can't. */
bool cgroup_make(const char *limit, const char *value);
/* The calling process. */
bool cgroup_enter(void);
/* The processor time that it was charged for, in microseconds. */
uint64_t cgroup_time(void);
/* The most memory that it had, in bytes. */
uint64_t cgroup_peak(void);
/* Nonzero: it is not empty yet. */
int cgroup_remove(void);

#endif
