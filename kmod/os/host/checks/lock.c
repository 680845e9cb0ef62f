/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Locks. A lock that its holder takes again would hang this process as it hangs a kernel; it is
 * counted instead.
 */
#include <stdlib.h>

#include "checks/checks.h"

ENGINE(spinlock_create);
ENGINE(spinlock_destroy);
ENGINE(spinlock_lock);
ENGINE(spinlock_unlock);
ENGINE(monitor_create);
ENGINE(monitor_destroy);
ENGINE(monitor_lock);
ENGINE(monitor_unlock);
ENGINE(monitor_wait);
ENGINE(monitor_wait_always);
ENGINE(monitor_wake);

/* Nonzero: the thread holds the lock already, which is reported. */
static int is_taken_again(const void *lock, const char *call, const void *caller)
{
	struct check_lock *held = check_find_lock(lock);
	char place[CHECK_PLACE];

	if (!held)
		return 0;
	held->count++;
	check_report(NULL, caller,
		     "%s of a lock that this thread holds already would wait for itself; it was "
		     "taken at %s; unlock it first",
		     call, check_place(held->caller, place));
	return 1;
}

/* Nonzero: the lock is to be given back now. */
static int may_unlock(const void *lock, const char *call, const void *caller)
{
	struct check_lock *held = check_find_lock(lock);

	if (!held) {
		if (check_self()->more > 0) {
			check_self()->more--;
			return 1;
		}
		check_report(NULL, caller,
			     "%s of a lock that this thread does not hold; it is refused here; the "
			     "thread that locks also unlocks, once",
			     call);
		return 0;
	}
	if (--held->count > 0)
		return 0;
	check_lock_left(held);
	return 1;
}

/* ---- Spinlocks ---- */

int kup_spinlock_create(struct kup_spinlock **spinlock)
{
	struct check_object *object;
	struct check_sleep sleep;
	int error;

	if (!check_is_on())
		return engine_spinlock_create(spinlock);
	object = check_make(CHECK_SPINLOCKS, CALLER);
	if (!object)
		return -ENOMEM;
	sleep = check_asleep("kup_spinlock_create", CALLER, CHECK_SHORT);
	error = engine_spinlock_create(spinlock);
	check_awake(sleep);
	check_add(object, error ? NULL : *spinlock);
	return error;
}

void kup_spinlock_destroy(struct kup_spinlock *spinlock)
{
	struct check_object *object;
	struct check_sleep sleep;

	if (!spinlock ||
	    !check_take(CHECK_SPINLOCKS, spinlock, "kup_spinlock_destroy", CALLER, &object))
		return;
	sleep = check_asleep("kup_spinlock_destroy", CALLER, CHECK_SHORT);
	engine_spinlock_destroy(spinlock);
	check_awake(sleep);
	free(object);
}

void kup_spinlock_lock(struct kup_spinlock *spinlock)
{
	const struct check_thread *self = check_self();
	kup_u32 i;

	if (!check_is_on()) {
		engine_spinlock_lock(spinlock);
		return;
	}
	if (is_taken_again(spinlock, "kup_spinlock_lock", CALLER))
		return;
	for (i = 0; i < self->held; i++) {
		char place[CHECK_PLACE];

		if (self->locks[i].kind == CHECK_SPINLOCK)
			check_report(NULL, CALLER,
				     "kup_spinlock_lock while this thread holds another "
				     "kup_spinlock, which was taken at %s; hold one at a time",
				     check_place(self->locks[i].caller, place));
	}
	engine_spinlock_lock(spinlock);
	check_lock_taken(spinlock, CHECK_SPINLOCK, CALLER);
}

void kup_spinlock_unlock(struct kup_spinlock *spinlock)
{
	if (!check_is_on() || may_unlock(spinlock, "kup_spinlock_unlock", CALLER))
		engine_spinlock_unlock(spinlock);
}

/* ---- Monitors ---- */

int kup_monitor_create(struct kup_monitor **monitor)
{
	struct check_object *object;
	struct check_sleep sleep;
	int error;

	if (!check_is_on())
		return engine_monitor_create(monitor);
	object = check_make(CHECK_MONITORS, CALLER);
	if (!object)
		return -ENOMEM;
	sleep = check_asleep("kup_monitor_create", CALLER, CHECK_SHORT);
	error = engine_monitor_create(monitor);
	check_awake(sleep);
	check_add(object, error ? NULL : *monitor);
	return error;
}

void kup_monitor_destroy(struct kup_monitor *monitor)
{
	struct check_object *object;
	struct check_sleep sleep;

	if (!monitor ||
	    !check_take(CHECK_MONITORS, monitor, "kup_monitor_destroy", CALLER, &object))
		return;
	sleep = check_asleep("kup_monitor_destroy", CALLER, CHECK_SHORT);
	engine_monitor_destroy(monitor);
	check_awake(sleep);
	free(object);
}

void kup_monitor_lock(struct kup_monitor *monitor)
{
	struct check_sleep sleep;

	if (!check_is_on()) {
		engine_monitor_lock(monitor);
		return;
	}
	if (is_taken_again(monitor, "kup_monitor_lock", CALLER))
		return;
	sleep = check_asleep("kup_monitor_lock", CALLER, CHECK_SHORT);
	engine_monitor_lock(monitor);
	check_awake(sleep);
	check_lock_taken(monitor, CHECK_MONITOR, CALLER);
}

void kup_monitor_unlock(struct kup_monitor *monitor)
{
	if (!check_is_on() || may_unlock(monitor, "kup_monitor_unlock", CALLER))
		engine_monitor_unlock(monitor);
}

/*
 * The thread does not hold the monitor while it waits. 0: it doesn't hold it at all, which is
 * reported.
 */
static int let_go(struct kup_monitor *monitor, const char *call, const void *caller,
		  struct check_lock *held)
{
	struct check_lock *found = check_find_lock(monitor);

	held->lock = NULL;
	if (!found && check_self()->more > 0)
		return 1;
	if (!found) {
		check_report(NULL, caller,
			     "%s of a monitor that this thread does not hold; it is refused here; "
			     "call kup_monitor_lock first",
			     call);
		return 0;
	}
	*held = *found;
	check_lock_left(found);
	return 1;
}

static void hold_again(const struct check_lock *held)
{
	if (!held->lock)
		return;
	check_lock_taken(held->lock, CHECK_MONITOR, held->caller);
	check_find_lock(held->lock)->count = held->count;
}

int kup_monitor_wait(struct kup_monitor *monitor, kup_time timeout)
{
	struct check_sleep sleep;
	struct check_lock held;
	int error;

	if (!check_is_on())
		return engine_monitor_wait(monitor, timeout);
	if (!let_go(monitor, "kup_monitor_wait", CALLER, &held))
		return -EINVAL;
	sleep = check_asleep("kup_monitor_wait", CALLER, timeout ? timeout : CHECK_SHORT);
	error = engine_monitor_wait(monitor, timeout);
	check_awake(sleep);
	hold_again(&held);
	return error;
}

void kup_monitor_wait_always(struct kup_monitor *monitor)
{
	struct check_sleep sleep;
	struct check_lock held;

	if (!check_is_on()) {
		engine_monitor_wait_always(monitor);
		return;
	}
	if (!let_go(monitor, "kup_monitor_wait_always", CALLER, &held))
		return;
	sleep = check_asleep("kup_monitor_wait_always", CALLER, KUP_FOREVER);
	engine_monitor_wait_always(monitor);
	check_awake(sleep);
	hold_again(&held);
}

void kup_monitor_wake(struct kup_monitor *monitor)
{
	if (check_is_on() && !check_find_lock(monitor) && !check_self()->more)
		check_report(NULL, CALLER,
			     "kup_monitor_wake of a monitor that this thread does not hold; a "
			     "thread that is about to wait can miss it; lock the monitor for the "
			     "change and the wake");
	engine_monitor_wake(monitor);
}
