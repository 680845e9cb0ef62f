/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The driver inside a process: what stands in for the system calls on a device node, and the knobs that
 * make it as awkward as a kernel. (Modules are loaded by native/host.) All results are 0 (or what is told) or a
 * negative errno, the same ones as the system calls of the Linux module give.
 */
#ifndef KUP_HOST_H
#define KUP_HOST_H

#include <pthread.h>
#include <signal.h>

#include "core.h"

struct host_file;
struct host_module;

/* ---- node.c: an open file ---- */

/* -ENOENT: no device has this name. */
int host_open(const char *name, struct host_file **file);
/* The first device that this module made; -ENOENT: there is none. */
int host_open_of(const struct host_module *owner, struct host_file **file);
/* Another file of the same device; -ENODEV: it is gone. */
int host_open_again(const struct host_file *file, struct host_file **opened);
void host_close(struct host_file *file);
int host_info(struct host_file *file, struct kup_info *info);
int host_attach(struct host_file *file, struct kup_attach *attach);
int host_kick(struct host_file *file);
int host_stats(struct host_file *file, struct kup_stats *stats);

/*
 * Maps the attached channel as a user sees it, the kernel page read-only, in one range of `bytes`:
 * over the one at *address, or a new one if that is NULL. -EINVAL: the sizes are not the channel's. On
 * failure nothing new is mapped, and the range at *address is in parts.
 */
int host_map(struct host_file *file, kup_u32 page_size, kup_u32 to_user_bytes,
	     kup_u32 to_kernel_bytes, kup_u8 **address);

/* Sleeps until one of `events` (KUP_POLL_*), or a hangup or error; returns what is so, or 0: timed
 * out. */
int host_wait(struct host_file *file, kup_u32 events, kup_u64 timeout_ns);

/* What is so now of these events, a hangup, or an error; the caller is among the pollers, or doesn't
 * wait. */
kup_u32 host_poll(struct host_file *file, kup_u32 events);

/* wake runs in any context, under the queue's lock: it may not sleep, nor call into the engine. */
struct host_poller {
	struct host_poller *next, **link;
	void (*wake)(struct host_poller *poller);
};
void host_poll_add(struct host_file *file, struct host_poller *poller);
/* After the return wake is not running, and won't be called again. */
void host_poll_remove(struct host_file *file, struct host_poller *poller);

/* Does a device of this module still exist? */
int host_owns_device(const struct host_module *owner);

/* ---- said.c ---- */

/* Why the calling thread's last call that loads, unloads, opens or attaches failed: a sentence, or "". */
const char *host_error(void);
void host_forget_error(void);
/* Leaves this sentence there, and returns `error`. */
__attribute__((format(printf, 2, 3))) int host_fail(int error, const char *format, ...);

/* The module whose load function the calling thread is in, or was started in; or NULL. */
const struct host_module *host_loading(void);
void host_set_loading(const struct host_module *module);

/* From now on kup_log's sentences are about this module, or (NULL) none. */
void host_begin_sentences(const struct host_module *module);
/* An error may come of what it says, which then has the sentence; otherwise it is for stderr. */
void host_set_listening(int listening);
/* For an error about this module: its last sentence, or "". */
#define HOST_SENTENCE 256
void host_take_sentence(const struct host_module *module, char sentence[HOST_SENTENCE]);

/* ---- memory.c ---- */

int host_memory_map(struct os_memory *memory, kup_u32 to_user_bytes, kup_u32 to_kernel_bytes,
		    kup_u8 **address);

/* ---- errno_names.c ---- */

/* "EINVAL"; NULL: no system has such a number. */
const char *host_errno_name(int number);

/* ---- awkward.c: a context that may not sleep, failing allocations, delays ---- */

/* Ends the process, with a message, if the calling thread is in a context that may not sleep. */
void host_may_sleep(const char *what);
void host_enter_atomic(void);
void host_leave_atomic(void);

/* The n-th allocation from now (1: the next) fails, once; 0: none. */
void host_fail_allocation(kup_u32 n);
/* One allocation in `odds` fails, at random; 0: none. One seed, one set of dice. */
void host_fail_allocations(kup_u32 odds, kup_u32 seed);
/* How many allocations there were since the last host_fail_allocation. */
kup_u32 host_allocations(void);
int host_allocation_fails(void);

/* Waits at random, one time in `odds`, where threads meet; 0: never. One seed, one set of dice. */
void host_delays(kup_u32 odds, kup_u32 seed);
/* The engine's fences call this too (KUP_FENCE_HOOK): between publishing and looking for sleepers. */
void host_delay(void);

/* ---- stack.c ---- */

#define HOST_DEFAULT_STACK 0 /* the system's, and not less than a client's code needs */

/*
 * pthread_create for every thread of this library: the thread has so many bytes of stack beside the
 * process's thread-local data, and these signals blocked (NULL: those of the caller). 0 or a
 * positive errno.
 */
int host_create_thread(pthread_t *id, size_t stack_bytes, const sigset_t *blocked,
		       void *(*main)(void *), void *argument);

/* ---- sync.c ---- */

/* Waits until all threads that os_thread_start started have ended. */
void host_join_threads(void);

#endif
