/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A lock for clients, with waiting for what changes under it. */
#include "core.h"

struct kup_monitor {
	struct os_mutex mutex;
	struct os_waitq waitq;
	kup_u32 wakes; /* changed under the lock, read anywhere */
};

int kup_monitor_create(struct kup_monitor **created)
{
	struct kup_monitor *monitor = os_alloc(sizeof(*monitor));

	if (!monitor)
		return -ENOMEM;
	os_mutex_init(&monitor->mutex);
	os_waitq_init(&monitor->waitq);
	*created = monitor;
	return 0;
}

void kup_monitor_destroy(struct kup_monitor *monitor)
{
	if (!monitor)
		return;
	os_waitq_destroy(&monitor->waitq);
	os_mutex_destroy(&monitor->mutex);
	os_free(monitor);
}

void kup_monitor_lock(struct kup_monitor *monitor)
{
	os_mutex_lock(&monitor->mutex);
}

void kup_monitor_unlock(struct kup_monitor *monitor)
{
	os_mutex_unlock(&monitor->mutex);
}

struct waiting {
	const struct kup_monitor *monitor;
	kup_u32 wakes; /* when the caller had the lock */
};

static int is_woken(void *argument)
{
	const struct waiting *waiting = argument;

	return kup_load(&waiting->monitor->wakes) != waiting->wakes;
}

int kup_monitor_wait(struct kup_monitor *monitor, kup_time timeout)
{
	struct waiting waiting = { monitor, monitor->wakes };
	kup_u64 until = kup_until(timeout), left = OS_FOREVER;
	int error;

	if (until != OS_FOREVER) {
		kup_u64 now = os_now_ns();

		left = until > now ? until - now : 0;
	}
	os_mutex_unlock(&monitor->mutex);
	error = os_wait(&monitor->waitq, is_woken, &waiting, left);
	os_mutex_lock(&monitor->mutex);
	return error;
}

void kup_monitor_wait_always(struct kup_monitor *monitor)
{
	struct waiting waiting = { monitor, monitor->wakes };

	os_mutex_unlock(&monitor->mutex);
	os_wait_always(&monitor->waitq, is_woken, &waiting);
	os_mutex_lock(&monitor->mutex);
}

/* os_wake makes the new number visible to a thread that is about to sleep. */
void kup_monitor_wake(struct kup_monitor *monitor)
{
	kup_store(&monitor->wakes, monitor->wakes + 1);
	os_wake(&monitor->waitq);
}
