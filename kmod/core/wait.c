/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* How the kernel's side waits: it spins a little, then sleeps. */
#include "core.h"

/* The time at which a timeout is over that begins at `now`, and that is not 0. */
static kup_u64 deadline_after(kup_u64 now, kup_time timeout)
{
	/* 2^60 ns are longer than any machine runs, and far from overflow. */
	const kup_time limit = (kup_time)1 << 60;

	return timeout < 0 ? OS_FOREVER : now + (kup_u64)(timeout < limit ? timeout : limit);
}

kup_u64 kup_until(kup_time timeout)
{
	return timeout > 0 ? deadline_after(os_now_ns(), timeout) : timeout < 0 ? OS_FOREVER : 0;
}

/* ---- The conditions of a wait ---- */

/* One thread in kup_wait. */
struct waiter {
	struct kup_channel *channel;
	kup_u32 what;	   /* KUP_WAIT_* */
	kup_u32 space;	   /* OUT: the room that its record needs */
	kup_u32 wakes;	   /* the number of kup_wake calls that its caller knows */
	kup_u32 announced; /* nonzero: it has announced its sleep */
	kup_u32 position;  /* IN: where the cursor was then */
	kup_u32 round;	   /* OUT: the channel's room_round then */
	struct kup_steps *steps;
};

/*
 * All threads that sleep for IN share one event word, and wait for the same record, the one at the
 * cursor. If the cursor has moved, another thread has received that record. The word may still
 * contain its position, so the next position has to be announced.
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
 * All threads that sleep for OUT also share one event word, which contains the nearest of their
 * positions. A thread is ready if there is room for its record. It is also ready if that nearest
 * position was reached, or was replaced after it was reached, because then the next position has to
 * be announced. This trusts nothing and takes no lock; the caller's next try does both.
 */
static int out_ready(const struct waiter *waiter)
{
	const struct kup_channel *channel = waiter->channel;
	const struct kup_producer *out = &channel->out;
	kup_u32 wants = kup_producer_wants(out, waiter->space), tail;

	/* No room would be enough; the caller's next try returns the error. */
	if (waiter->space + KUP_RECORD_HEADER > out->bytes)
		return 1;
	if (kup_producer_crowded(out))
		return 0;
	/* The last valid tail comes first: then the user's word need not be loaded. */
	if (has_reached(kup_load(&out->tail), wants))
		return 1;
	/* C: as in kup_producer_refresh, which loads the word again. */
	tail = kup_load_acquire(out->tail_word);
	if (has_reached(tail, wants))
		return 1;
	return waiter->announced && (kup_load(&channel->room_round) != waiter->round ||
				     has_reached(tail, kup_load(&channel->room_event)));
}

/* Whether the caller should look again. */
static int is_ready(void *argument)
{
	const struct waiter *waiter = argument;
	const struct kup_channel *channel = waiter->channel;

	return (waiter->what & KUP_WAIT_IN && in_ready(waiter)) ||
	       (waiter->what & KUP_WAIT_OUT && out_ready(waiter)) || kup_channel_ended(channel) ||
	       kup_channel_wakes(channel) != waiter->wakes;
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
	struct waiter waiter = waiter_for(channel, what, length, kup_channel_wakes(channel));

	return is_ready(&waiter);
}

/*
 * ---- The owner of the ring's private side ----
 *
 * The private side of the ring to the kernel has no lock: one thread at a time owns it, and never
 * sleeps meanwhile. But any thread that goes to sleep publishes the tail. Such a thread, the
 * settler, holds send_lock. A receiver that meets a settler waits for send_lock; a settler never
 * waits.
 */

/* Takes the ring's private side. 0: the caller owns it; otherwise the present owner. */
static kup_u32 take(struct kup_channel *channel, kup_u32 as)
{
	/* Pairs with the release in kup_channel_leave. */
	return kup_change(&channel->receiving, 0, as);
}

KUP_COLD int kup_channel_enter_late(struct kup_channel *channel)
{
	unsigned long state;
	kup_u32 other;

	while ((other = take(channel, RECEIVER)) == SETTLER) {
		state = os_spin_lock(&channel->send_lock);
		os_spin_unlock(&channel->send_lock, state);
	}
	return other ? -EBUSY : 0;
}

/* Publishes the tail as the settler. *asked: the user's producer sleeps for the room. */
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

/* ---- Announcing a sleep to the user ---- */

/*
 * Under send_lock: announces the position of the thread that needs the least room, of all that
 * sleep for room. Nonzero: this replaces a position that the user has reached, but has not looked
 * at yet. Then the other threads must look, and announce again.
 */
static int announce_room(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	/* Relaxed: a position that is reached is loaded again. */
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

/* Under the lock, so of two threads the later one announces the newer position. */
static void announce(struct waiter *waiter)
{
	struct kup_channel *channel = waiter->channel;
	unsigned long state = os_spin_lock(&channel->send_lock);
	int wake = 0, overdue = 0;

	waiter->announced = 1;
	if (waiter->what & KUP_WAIT_IN) {
		/*
		 * Load the cursor first. If it moves after this, in_ready returns true; otherwise
		 * it could hide that.
		 */
		waiter->position = kup_load(&channel->in.cursor);
		kup_consumer_announce(&channel->in, waiter->position);
	}
	if (waiter->what & KUP_WAIT_OUT) {
		wake = announce_room(waiter);
		/* The user loads our event before it sleeps for more than there is. */
		overdue = kup_channel_overdue(channel);
	}
	os_spin_unlock(&channel->send_lock, state);
	if (wake)
		os_wake(&channel->waitq);
	if (overdue)
		kup_channel_wake_user(channel, 1, POLL_DATA);
}

/*
 * The announced position may be this thread's, which is the nearest. It stays announced, so the
 * user may wake the other threads too early. But if the position was reached before the user saw
 * it, no wake-up would reach them, so this thread wakes them.
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
	/* Relaxed: this is not older than what this thread has seen in out_ready. */
	reached = has_reached(kup_load(channel->out.tail_word), channel->room_event);
	os_spin_unlock(&channel->send_lock, state);
	if (others && reached)
		os_wake(&channel->waitq);
}

/* ---- Spinning and sleeping ---- */

/*
 * Adapts the budget to a wait that has slept. If the wait took less than the limit, a larger budget
 * would have covered it, so the budget grows. If it took longer, the budget shrinks. So an idle
 * channel stops spinning, and a channel that is woken quickly starts again. It does not grow if
 * another thread wanted the processor: that may be the peer, which no spin would let run. (Two
 * senders may race here; then the budget is a little wrong at worst.)
 */
static void learn(struct kup_spin *spin, kup_u32 limit_us, kup_u64 took_ns, int may_grow)
{
	kup_u32 now_us = kup_load(&spin->now_us);

	if (took_ns > limit_us * 1000ull)
		now_us /= 2;
	else if (may_grow && took_ns > now_us * 1000ull)
		now_us = now_us < limit_us / 2 ? 2 * now_us + 1 : limit_us;
	kup_store(&spin->now_us, now_us);
}

/*
 * 1: it is ready. 0: it was not ready in this many looks. -1: another thread wants the processor.
 */
static int look(kup_u32 looks, struct waiter *waiter)
{
	for (; looks > 0; looks--) {
		if (is_ready(waiter))
			return 1;
		if (!os_relax(kup_pace_step(waiter->steps)))
			return -1;
	}
	return 0;
}

/* The first looks of a call: those that look() makes before the clock is read. */
static int look_first(struct kup_spin *spin, kup_u64 *left_ns, struct waiter *waiter)
{
	kup_u32 look_ns = kup_load(&spin->look_ns);
	kup_u32 looks = kup_looks_in(*left_ns, look_ns);
	kup_u64 took_ns = (kup_u64)looks * look_ns;

	/* One more look is measured; otherwise a wrong estimate would never change. */
	if (looks > 0)
		*left_ns = took_ns < *left_ns ? *left_ns - took_ns : 1;
	return look(looks, waiter);
}

/* Looks for `left_ns`. `now` is the time. The results are those of look(). */
static int spin_for(struct kup_spin *spin, kup_u64 left_ns, kup_u64 now, struct waiter *waiter)
{
	kup_u64 end = now + left_ns;

	while (now < end) {
		kup_u32 looks = kup_looks_in(end - now, kup_load(&spin->look_ns));
		int found = look(looks, waiter);
		kup_u64 before = now;

		if (found)
			return found;
		now = os_now_ns();
		kup_store(&spin->look_ns, kup_look_ns(looks, now - before));
	}
	return 0;
}

/* The time for a receiver to finish its look at the ring. */
#define MOMENT_NS 1000000u

/* Gives room back before a sleep. Otherwise both sides might sleep for room that this side has. */
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

static void let_producer_ahead(struct kup_pace *pace, const struct kup_steps *steps)
{
	kup_u64 start = steps->measures ? os_now_ns() : 0;
	kup_u32 pauses;

	for (pauses = steps->first_pauses; pauses > 0 && os_relax(0); pauses--)
		;
	if (steps->measures)
		kup_pace_measured(pace, steps, os_now_ns() - start);
}

void kup_channel_begin(struct kup_channel *channel, struct kup_limit *limit)
{
	struct kup_pace *pace = &channel->receive_spin.pace;

	if (limit->timeout == 0 || !kup_load(&channel->in.caught_up))
		return;
	limit->steps = kup_pace_begin(pace, kup_load(&channel->in.cursor));
	if (limit->steps.first_pauses > 0)
		let_producer_ahead(pace, &limit->steps);
}

void kup_channel_found(struct kup_channel *channel, const struct kup_limit *limit,
		       const struct kup_record *record)
{
	if (kup_pace_is_on(&limit->steps))
		kup_pace_found(&channel->receive_spin.pace, &limit->steps, record->position,
			       KUP_RECORD_SPACE(record->length));
}

/* After the first looks: when the wait began, in *start, and whether its time is over. */
static int is_over(struct kup_limit *limit, kup_u64 *start)
{
	*start = os_now_ns();
	if (!limit->until)
		limit->until = deadline_after(*start, limit->timeout);
	return *start >= limit->until;
}

int kup_channel_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
		     struct kup_limit *limit)
{
	struct kup_spin *spin = what & KUP_WAIT_IN ? &channel->receive_spin : &channel->send_spin;
	kup_u64 budget_ns = kup_load(&spin->now_us) * 1000ull, left_ns = budget_ns, start;
	struct waiter waiter = waiter_for(channel, what, length, wakes);
	int found = 0, error;

	if (limit->timeout == 0)
		return -EAGAIN;
	if (!kup_pace_is_on(&limit->steps))
		limit->steps = kup_pace_begin(&spin->pace, kup_load(&channel->in.cursor));
	waiter.steps = &limit->steps;
	/*
	 * The first looks of a call do not read the clock. Later ones do: otherwise a user that
	 * makes each of a call's waits end without a result would make it run past its timeout.
	 */
	if (limit->waits++ == 0)
		found = look_first(spin, &left_ns, &waiter);
	if (found > 0)
		return 0;
	if (is_over(limit, &start))
		return -ETIMEDOUT;
	if (found == 0)
		found = spin_for(spin, left_ns, start, &waiter);
	if (found > 0)
		return 0;
	start -= budget_ns - left_ns;
	error = sleep_until(&waiter, limit->until);
	learn(spin, channel->spin_us, os_now_ns() - start, found == 0);
	return error;
}

int kup_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
	     kup_u64 until)
{
	/* The caller may call this again and again, so the deadline is checked each time. */
	struct kup_limit limit = {
		.timeout = until ? KUP_FOREVER : 0,
		.until = until,
		.waits = until != OS_FOREVER,
	};

	return kup_channel_wait(channel, what, length, wakes, &limit);
}

kup_u32 kup_wakes(const struct kup_channel *channel)
{
	return kup_channel_wakes(channel);
}

void kup_wake(struct kup_channel *channel)
{
	/* Pairs with the acquire in kup_channel_wakes. */
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
		/*
		 * Does nothing while another thread receives; that thread does it when it sleeps.
		 */
		(void)kup_channel_settle(channel);
		/* Data and room also wake this queue, but has_ended does not look at them. */
		error = os_wait(&channel->waitq, has_ended, channel, left);
		if (error == -EINTR)
			return error;
	}
}
