/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The engine's os_* types in an ordinary process. */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

#include <errno.h>
/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif
#include <pthread.h>
#include <stddef.h>

/* Held for a few instructions, as in a kernel. Its holder may not sleep. */
struct os_spin {
	unsigned int held; /* atomic */
};

struct os_mutex {
	pthread_mutex_t lock;
};

/* The lock makes "look, then sleep" one step as far as a wake-up can see. */
struct os_waitq {
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* The threads inside poll, and those that wait in the same way; see host_poll_add. */
struct os_pollq {
	pthread_mutex_t lock;
	struct host_poller *pollers;
};

/* It has a thread, which sleeps until the time has come. */
struct os_timer {
	__UINT64_TYPE__ at; /* atomic; OS_FOREVER: the timer is not set */
	unsigned int ends;  /* atomic */
	struct os_waitq waitq;
	struct kup_thread *thread;
	void (*expired)(void *argument);
	void *argument;
};

/* There is only one. */
struct os_process {
	char nothing;
};

struct os_memory;
struct os_node;

#endif
