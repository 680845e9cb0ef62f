/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The engine's os_* types on FreeBSD. */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

#include <sys/param.h>
#include <sys/errno.h>
/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif
#include <sys/systm.h>
#include <sys/callout.h>
#include <sys/lock.h>
#include <sys/mutex.h>
#include <sys/selinfo.h>
#include <sys/sx.h>

/*
 * An ordinary mutex, not a spin mutex. "Any context" is every context that has a thread: interrupt
 * threads, callouts, task queues. It excludes filters (primary interrupt handlers) and holders of a
 * spin mutex. A spin mutex here would not help them, because a wake-up of poll or kqueue takes
 * ordinary mutexes inside the kernel (selwakeup in sys_generic.c, knote in kern_event.c). With an
 * ordinary mutex, the holder runs at the waiter's priority, and the waiter does not use up its
 * processor.
 */
struct os_spin {
	struct mtx lock;
};

struct os_mutex {
	struct sx lock;
};

/* The lock makes "look, then sleep" one step as far as a wake-up can see. */
struct os_waitq {
	struct mtx lock;
};

/* This lock is the knote list's. poll's part has a lock of its own in the kernel. */
struct os_pollq {
	struct mtx lock;
	struct selinfo sel;
};

struct os_timer {
	struct callout callout;
	void (*expired)(void *argument);
	void *argument;
};

struct os_process {
	pid_t number;
	int jail;
};

struct os_memory;
struct os_node;

#endif
