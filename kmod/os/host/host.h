/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The driver inside a process: what replaces the system calls on a device node, and the settings
 * that make it as awkward as a kernel. (native/host loads the modules.) Each call returns 0, or
 * what its comment states, or a negative errno, as the Linux module's system calls do.
 */
#ifndef KUP_HOST_H
#define KUP_HOST_H

#include <pthread.h>
#include <signal.h>

#include "core.h"

struct host_file;
struct host_module;
struct host_client;
struct check_channel;

/* ---- node.c: an open file ---- */

/* -ENOENT: no device has this name. */
int host_open(const char *name, struct host_file **file);
/* Opens the first device that this module has made. -ENOENT: there is none. */
int host_open_of(const struct host_module *owner, struct host_file **file);
/* Opens another file of the same device. -ENODEV: the device is gone. */
int host_open_again(const struct host_file *file, struct host_file **opened);
void host_close(struct host_file *file);
int host_info(struct host_file *file, struct kup_info *info);
int host_attach(struct host_file *file, struct kup_attach *attach);
int host_kick(struct host_file *file);
int host_stats(struct host_file *file, struct kup_stats *stats);

/*
 * Maps the attached channel as a user sees it, with a read-only kernel page: over the range at
 * *address, or in a new range if that is NULL. -EINVAL: the sizes are not the channel's. On failure
 * nothing new is mapped, and the range at *address may be partly replaced.
 */
int host_map(struct host_file *file, kup_u32 page_size, kup_u32 to_user_bytes,
	     kup_u32 to_kernel_bytes, kup_u8 **address);

/*
 * Sleeps until one of `events` (KUP_POLL_*), a hangup or an error holds. Returns those that hold,
 * or 0 after the timeout.
 */
int host_wait(struct host_file *file, kup_u32 events, kup_u64 timeout_ns);

/*
 * Returns which of these events, a hangup and an error hold now. The caller is one of the pollers,
 * or doesn't wait.
 */
kup_u32 host_poll(struct host_file *file, kup_u32 events);

/* `wake` runs in any context, under the queue's lock. It must not sleep or call into the engine. */
struct host_poller {
	struct host_poller *next, **link;
	void (*wake)(struct host_poller *poller);
};
void host_poll_add(struct host_file *file, struct host_poller *poller);
/* After the return, `wake` is not running and won't be called again. */
void host_poll_remove(struct host_file *file, struct host_poller *poller);

/* Whether a device of this module still exists. */
int host_owns_device(const struct host_module *owner);

/* ---- said.c ---- */

/*
 * A sentence about why the calling thread's last call that loads, unloads, opens or attaches has
 * failed; or "".
 */
const char *host_error(void);
void host_forget_error(void);
/* Sets that sentence, and returns `error`. */
__attribute__((format(printf, 2, 3))) int host_fail(int error, const char *format, ...);

/* The module whose load function the calling thread runs, or was started by; or NULL. */
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

struct os_memory {
	kup_u32 refs;
	kup_u32 to_user_bytes;
	kup_u32 to_kernel_bytes;
	int fd;
	kup_u8 *address;
	struct check_channel *checks; /* of the channel; NULL: it is not checked */
};

int host_memory_map(struct os_memory *memory, kup_u32 to_user_bytes, kup_u32 to_kernel_bytes,
		    kup_u8 **address);

/* ---- errno_names.c ---- */

/* Returns "EINVAL" and the like, or NULL if no system has this number. */
const char *host_errno_name(int number);

/* ---- awkward.c: contexts that may not sleep, failing allocations, delays ---- */

/* Ends the process with a message if the calling thread is in a context that may not sleep. */
void host_may_sleep(const char *what);
void host_enter_atomic(void);
void host_leave_atomic(void);
/* 0: no thread is in a context that may not sleep. Atomic. */
extern kup_u32 host_all_depths;
/* The thread may sleep until _resume, which is given the result. 0: it may sleep already. */
kup_u32 host_suspend_atomic(void);
void host_resume_atomic(kup_u32 depth);

/* The n-th allocation from now on (1: the next one) fails, once. 0: none fails. */
void host_fail_allocation(kup_u32 n);
/*
 * One allocation in `odds` fails, at random. 0: none fails. The same seed gives the same numbers.
 */
void host_fail_allocations(kup_u32 odds, kup_u32 seed);
/* The number of allocations since the last host_fail_allocation. */
kup_u32 host_allocations(void);
int host_allocation_fails(void);

/*
 * At places where threads meet, waits at random, one time in `odds`. 0: never. The same seed gives
 * the same numbers.
 */
void host_delays(kup_u32 odds, kup_u32 seed);
/*
 * The engine's fences call this (see fence_hook.h), between publishing and looking for sleepers.
 */
void host_delay(void);

/* ---- checks: mistakes of client modules ---- */

/* Whether clients are checked if nothing else is asked for; see checks/client.c. */
int host_checks_wanted(void);
/*
 * A module is loaded: returns its record, without mistakes. The record is never freed. NULL: there
 * is no memory, and the module is checked as code of no module is.
 */
struct host_client *host_client_begin(const char *name, int is_checked);
/* The client for which the calling thread works; NULL: none is known. _set returns the former. */
struct host_client *host_client_now(void);
struct host_client *host_client_set(struct host_client *client);
/*
 * The client was unloaded: reports what it has left, and gives it back. Nonzero: threads are left,
 * so its code must stay in memory.
 */
int check_left(struct host_client *client);
int host_client_is_checked(const struct host_client *client);
/* When a serve of this client was last found that does not return; 0: never. */
kup_u64 host_client_stuck_ns(struct host_client *client);
/* The number of its mistakes since host_client_begin. */
kup_u32 host_client_count(struct host_client *client);
/*
 * Stores the mistakes of the module, or of the one that has made this device, a line each, as a
 * string that is cut off at `bytes`. Returns its length.
 */
kup_u32 host_mistakes(const char *module, const char *device, char *text, kup_u32 bytes);
/* The channel's memory is about to be freed. May sleep. */
void host_channel_end(struct check_channel *checks);
/* kup_log is called here; see check_asleep. Returns what host_resume_atomic is given. */
kup_u32 host_check_log(const void *caller);

/* ---- stack.c ---- */

#define HOST_DEFAULT_STACK 0 /* the system's own, but at least as much as a client's code needs */

/*
 * pthread_create for every thread of this library. The thread has `stack_bytes` of stack besides
 * the process's thread-local data, and these signals blocked (NULL: those of the caller). Returns 0
 * or a positive errno.
 */
int host_create_thread(pthread_t *id, size_t stack_bytes, const sigset_t *blocked,
		       void *(*main)(void *), void *argument);

/* ---- sync.c ---- */

/* Waits until all threads that os_thread_start has started have ended. */
void host_join_threads(void);

#endif
