/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What a client module needs of its system besides channels, under one name on Linux, FreeBSD and
 * the host driver. kup.h includes this file. A client that needs more includes its system's own
 * headers. The table in kup.h states which call may be made in which context.
 *
 * A client begins and ends with these macros, which each system's kup_system.h defines:
 *
 *   KUP_MODULE(load, unload, description)
 *           Use it once, in one file. int load(void) returns 0 or a negative errno. void
 *           unload(void) undoes it, and is not called after a load that has failed. Both run in a
 *           thread that may sleep.
 *   KUP_PARAM_NUMBER(name, value, description)
 *   KUP_PARAM_STRING(name, value, description)
 *           A static variable `name`, an unsigned int or a string, that can be set when the module
 *           is loaded; `value` is its default. It doesn't change after that, so every context may
 *           read it. Linux: insmod mine.ko name=value. FreeBSD: kenv hw.mine.name=value, before
 *           kldload; a string has up to 127 bytes. Host driver: open("host:./mine.so",
 *           { parameters: { name: value } }).
 *
 * kup_system.h also has NULL, the errno constants, memcpy, memset, memcmp and strlen.
 */
#ifndef KUP_CLIENT_H
#define KUP_CLIENT_H

#include "kup_record.h"
#include "kup_system.h" /* the system's: errno, NULL, memcpy and its like, KUP_MODULE, KUP_PARAM */

typedef __INT64_TYPE__ kup_time; /* nanoseconds */
#define KUP_FOREVER ((kup_time)-1)
#define KUP_US ((kup_time)1000)
#define KUP_MS (1000 * KUP_US)

/* ---- Memory ---- */

/* Zeroed memory, to be freed with kup_free; or NULL. May sleep. */
void *kup_alloc(unsigned long bytes);

#define KUP_SMALL 4096ul /* bytes */

/* NULL does nothing. May sleep; but memory of at most KUP_SMALL bytes is freed in any context. */
void kup_free(void *memory);

/* The size of a page in bytes. Any context. */
kup_u32 kup_page_size(void);

/* ---- Time ---- */

/* Nanoseconds of a clock that never goes back; it begins at an unspecified time. Any context. */
kup_u64 kup_now_ns(void);

/*
 * May sleep. Only for waits that have nothing to do with a channel: see kup_pause. Signals don't
 * end it.
 */
void kup_sleep_ms(unsigned int milliseconds);

/* Lets other threads run if they have to; for loops of calls that never sleep. May sleep. */
void kup_breathe(void);

/*
 * A timer calls expired(argument) once, or again and again. The callback may not sleep: it runs in
 * a softirq on Linux, in a callout on FreeBSD, and in a thread of the host driver. It may make
 * every call that is allowed in any context; so it may send with kup_try_send, and may start and
 * stop timers, this one too. Callbacks of one timer never overlap.
 */
struct kup_timer;

/* Makes a timer that doesn't run yet. -ENOMEM. May sleep. The caller destroys it. */
int kup_timer_create(void (*expired)(void *argument), void *argument, struct kup_timer **timer);

/* A shorter interval counts as this. */
#define KUP_TIMER_LEAST (50 * KUP_US)

/*
 * The callback is called when the time `first` has passed, and then every `interval`. An interval
 * of 0: only once. A `first` of KUP_FOREVER: never. Times that passed while the callback still ran,
 * or while the system was busy, are left out. If the timer runs already, it is started again with
 * these times. Any context.
 */
void kup_timer_start(struct kup_timer *timer, kup_time first, kup_time interval);

/* No callback begins after the return; one that has begun may still run. Any context. */
void kup_timer_stop(struct kup_timer *timer);

/*
 * Stops the timer, waits until its callback has returned, and frees it. May sleep. Not from the
 * callback, which would wait for itself, and not while another thread uses the timer. If the
 * callback uses a channel, detach is the place. A client destroys its timers before it is unloaded.
 * NULL does nothing.
 */
void kup_timer_destroy(struct kup_timer *timer);

/* ---- Locks ---- */

/*
 * A spinlock, for data that is also used in contexts which may not sleep. The holder may make the
 * calls that are allowed in any context, but does not take this or another spinlock, and releases
 * the lock soon. On FreeBSD it is an ordinary mutex, because of the contexts there; see kup.h.
 */
struct kup_spinlock;

/* -ENOMEM. May sleep. The caller destroys it, when no context uses it any more. */
int kup_spinlock_create(struct kup_spinlock **spinlock);
void kup_spinlock_destroy(struct kup_spinlock *spinlock); /* NULL does nothing; may sleep */

/* Any context. */
void kup_spinlock_lock(struct kup_spinlock *spinlock);
void kup_spinlock_unlock(struct kup_spinlock *spinlock);

/*
 * A monitor: a lock, and a wait for a change that another holder of the lock makes. A thread that
 * waits for the lock sleeps, and the holder may sleep. So it is also the mutex of a client. But the
 * holder does not wait for the user, for another thread or for long: all that need the lock would
 * wait too, and the unloading of the module with them. The host driver reports a holder that may
 * sleep for 100 ms or longer. All these calls need a thread that may sleep.
 */
struct kup_monitor;

/* -ENOMEM. The caller destroys the monitor, when no thread uses it any more. NULL does nothing. */
int kup_monitor_create(struct kup_monitor **monitor);
void kup_monitor_destroy(struct kup_monitor *monitor);

void kup_monitor_lock(struct kup_monitor *monitor);
void kup_monitor_unlock(struct kup_monitor *monitor);

/*
 * For the holder: releases the lock, sleeps until kup_monitor_wake is called, and takes the lock
 * again. The caller then looks again, since the change may be another one. 0; -ETIMEDOUT; -EINTR:
 * the calling process has a signal. kup_monitor_wait_always ignores signals.
 */
int kup_monitor_wait(struct kup_monitor *monitor, kup_time timeout);
void kup_monitor_wait_always(struct kup_monitor *monitor);

/* For the holder: wakes all threads that wait; they look again, one after the other. */
void kup_monitor_wake(struct kup_monitor *monitor);

/* ---- Threads: work that serve doesn't do ---- */

struct kup_thread;

/* Starts a thread that runs main(argument). -ENOMEM. May sleep. */
int kup_thread_start(void (*main)(void *argument), void *argument, const char *name,
		     struct kup_thread **thread);

/*
 * Waits until main has returned. Call it once for each thread, before the client is unloaded. NULL
 * does nothing. May sleep.
 */
void kup_thread_join(struct kup_thread *thread);

/*
 * The number of the calling thread, whatever started the thread. It is not 0, and not the number of
 * an earlier thread. (FreeBSD may use a number again after a thousand other threads have ended.)
 */
kup_u64 kup_thread_self(void);

/*
 * Nonzero if the thread with this number has ended; for a short time after the end it may still
 * return 0. It may have to visit each thread of the system, so it may sleep.
 */
int kup_thread_ended(kup_u64 thread);

/* ---- Log lines ---- */

/*
 * Writes one line to the kernel's log, for the person who loads the module: a sentence without its
 * full stop. The format is printf's, with the conversions that all systems have: %s, %u, %d, %lu
 * and %o. The line begins with "kup: ". May sleep.
 */
void kup_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
