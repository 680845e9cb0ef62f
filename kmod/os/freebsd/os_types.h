/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The engine's os_* types on FreeBSD. */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

#include <sys/param.h>
#include <sys/errno.h>
#include <sys/systm.h>
#include <sys/lock.h>
#include <sys/mutex.h>
#include <sys/selinfo.h>
#include <sys/sx.h>

/*
 * An ordinary mutex, not a spin mutex. "Any context" is every context that has a thread: interrupt
 * threads, callouts, task queues. Filters (primary interrupt handlers) and holders of a spin mutex
 * are none, and a spin mutex here would not help them: a wake-up of poll or kqueue takes ordinary
 * mutexes inside the kernel (selwakeup in sys_generic.c, knote in kern_event.c). An ordinary one
 * lends its holder the waiter's priority instead of making the waiter burn its processor.
 */
struct os_spin {
	struct mtx lock;
};

struct os_mutex {
	struct sx lock;
};

/* The lock makes "look, then sleep" one step against a wake-up. */
struct os_waitq {
	struct mtx lock;
};

/* The lock is the knote list's; poll's part has one of its own in the kernel. */
struct os_pollq {
	struct mtx lock;
	struct selinfo sel;
};

struct os_memory;
struct os_node;

#endif
