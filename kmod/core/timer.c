/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Timers for clients: a system's timer expires once, and is set again for the next interval. */
#include "core.h"

struct kup_timer {
	void (*expired)(void *argument);
	void *argument;
	struct os_spin lock;
	kup_u64 next;	       /* under lock: when it expires; OS_FOREVER: it is stopped */
	kup_u64 interval;      /* under lock: nanoseconds; 0: it expires once */
	kup_u32 starts;	       /* under lock: counts starts and stops */
	kup_u32 ends;	       /* under lock: it can't be started any more */
	struct os_timer timer; /* set under lock */
};

static void set(struct kup_timer *timer, kup_u64 next)
{
	timer->next = next;
	os_timer_set(&timer->timer, next);
}

/* Nonzero: the callback is to be called, and *starts is the number for set_again. */
static int begin(struct kup_timer *timer, kup_u32 *starts)
{
	unsigned long state = os_spin_lock(&timer->lock);
	int due = timer->next <= os_now_ns();

	/*
	 * It was stopped or started again while the system began this call, or the system's clock
	 * was ahead of this one.
	 */
	if (!due && timer->next != OS_FOREVER)
		set(timer, timer->next);
	*starts = timer->starts;
	os_spin_unlock(&timer->lock, state);
	return due;
}

/* An interval that has passed already is left out, so the callback never follows itself at once. */
static void set_again(struct kup_timer *timer, kup_u32 starts)
{
	unsigned long state = os_spin_lock(&timer->lock);
	kup_u64 now = os_now_ns(), next = timer->next + timer->interval;

	if (timer->starts == starts)
		set(timer, !timer->interval ? OS_FOREVER
			   : next > now	    ? next
					    : now + timer->interval);
	os_spin_unlock(&timer->lock, state);
}

static void expire(void *argument)
{
	struct kup_timer *timer = argument;
	kup_u32 starts;

	if (!begin(timer, &starts))
		return;
	timer->expired(timer->argument);
	set_again(timer, starts);
}

int kup_timer_create(void (*expired)(void *argument), void *argument, struct kup_timer **created)
{
	struct kup_timer *timer = os_alloc(sizeof(*timer));
	int error;

	if (!timer)
		return -ENOMEM;
	timer->expired = expired;
	timer->argument = argument;
	timer->next = OS_FOREVER;
	os_spin_init(&timer->lock);
	error = os_timer_init(&timer->timer, expire, timer);
	if (error) {
		os_spin_destroy(&timer->lock);
		os_free(timer);
		return error;
	}
	*created = timer;
	return 0;
}

static void change(struct kup_timer *timer, kup_u64 next, kup_u64 interval, kup_u32 ends)
{
	unsigned long state = os_spin_lock(&timer->lock);

	if (!timer->ends) {
		timer->ends = ends;
		timer->starts++;
		timer->interval = interval;
		set(timer, next);
	}
	os_spin_unlock(&timer->lock, state);
}

void kup_timer_start(struct kup_timer *timer, kup_time first, kup_time interval)
{
	if (interval > 0 && interval < KUP_TIMER_LEAST)
		interval = KUP_TIMER_LEAST;
	change(timer, first ? kup_until(first) : os_now_ns(), interval > 0 ? (kup_u64)interval : 0,
	       0);
}

void kup_timer_stop(struct kup_timer *timer)
{
	change(timer, OS_FOREVER, 0, 0);
}

void kup_timer_destroy(struct kup_timer *timer)
{
	if (!timer)
		return;
	change(timer, OS_FOREVER, 0, 1);
	os_timer_end(&timer->timer);
	os_spin_destroy(&timer->lock);
	os_free(timer);
}
