/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * User to kernel: one consumer at a time. The bytes lie in memory that the user can change at any
 * moment. Length, type and flags were loaded once, in the ring's peek.
 */
#include "copy.h"
#include "core.h"

kup_u32 kup_max_received(const struct kup_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->in.bytes);
}

/* Wakes the user's producer if it sleeps and the tail has reached its position. */
static void wake_producer(struct kup_channel *channel)
{
	int asked = channel->in.owes_wake != 0;

	channel->in.owes_wake = 0;
	kup_channel_wake_user(channel, asked, POLL_ROOM);
}

/* Looks once. After the user is gone, records come only from before its last head. */
static inline int peek_once(struct kup_channel *channel, struct kup_record *record)
{
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_peek(&channel->in, record);

	if (channel->in.tail != tail)
		wake_producer(channel);
	if (result == KUP_RING_END)
		return -EPIPE;
	return kup_channel_result(channel, result, KUP_ERROR_HEAD);
}

static inline void count_received(struct kup_channel *channel, const struct kup_record *record)
{
	struct kup_counters *counters = &channel->counters;

	if (record->control)
		return;
	kup_store64(&counters->to_kernel_records, counters->to_kernel_records + 1);
	kup_store64(&counters->to_kernel_payload, counters->to_kernel_payload + record->length);
	kup_store64(&channel->page->to_kernel_records, counters->to_kernel_records);
	kup_store64(&channel->page->to_kernel_payload, counters->to_kernel_payload);
}

static void release(struct kup_channel *channel, const struct kup_record *record)
{
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_release(&channel->in, record);

	count_received(channel, record);
	if (channel->in.tail != tail)
		wake_producer(channel);
	/* This record was good; the next call reports the lie. */
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_HEAD);
}

/* Called for the END record, and for a record behind it. */
static int end_reached(struct kup_channel *channel, const struct kup_record *record)
{
	if (channel->in_ended || record->length > 0) {
		kup_channel_break(channel, KUP_ERROR_END);
		return -EPROTO;
	}
	/* Threads that begin a look read this. */
	kup_store(&channel->in_ended, 1);
	release(channel, record);
	return -ENODATA;
}

/* The channel has ended in some way. 0: what the user sent before may be read. */
KUP_COLD static int peek_ended(struct kup_channel *channel, kup_u32 state)
{
	if (state & CHANNEL_BROKEN)
		return -EPROTO;
	if (state & CHANNEL_CLOSED)
		return -ESHUTDOWN;
	if (channel->in.frozen)
		return 0;
	return kup_channel_result(channel, kup_consumer_freeze(&channel->in), KUP_ERROR_HEAD);
}

static inline int try_peek(struct kup_channel *channel, struct kup_record *record)
{
	/* Pairs with the change in kup_channel_user_gone: what the user sent before is visible. */
	kup_u32 state = kup_load_acquire(&channel->state);
	int error = state ? peek_ended(channel, state) : 0;

	if (!error)
		error = peek_once(channel, record);
	if (!error && (record->control == KUP_CONTROL_END || channel->in_ended))
		return end_reached(channel, record);
	return error;
}

static int copy_out(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	if (record->length > capacity)
		return -EMSGSIZE;
	kup_copy(buffer, record->data, record->length);
	release(channel, record);
	record->data = buffer;
	return 0;
}

/*
 * Whether a glance is enough for a peek. Usually it is, and then the private side need not be
 * taken, since a glance changes nothing.
 */
static inline int glance(struct kup_channel *channel, struct kup_record *record)
{
	return !kup_channel_ended(channel) && !kup_channel_is_received(channel) &&
	       kup_consumer_glance(&channel->in, record) == KUP_RING_OK &&
	       record->control != KUP_CONTROL_END && !kup_load(&channel->in_ended);
}

/* A peek that takes the private side. */
__attribute__((__noinline__)) static int peek_inside(struct kup_channel *channel,
						     struct kup_record *record)
{
	int error = kup_channel_enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	kup_channel_leave(channel);
	return error;
}

static inline int peek_now(struct kup_channel *channel, struct kup_record *record)
{
	return glance(channel, record) ? 0 : peek_inside(channel, record);
}

int kup_try_peek(struct kup_channel *channel, struct kup_record *record)
{
	return peek_now(channel, record);
}

/* A release that takes the private side. */
__attribute__((__noinline__)) static void release_inside(struct kup_channel *channel,
							 const struct kup_record *record)
{
	if (kup_channel_enter(channel))
		return;
	if (record->position == channel->in.cursor)
		release(channel, record);
	kup_channel_leave(channel);
}

void kup_release(struct kup_channel *channel, const struct kup_record *record)
{
	/* Releases only the record that the last peek returned, and only once. */
	if (record->position != kup_load(&channel->in.cursor) || !kup_consumer_ready(&channel->in))
		return;
	/*
	 * Usually the private side need not be taken: this thread is the only receiver, so no other
	 * one moves the cursor.
	 */
	if (!kup_channel_is_received(channel) && kup_consumer_release_late(&channel->in, record))
		count_received(channel, record);
	else
		release_inside(channel, record);
}

int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	int error = kup_channel_enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	if (!error)
		error = copy_out(channel, buffer, capacity, record);
	kup_channel_leave(channel);
	return error;
}

/* ---- Waiting for a record ---- */

/* Where a record is copied to, unless it stays in place. */
struct target {
	int is_in_place;
	void *buffer;
	kup_u32 capacity;
};

static inline int try_once(struct kup_channel *channel, const struct target *target,
			   struct kup_record *record)
{
	return target->is_in_place
		       ? peek_now(channel, record)
		       : kup_try_receive(channel, target->buffer, target->capacity, record);
}

/* The rest of a call, when there is nothing yet, or when a pause may have to come first. */
static int await(struct kup_channel *channel, const struct target *target,
		 struct kup_record *record, kup_time timeout)
{
	struct kup_limit limit = { .timeout = timeout };
	int error;

	kup_channel_begin(channel, &limit);
	/* A user that always has a record ready must not make this thread keep the processor. */
	if (timeout)
		os_breathe();
	do {
		kup_u32 wakes = kup_channel_wakes(channel);

		error = try_once(channel, target, record);
		if (!error)
			kup_channel_found(channel, &limit, record);
		if (error != -EAGAIN)
			return error;
		/* Nor must one that makes waits end without a record. */
		if (limit.waits > 0)
			os_breathe();
		error = kup_channel_wait(channel, KUP_WAIT_IN, 0, wakes, &limit);
	} while (!error);
	return error;
}

/*
 * Whether a call begins with a look. A call that may wait breathes before it. Otherwise a pause may
 * have to come first; await does that, and breathes itself.
 */
static inline int looks_first(const struct kup_channel *channel, kup_time timeout)
{
	if (!timeout)
		return 1;
	if (kup_load(&channel->in.caught_up))
		return 0;
	os_breathe();
	return 1;
}

int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout)
{
	static const struct target in_place = { .is_in_place = 1 };
	int error = looks_first(channel, timeout) ? peek_now(channel, record) : -EAGAIN;

	return error == -EAGAIN ? await(channel, &in_place, record, timeout) : error;
}

int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout)
{
	int error = -EAGAIN;

	if (looks_first(channel, timeout))
		error = kup_try_receive(channel, buffer, capacity, record);
	if (error == -EAGAIN) {
		const struct target target = { 0, buffer, capacity };

		error = await(channel, &target, record, timeout);
	}
	return error;
}
