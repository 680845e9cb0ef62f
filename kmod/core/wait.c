/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* How the kernel's side waits (spin a little, then sleep), and how it wakes the user's. */
#include "core.h"
#include "spin.h"

struct kup_deadline kup_deadline_in(kup_time timeout)
{
	struct kup_deadline deadline = { OS_FOREVER };
	/* Longer than any machine runs, and far from overflow. */
	const kup_time limit = (kup_time)1 << 50;

	if (timeout >= 0)
		deadline.at_ns = os_now_ns() + (kup_u64)(timeout < limit ? timeout : limit) * 1000;
	if (timeout == 0)
		deadline.at_ns = 0;
	return deadline;
}

/*
 * What a wait that slept teaches: one that was over within the limit would have been covered by a
 * larger budget; a longer one makes the budget smaller. So an idle channel stops spinning, and a
 * channel that is woken up quickly starts again. (Two senders may race here; the worst is a budget
 * that's a little off.)
 */
static void learn(struct kup_spin *spin, kup_u32 limit_us, kup_u64 took_ns)
{
	kup_u32 now_us = kup_load(&spin->now_us);

	if (took_ns > limit_us * 1000ull)
		now_us /= 2;
	else if (took_ns > now_us * 1000ull)
		now_us = now_us < limit_us / 2 ? 2 * now_us + 1 : limit_us;
	kup_store(&spin->now_us, now_us);
}

/* 1: it is ready. 0: it was not in so many looks. -1: something else wants the processor. */
static int look(kup_u32 looks, int (*ready)(void *), void *argument)
{
	for (; looks > 0; looks--) {
		if (ready(argument))
			return 1;
		if (!os_relax())
			return -1;
	}
	return 0;
}

/*
 * Looks until it is ready (1), or until the budget is used up or the processor is wanted (0), and
 * takes the time off the budget. `now` is 0 if the caller has not read the clock; then the first
 * looks do without it.
 */
static int spin_for(struct kup_spin *spin, kup_u64 *budget_ns, kup_u64 now, int (*ready)(void *),
		    void *argument)
{
	while (*budget_ns > 0) {
		kup_u32 look_ns = kup_load(&spin->look_ns);
		kup_u32 looks = kup_looks_in(*budget_ns, look_ns);
		int found = look(looks, ready, argument);
		kup_u64 before = now, took_ns = (kup_u64)looks * look_ns;

		if (found)
			return found > 0;
		now = os_now_ns();
		if (before) {
			took_ns = now - before;
			kup_store(&spin->look_ns, kup_look_ns(looks, took_ns));
		}
		if (took_ns < *budget_ns)
			*budget_ns -= took_ns;
		else
			/* One more look is measured, or a wrong estimate would stay. */
			*budget_ns = before ? 0 : 1;
	}
	return 0;
}

static int sleep_until(struct kup_channel *channel, int (*ready)(void *), void *argument,
		       void (*announce)(void *), struct kup_deadline deadline)
{
	kup_u64 now, left = OS_FOREVER;

	if (deadline.at_ns != OS_FOREVER) {
		now = os_now_ns();
		if (now >= deadline.at_ns)
			return -ETIMEDOUT;
		left = deadline.at_ns - now;
	}
	announce(argument);
	if (ready(argument))
		return 0;
	kup_add64(&channel->counters.sleeps, 1);
	kup_store64(&channel->page->sleeps, kup_load64(&channel->counters.sleeps));
	return os_wait(&channel->waitq, ready, argument, left);
}

int kup_channel_wait(struct kup_channel *channel, struct kup_spin *budget, int (*ready)(void *),
		     void *argument, void (*announce)(void *), struct kup_deadline deadline)
{
	kup_u64 budget_ns = kup_load(&budget->now_us) * 1000ull, left_ns = budget_ns, start = 0;
	int error;

	if (deadline.at_ns == 0)
		return -EAGAIN;
	/* Also if it is ready: a user that keeps it so for nothing must not outrun the timeout. */
	if (deadline.at_ns != OS_FOREVER) {
		start = os_now_ns();
		if (start >= deadline.at_ns)
			return -ETIMEDOUT;
	}
	if (spin_for(budget, &left_ns, start, ready, argument))
		return 0;
	if (!start)
		start = os_now_ns() - (budget_ns - left_ns);
	__atomic_fetch_add(&channel->sleepers, 1, __ATOMIC_RELAXED);
	error = sleep_until(channel, ready, argument, announce, deadline);
	__atomic_fetch_sub(&channel->sleepers, 1, __ATOMIC_RELAXED);
	learn(budget, channel->spin_us, os_now_ns() - start);
	return error;
}

static int has_ended(void *argument)
{
	return kup_ended(argument) != 0;
}

int kup_pause(struct kup_channel *channel, kup_time time)
{
	struct kup_deadline deadline = kup_deadline_in(time);

	for (;;) {
		int error = kup_ended(channel);
		kup_u64 now = os_now_ns(), left = OS_FOREVER;

		if (error)
			return error;
		if (now >= deadline.at_ns)
			return 0;
		if (deadline.at_ns != OS_FOREVER)
			left = deadline.at_ns - now;
		/* Also woken for data and room, which has_ended does not look at. */
		error = os_wait(&channel->waitq, has_ended, channel, left);
		if (error == -EINTR)
			return error;
	}
}

void kup_channel_wake_user(struct kup_channel *channel, int asked, kup_u32 poll_bit)
{
	/* Pairs with the arming in kup_handle_poll; the caller's publication was followed by a full
	 * fence. */
	if (kup_load(&channel->poll_armed) & poll_bit) {
		kup_fetch_and(&channel->poll_armed, ~poll_bit);
		asked = 1;
	}
	if (!asked)
		return;
	kup_add64(&channel->counters.wakeups, 1);
	kup_store64(&channel->page->wakeups, kup_load64(&channel->counters.wakeups));
	os_poll_wake(&channel->handle->pollq);
}
