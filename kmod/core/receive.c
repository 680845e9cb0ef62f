/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * User to kernel: one consumer at a time. The bytes lie in memory that the user can change at any
 * moment; length, type and flags were loaded once, in the ring's peek.
 */
#include "core.h"

kup_u32 kup_max_received(const struct kup_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->in.bytes);
}

/* The user's producer sleeps, and the tail has come to where it wanted it. */
static void wake_producer(struct kup_channel *channel)
{
	int asked = channel->in.owes_wake != 0;

	channel->in.owes_wake = 0;
	kup_channel_wake_user(channel, asked, POLL_ROOM);
}

/* One look. After the user has gone: one more look at its head, then what is there and no more. */
static int peek_once(struct kup_channel *channel, struct kup_record *record)
{
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_peek(&channel->in, record);

	if (channel->in.tail != tail)
		wake_producer(channel);
	if (result == KUP_RING_END)
		return -EPIPE;
	return kup_channel_result(channel, result, KUP_ERROR_HEAD);
}

static int try_peek(struct kup_channel *channel, struct kup_record *record)
{
	kup_u32 state = kup_load_acquire(&channel->state);

	if (state & CHANNEL_BROKEN)
		return -EPROTO;
	if (state & CHANNEL_CLOSED)
		return -ESHUTDOWN;
	if ((state & CHANNEL_USER_GONE) && !channel->in.frozen) {
		int error = kup_channel_result(channel, kup_consumer_freeze(&channel->in),
					       KUP_ERROR_HEAD);

		if (error)
			return error;
	}
	return peek_once(channel, record);
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
	kup_u32 was = 0;

	/* Acquire: pairs with leave. */
	__atomic_compare_exchange_n(&channel->receiving, &was, as, 0, __ATOMIC_ACQUIRE,
				    __ATOMIC_RELAXED);
	return was;
}

static int enter(struct kup_channel *channel)
{
	unsigned long state;
	kup_u32 other;

	while ((other = take(channel, RECEIVER)) == SETTLER) {
		state = os_spin_lock(&channel->send_lock);
		os_spin_unlock(&channel->send_lock, state);
	}
	return other ? -EBUSY : 0;
}

static void leave(struct kup_channel *channel)
{
	/* Pairs with take. */
	kup_store_release(&channel->receiving, 0);
}

static void release(struct kup_channel *channel, const struct kup_record *record)
{
	struct kup_counters *counters = &channel->counters;
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_release(&channel->in, record);

	if (!record->control) {
		kup_store64(&counters->to_kernel_records, counters->to_kernel_records + 1);
		kup_store64(&counters->to_kernel_payload,
			    counters->to_kernel_payload + record->length);
		kup_store64(&channel->page->to_kernel_records, counters->to_kernel_records);
		kup_store64(&channel->page->to_kernel_payload, counters->to_kernel_payload);
	}
	if (channel->in.tail != tail)
		wake_producer(channel);
	/* For the next call: this record was good. */
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_HEAD);
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
		leave(channel);
	}
	os_spin_unlock(&channel->send_lock, state);
	if (published)
		kup_channel_wake_user(channel, asked, POLL_ROOM);
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_HEAD);
	return taken;
}

static int copy_out(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	if (record->length > capacity)
		return -EMSGSIZE;
	__builtin_memcpy(buffer, record->data, record->length);
	release(channel, record);
	record->data = buffer;
	return 0;
}

int kup_try_peek(struct kup_channel *channel, struct kup_record *record)
{
	int error = enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	leave(channel);
	return error;
}

int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout)
{
	kup_u64 until = kup_until(timeout);

	for (;;) {
		kup_u32 wakes = kup_wakes(channel);
		int error;

		/* A user that never lets the ring run empty must not keep the processor forever. */
		if (timeout)
			os_breathe();
		error = kup_try_peek(channel, record);
		if (error == -EAGAIN) {
			error = kup_wait(channel, KUP_WAIT_IN, 0, wakes, until);
			if (!error)
				continue;
		}
		return error;
	}
}

void kup_release(struct kup_channel *channel, const struct kup_record *record)
{
	if (enter(channel))
		return;
	/* Once only, and only what the last peek returned. */
	if (record->position == channel->in.cursor && kup_consumer_ready(&channel->in))
		release(channel, record);
	leave(channel);
}

int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	int error = enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	if (!error)
		error = copy_out(channel, buffer, capacity, record);
	leave(channel);
	return error;
}

int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout)
{
	kup_u64 until = kup_until(timeout);

	for (;;) {
		kup_u32 wakes = kup_wakes(channel);
		int error;

		if (timeout)
			os_breathe();
		error = kup_try_receive(channel, buffer, capacity, record);
		if (error == -EAGAIN) {
			error = kup_wait(channel, KUP_WAIT_IN, 0, wakes, until);
			if (!error)
				continue;
		}
		return error;
	}
}

/* ---- For poll ---- */

int kup_channel_writable(struct kup_channel *channel, int *announced)
{
	/*
	 * All three are only looked at: a lie makes this process's own poll wrong, nothing else.
	 * The tail is read while the receiver may change it, which the wake-up that follows each
	 * change makes good.
	 */
	kup_u32 tail = kup_load(&channel->in.tail);
	kup_u32 used = kup_load(channel->in.head_word) - tail;
	kup_u32 ahead = kup_load(channel->in.peer_event) - tail;

	*announced = ahead != 0 && ahead <= channel->in.bytes;
	/* The smallest record, and the sentinel. */
	return used + 2 * KUP_RECORD_HEADER <= channel->in.bytes && !*announced;
}
