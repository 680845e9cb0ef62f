/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The engine's os_* types on Linux. */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

/* A raw spinlock: it is held for a few instructions, and taken in hard interrupt handlers. */
struct os_spin {
	raw_spinlock_t lock;
};

struct os_mutex {
	struct mutex lock;
};

struct os_waitq {
	wait_queue_head_t head;
};

struct os_pollq {
	wait_queue_head_t head;
};

struct os_timer {
	struct hrtimer timer;
	void (*expired)(void *argument);
	void *argument;
};

struct os_process {
	struct pid *pid; /* a reference */
};

struct os_memory;
struct os_node;

#endif
