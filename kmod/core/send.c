/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Kernel to user: many producers, any context.
 *
 * send_lock serialises reserve and commit; filling a record takes no lock. Records become readable
 * as they are finished, and the user stops at the first unfinished one.
 */
#include "core.h"

kup_u32 kup_max_payload(const struct kup_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->out.bytes);
}

/*
 * Under send_lock: counts one more record; or, with negative numbers, takes one back, or shortens
 * one.
 */
static void count_sent(struct kup_channel *channel, __INT64_TYPE__ records, __INT64_TYPE__ payload)
{
	struct kup_counters *counters = &channel->counters;

	kup_store64(&counters->to_user_records, counters->to_user_records + (kup_u64)records);
	kup_store64(&counters->to_user_payload, counters->to_user_payload + (kup_u64)payload);
	kup_store64(&channel->page->to_user_records, counters->to_user_records);
	kup_store64(&channel->page->to_user_payload, counters->to_user_payload);
}

/* Converts a ring's result. The lock forbids breaking the channel here; `unlocked` does that. */
static int room_error(int result)
{
	return result == KUP_RING_WAIT || result == KUP_RING_CROWDED ? -EAGAIN : -EPROTO;
}

/* Called after the unlock: does what a reservation has left to do. */
static void unlocked(struct kup_channel *channel, int error, int wake)
{
	if (error == -EPROTO)
		kup_channel_break(channel, KUP_ERROR_TAIL);
	if (wake)
		kup_channel_wake_user(channel, 1, POLL_DATA);
}

/*
 * Under send_lock. 0: the reservation is made. -EPROTO: the user's tail is a lie, or was one
 * before. *wake: the user is to be woken, because of a GAP record before this one, or because there
 * is no room.
 */
static int reserve_locked(struct kup_channel *channel, kup_u32 length,
			  struct kup_reservation *reservation, int *wake)
{
	int result, error = kup_ended(channel);

	if (error)
		return error;
	if (length > kup_max_payload(channel))
		return -EMSGSIZE;
	result = kup_producer_room(&channel->out, kup_channel_space(channel, length));
	if (result == KUP_RING_WAIT)
		*wake = kup_channel_hurry(channel);
	if (result != KUP_RING_OK)
		return room_error(result);
	if (channel->lost.records)
		*wake = kup_channel_write_gap(channel);
	result = kup_producer_reserve(&channel->out, length, &reservation->position);
	if (result != KUP_RING_OK)
		return room_error(result);
	reservation->data = kup_producer_payload(&channel->out, reservation->position);
	reservation->length = length;
	count_sent(channel, 1, length);
	return 0;
}

static int reserve_now(struct kup_channel *channel, kup_u32 length,
		       struct kup_reservation *reservation, int count)
{
	int error, wake = 0;
	unsigned long state = os_spin_lock(&channel->send_lock);

	error = reserve_locked(channel, length, reservation, &wake);
	if (error && count)
		kup_channel_count_lost(channel, length, error);
	os_spin_unlock(&channel->send_lock, state);
	unlocked(channel, error, wake);
	return error;
}

int kup_try_reserve(struct kup_channel *channel, kup_u32 length,
		    struct kup_reservation *reservation)
{
	return reserve_now(channel, length, reservation, 1);
}

int kup_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		struct kup_reservation *reservation)
{
	kup_u64 until = kup_until(timeout);

	for (;;) {
		kup_u32 wakes = kup_wakes(channel);
		int error;

		if (timeout)
			os_breathe();
		error = reserve_now(channel, length, reservation, 0);
		if (error == -EAGAIN) {
			error = kup_wait(channel, KUP_WAIT_OUT, length, wakes, until);
			if (!error)
				continue;
		}
		return error;
	}
}

/* ---- Finishing ---- */

/* What is subtracted from the counters, which count a reservation when it is made. */
struct less {
	kup_u32 records, payload;
};

static void finish(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 length,
		   kup_u32 type, kup_u32 flags, struct less less)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	int crowded = kup_producer_crowded(&channel->out), closed;
	int asked = kup_producer_commit(&channel->out, reservation->position, reservation->length,
					length, type, flags);

	asked = kup_channel_overdue(channel) || asked;
	crowded = crowded && !kup_producer_crowded(&channel->out);
	closed = kup_load(&channel->state) & CHANNEL_CLOSED;
	if (closed)
		kup_channel_publish_close(channel);
	if (less.records || less.payload)
		count_sent(channel, -(__INT64_TYPE__)less.records, -(__INT64_TYPE__)less.payload);
	os_spin_unlock(&channel->send_lock, state);
	kup_channel_wake_user(channel, asked || closed, POLL_DATA);
	/* These senders found that too many reservations were open. */
	if (crowded)
		os_wake(&channel->waitq);
	reservation->data = NULL;
}

static kup_u32 at_most(kup_u32 length, const struct kup_reservation *reservation)
{
	return length < reservation->length ? length : reservation->length;
}

void kup_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length)
{
	length = at_most(length, reservation);
	finish(channel, reservation, length, type, 0,
	       (struct less){ 0, reservation->length - length });
}

void kup_commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 kind, kup_u32 length)
{
	finish(channel, reservation, at_most(length, reservation), kind, KUP_RECORD_CONTROL,
	       (struct less){ 1, reservation->length });
}

void kup_discard(struct kup_channel *channel, struct kup_reservation *reservation)
{
	finish(channel, reservation, reservation->length, 0, KUP_RECORD_DISCARD,
	       (struct less){ 1, reservation->length });
}

int kup_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
	     kup_time timeout)
{
	struct kup_reservation reservation;
	int error = kup_reserve(channel, length, timeout, &reservation);

	if (error)
		return error;
	__builtin_memcpy(reservation.data, data, length);
	kup_commit(channel, &reservation, type, length);
	return 0;
}

int kup_try_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length)
{
	struct kup_reservation reservation;
	int error = kup_try_reserve(channel, length, &reservation);

	if (error)
		return error;
	__builtin_memcpy(reservation.data, data, length);
	kup_commit(channel, &reservation, type, length);
	return 0;
}
