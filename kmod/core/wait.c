/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* How the kernel's side waits (spin a little, then sleep), and how it wakes the user's. */
#include "core.h"
#include "spin.h"

kup_u64 kup_until(kup_time timeout)
{
	/* Longer than any machine runs, and far from overflow. */
	const kup_time limit = (kup_time)1 << 60;

	if (timeout < 0)
		return OS_FOREVER;
	if (timeout == 0)
		return 0;
	return os_now_ns() + (kup_u64)(timeout < limit ? timeout : limit);
}

/* ---- What a thread waits for ---- */

/* One thread in kup_wait. */
struct waiter {
	struct kup_channel *channel;
	kup_u32 what;	   /* KUP_WAIT_* */
	kup_u32 space;	   /* OUT: what its record needs of the ring */
	kup_u32 wakes;	   /* how many calls of kup_wake its caller knows of */
	kup_u32 announced; /* nonzero: it is about to sleep, or sleeps */
	kup_u32 position;  /* IN: where the cursor was then */
	kup_u32 round;	   /* OUT: the channel's room_round then */
};

/*
 * All threads that sleep for IN share one event word, and wait for the same record: the one at the
 * cursor. A cursor that has moved means that another thread has received that record. The word may
 * still have its position, so the next one has to be announced.
 */
static int in_ready(const struct waiter *waiter)
{
	const struct kup_consumer *in = &waiter->channel->in;

	return kup_consumer_ready(in) ||
	       (waiter->announced && kup_load(&in->cursor) != waiter->position);
}

static int has_reached(kup_u32 tail, kup_u32 position)
{
	return (__INT32_TYPE__)(tail - position) >= 0;
}

/*
 * All threads that sleep for OUT share one event word, too, which has the nearest of their
 * positions. There is room; or that position has been reached, or was and is replaced, so the next
 * one has to be announced. Trusts nothing, and takes no lock: the caller's next try does.
 */
static int out_ready(const struct waiter *waiter)
{
	const struct kup_channel *channel = waiter->channel;
	const struct kup_producer *out = &channel->out;
	kup_u32 wants = kup_producer_wants(out, waiter->space), tail;

	/* No room would do: the next try says so. */
	if (waiter->space + KUP_RECORD_HEADER > out->bytes)
		return 1;
	if (kup_producer_crowded(out))
		return 0;
	/* By the last tail that was found valid: then the user's word need not be fetched. */
	if (has_reached(kup_load(&out->tail), wants))
		return 1;
	/* C: as in kup_producer_refresh, which loads it again. */
	tail = kup_load_acquire(out->tail_word);
	if (has_reached(tail, wants))
		return 1;
	return waiter->announced && (kup_load(&channel->room_round) != waiter->round ||
				     has_reached(tail, kup_load(&channel->room_event)));
}

/* Worth another look by the caller. */
static int is_ready(void *argument)
{
	const struct waiter *waiter = argument;
	const struct kup_channel *channel = waiter->channel;

	return kup_ended(channel) || kup_wakes(channel) != waiter->wakes ||
	       (waiter->what & KUP_WAIT_IN && in_ready(waiter)) ||
	       (waiter->what & KUP_WAIT_OUT && out_ready(waiter));
}

static struct waiter waiter_for(struct kup_channel *channel, kup_u32 what, kup_u32 length,
				kup_u32 wakes)
{
	struct waiter waiter = { .channel = channel, .what = what, .wakes = wakes };

	if (what & KUP_WAIT_OUT)
		waiter.space = kup_channel_space(channel, length);
	return waiter;
}

int kup_ready(struct kup_channel *channel, kup_u32 what, kup_u32 length)
{
	struct waiter waiter = waiter_for(channel, what, length, kup_wakes(channel));

	return is_ready(&waiter);
}

/*
 * ---- Whose the ring's private side is ----
 *
 * It has no lock: one thread looks at a time, and never sleeps meanwhile. But any thread that goes to
 * sleep publishes the tail. Such a settler holds send_lock, so a receiver that meets it waits there;
 * a settler never waits.
 */

#define RECEIVER 1u
#define SETTLER 2u

/* 0: it is the caller's now; otherwise whose it is. */
static kup_u32 take(struct kup_channel *channel, kup_u32 as)
{
	/* Pairs with kup_channel_leave. */
	return kup_change(&channel->receiving, 0, as);
}

int kup_channel_enter(struct kup_channel *channel)
{
	unsigned long state;
	kup_u32 other;

	while ((other = take(channel, RECEIVER)) == SETTLER) {
		state = os_spin_lock(&channel->send_lock);
		os_spin_unlock(&channel->send_lock, state);
	}
	return other ? -EBUSY : 0;
}

void kup_channel_leave(struct kup_channel *channel)
{
	/* Pairs with take. */
	kup_store_release(&channel->receiving, 0);
}

/* Publishes the tail as the settler. *asked: the user's producer sleeps for that. */
static int settle_locked(struct kup_channel *channel, int *published, int *asked)
{
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_settle(&channel->in);

	*published = channel->in.tail != tail;
	*asked = channel->in.owes_wake != 0;
	channel->in.owes_wake = 0;
	return result;
}

int kup_channel_settle(struct kup_channel *channel)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	int taken = take(channel, SETTLER) == 0, published = 0, asked = 0, result = KUP_RING_OK;

	if (taken) {
		result = settle_locked(channel, &published, &asked);
		kup_channel_leave(channel);
	}
	os_spin_unlock(&channel->send_lock, state);
	if (published)
		kup_channel_wake_user(channel, asked, POLL_ROOM);
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_HEAD);
	return taken;
}

/* ---- Announcing it to the user ---- */

/*
 * Under send_lock: of all threads that sleep for room, the one that needs the least is announced.
 * Nonzero: this replaces a position that the user has reached, but may look at only now; so the other
 * threads must look, and announce again.
 */
static int announce_room(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	/* Relaxed: what is reached is looked at again. */
	kup_u32 tail = kup_load(channel->out.tail_word);
	kup_u32 event = kup_producer_wants(&channel->out, waiter->space);
	int others = channel->room_waiters++ > 0;
	int reached = has_reached(tail, channel->room_event);

	if (others && reached)
		kup_store(&channel->room_round, channel->room_round + 1);
	waiter->round = channel->room_round;
	if (!others || reached || (__INT32_TYPE__)(event - channel->room_event) < 0)
		kup_store(&channel->room_event, event);
	kup_producer_announce(&channel->out, channel->room_event);
	return others && reached;
}

/* Under the lock, so that of two threads the later one announces the newer position. */
static void announce(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	unsigned long state = os_spin_lock(&channel->send_lock);
	int wake = 0, overdue = 0;

	waiter->announced = 1;
	if (waiter->what & KUP_WAIT_IN) {
		/* Load first: a cursor that moves after this makes in_ready true, and never hides it. */
		waiter->position = kup_load(&channel->in.cursor);
		kup_consumer_announce(&channel->in, waiter->position);
	}
	if (waiter->what & KUP_WAIT_OUT) {
		wake = announce_room(waiter);
		/* The user looks at our event before it sleeps for more than there is. */
		overdue = kup_channel_overdue(channel);
	}
	os_spin_unlock(&channel->send_lock, state);
	if (wake)
		os_wake(&channel->waitq);
	if (overdue)
		kup_channel_wake_user(channel, 1, POLL_DATA);
}

/*
 * What stays announced for room may have been this thread's need, which is the nearest. So the
 * others are woken by it too early; but if it was reached before the user could see it, not at all.
 */
static void leave(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	unsigned long state;
	int others, reached;

	if (!(waiter->what & KUP_WAIT_OUT))
		return;
	state = os_spin_lock(&channel->send_lock);
	others = --channel->room_waiters > 0;
	/* Relaxed: not older than what this thread has seen in out_ready. */
	reached = has_reached(kup_load(channel->out.tail_word), channel->room_event);
	os_spin_unlock(&channel->send_lock, state);
	if (others && reached)
		os_wake(&channel->waitq);
}

/* ---- Spinning and sleeping ---- */

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
static int look(kup_u32 looks, struct waiter *waiter)
{
	for (; looks > 0; looks--) {
		if (is_ready(waiter))
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
static int spin_for(struct kup_spin *spin, kup_u64 *budget_ns, kup_u64 now, struct waiter *waiter)
{
	while (*budget_ns > 0) {
		kup_u32 look_ns = kup_load(&spin->look_ns);
		kup_u32 looks = kup_looks_in(*budget_ns, look_ns);
		int found = look(looks, waiter);
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

/* For a receiver to be done with its look at the ring. */
#define MOMENT_NS 1000000u

/* Both sides might sleep for room that this side has, and has not given back. */
static int settle(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	int error = 0;

	while (!error && !kup_channel_settle(channel) && !is_ready(waiter)) {
		error = os_wait(&channel->waitq, is_ready, waiter, MOMENT_NS);
		if (error == -ETIMEDOUT)
			error = 0;
	}
	return error;
}

static int sleep_until(struct waiter *waiter, kup_u64 until)
{
	struct kup_channel *channel = waiter->channel;
	kup_u64 now, left = OS_FOREVER;
	int error = settle(waiter);

	if (error)
		return error;
	if (until != OS_FOREVER) {
		now = os_now_ns();
		if (now >= until)
			return -ETIMEDOUT;
		left = until - now;
	}
	announce(waiter);
	if (!is_ready(waiter)) {
		kup_add64(&channel->counters.sleeps, 1);
		kup_store64(&channel->page->sleeps, kup_load64(&channel->counters.sleeps));
		error = os_wait(&channel->waitq, is_ready, waiter, left);
	}
	leave(waiter);
	return error;
}

int kup_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
	     kup_u64 until)
{
	struct kup_spin *spin = what & KUP_WAIT_IN ? &channel->receive_spin : &channel->send_spin;
	kup_u64 budget_ns = kup_load(&spin->now_us) * 1000ull, left_ns = budget_ns, start = 0;
	struct waiter waiter;
	int error;

	if (until == 0)
		return -EAGAIN;
	/* Also if it is ready: a user that keeps it so for nothing must not outrun the timeout. */
	if (until != OS_FOREVER) {
		start = os_now_ns();
		if (start >= until)
			return -ETIMEDOUT;
	}
	waiter = waiter_for(channel, what, length, wakes);
	if (spin_for(spin, &left_ns, start, &waiter))
		return 0;
	if (!start)
		start = os_now_ns() - (budget_ns - left_ns);
	error = sleep_until(&waiter, until);
	learn(spin, channel->spin_us, os_now_ns() - start);
	return error;
}

kup_u32 kup_wakes(const struct kup_channel *channel)
{
	/* Pairs with kup_wake: what its caller did before is seen. */
	return kup_load_acquire(&channel->wakes);
}

void kup_wake(struct kup_channel *channel)
{
	/* Pairs with kup_wakes. */
	__atomic_fetch_add(&channel->wakes, 1, __ATOMIC_RELEASE);
	os_wake(&channel->waitq);
}

static int has_ended(void *argument)
{
	return kup_ended(argument) != 0;
}

int kup_pause(struct kup_channel *channel, kup_time time)
{
	kup_u64 until = kup_until(time);

	for (;;) {
		int error = kup_ended(channel);
		kup_u64 now = os_now_ns(), left = OS_FOREVER;

		if (error)
			return error;
		if (now >= until)
			return 0;
		if (until != OS_FOREVER)
			left = until - now;
		/* In vain while another thread receives, which does it when it sleeps. */
		(void)kup_channel_settle(channel);
		/* Also woken for data and room, which has_ended does not look at. */
		error = os_wait(&channel->waitq, has_ended, channel, left);
		if (error == -EINTR)
			return error;
	}
}
