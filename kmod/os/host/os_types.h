/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The engine's os_* types in an ordinary process. */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

/* Held for a few instructions, as in a kernel; who holds one may not sleep, and is held to it. */
struct os_spin {
	pthread_mutex_t lock;
};

struct os_mutex {
	pthread_mutex_t lock;
};

/* The lock makes "look, then sleep" one step against a wake-up. */
struct os_waitq {
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* Who is inside poll, or waits as if it were; see host_poll_add. */
struct os_pollq {
	pthread_mutex_t lock;
	struct host_poller *pollers;
};

struct os_memory;
struct os_node;

#endif
