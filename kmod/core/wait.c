/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* How the kernel's side waits (spin a little, then sleep), and how it wakes the user's. */
#include "core.h"

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

/* After this many sleeps with a budget of 0 spinning is tried again. */
#define SPIN_RETRY 16

static kup_u32 spin_budget(struct kup_spin *spin, kup_u32 limit_us)
{
	if (spin->now_us == 0 && limit_us > 0 && ++spin->misses >= SPIN_RETRY) {
		spin->misses = 0;
		spin->now_us = limit_us / 4 + 1;
	}
	return spin->now_us < limit_us ? spin->now_us : limit_us;
}

/*
 * Looks until the budget is used up or somebody else wants the processor. What paid is doubled,
 * what did not is halved: two sides that share one core soon stop spinning against each other. (Two
 * senders may race for *spin; the worst is a budget that's a little off.)
 */
static int spin_until(struct kup_channel *channel, struct kup_spin *spin, int (*ready)(void *))
{
	kup_u32 budget_us = spin_budget(spin, channel->spin_us);
	kup_u64 end;

	if (budget_us == 0)
		return 0;
	end = os_now_ns() + (kup_u64)budget_us * 1000;
	do {
		if (ready(channel)) {
			spin->now_us = budget_us * 2 < channel->spin_us ? budget_us * 2
									: channel->spin_us;
			return 1;
		}
		if (!os_relax())
			break;
	} while (os_now_ns() < end);
	spin->now_us = budget_us / 2;
	return 0;
}

int kup_channel_wait(struct kup_channel *channel, struct kup_spin *spin, int (*ready)(void *),
		     void (*announce)(struct kup_channel *), struct kup_deadline deadline)
{
	kup_u64 left = OS_FOREVER;

	if (deadline.at_ns == 0)
		return -EAGAIN;
	if (spin_until(channel, spin, ready))
		return 0;
	if (deadline.at_ns != OS_FOREVER) {
		kup_u64 now = os_now_ns();

		if (now >= deadline.at_ns)
			return -ETIMEDOUT;
		left = deadline.at_ns - now;
	}
	announce(channel);
	if (ready(channel))
		return 0;
	kup_add64(&channel->counters.sleeps, 1);
	kup_store64(&channel->page->sleeps, kup_load64(&channel->counters.sleeps));
	return os_wait(&channel->waitq, ready, channel, left);
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
