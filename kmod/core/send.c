/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Kernel to user: many producers, any context.
 *
 * Reserving and committing are serialised by send_lock; filling is not. Records become readable as
 * they are finished, and the user stops at the first one that isn't.
 */
#include "core.h"

kup_u32 kup_max_payload(const struct kup_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->out.bytes);
}

/* What the next record needs: itself, and the GAP record that has to go ahead of it. Any
 * context. */
kup_u32 kup_channel_space(const struct kup_channel *channel, kup_u32 length)
{
	kup_u32 space = KUP_RECORD_SPACE(length);

	return kup_load64(&channel->lost.records) ? space + KUP_RECORD_SPACE(sizeof(struct kup_gap))
						  : space;
}

/* ---- Users that sleep until much has come ---- */

/* Under send_lock: its event lies ahead of all that is finished. */
static int sleeps_ahead(const struct kup_producer *out, kup_u32 event)
{
	return event - out->end < out->bytes;
}

/* Under send_lock: what is there must not wait for more, as far as the last look at the tail knows. */
static int must_hurry(const struct kup_channel *channel)
{
	kup_u32 tail = channel->out.tail;

	return channel->urgent_tail == tail ||
	       (channel->room_waiters && (__INT32_TYPE__)(tail - channel->room_event) < 0);
}

int kup_channel_overdue(struct kup_channel *channel)
{
	struct kup_producer *out = &channel->out;
	kup_u32 event;

	if (!must_hurry(channel))
		return 0;
	/* Perhaps it has read meanwhile. A lie is found by the next reservation. */
	(void)kup_producer_refresh(out);
	event = kup_load(out->peer_event);
	if (!must_hurry(channel) || out->end == out->tail || !sleeps_ahead(out, event) ||
	    (channel->woken_tail == out->tail && channel->woken_event == event))
		return 0;
	channel->woken_tail = out->tail;
	channel->woken_event = event;
	return 1;
}

/* Under send_lock, with a tail that was just looked at. Nonzero: wake the user. */
static int hurry(struct kup_channel *channel)
{
	channel->urgent_tail = channel->out.tail;
	return kup_channel_overdue(channel);
}

/*
 * Under send_lock, with room for it: wakes the user whatever it sleeps for. Nonzero: it has to be
 * woken.
 */
static int put_gap(struct kup_channel *channel)
{
	kup_u32 position;
	int asked;

	if (kup_producer_reserve(&channel->out, sizeof(struct kup_gap), &position) != KUP_RING_OK)
		return 0;
	__builtin_memcpy(kup_producer_payload(&channel->out, position), &channel->lost,
			 sizeof(struct kup_gap));
	kup_store64(&channel->lost.records, 0);
	channel->lost.bytes = 0;
	asked = kup_producer_commit(&channel->out, position, sizeof(struct kup_gap),
				    sizeof(struct kup_gap), KUP_CONTROL_GAP, KUP_RECORD_CONTROL);
	(void)kup_producer_refresh(&channel->out);
	return hurry(channel) || asked;
}

/* Under send_lock: one more, or (both negative) one less after all, or a shorter one. */
static void count_sent(struct kup_channel *channel, __INT64_TYPE__ records, __INT64_TYPE__ payload)
{
	struct kup_counters *counters = &channel->counters;

	kup_store64(&counters->to_user_records, counters->to_user_records + (kup_u64)records);
	kup_store64(&counters->to_user_payload, counters->to_user_payload + (kup_u64)payload);
	kup_store64(&channel->page->to_user_records, counters->to_user_records);
	kup_store64(&channel->page->to_user_payload, counters->to_user_payload);
}

/* Under send_lock: a message that a call which must not sleep could not place. */
static void count_lost(struct kup_channel *channel, kup_u32 length, int error)
{
	struct kup_counters *counters = &channel->counters;

	if (error == -EMSGSIZE) {
		kup_store64(&counters->dropped_too_long, counters->dropped_too_long + 1);
		kup_store64(&channel->page->dropped_too_long, counters->dropped_too_long);
	} else if (error == -EAGAIN) {
		kup_store64(&counters->dropped_no_space, counters->dropped_no_space + 1);
		kup_store64(&channel->page->dropped_no_space, counters->dropped_no_space);
	} else {
		return;
	}
	if (!(KUP_CONTROLS_TO_USER(channel->device->config.mode) & 1u << KUP_CONTROL_GAP))
		return;
	kup_store64(&channel->lost.records, channel->lost.records + 1);
	channel->lost.bytes += length;
}

/* A ring's result, where the lock forbids to break the channel: see unlocked. */
static int room_error(int result)
{
	return result == KUP_RING_WAIT || result == KUP_RING_CROWDED ? -EAGAIN : -EPROTO;
}

/* After the lock: what a reservation leaves to do. */
static void unlocked(struct kup_channel *channel, int error, int wake)
{
	if (error == -EPROTO)
		kup_channel_break(channel, KUP_ERROR_TAIL);
	if (wake)
		kup_channel_wake_user(channel, 1, POLL_DATA);
}

/*
 * Under send_lock. On 0 the reservation is made; *wake: the user is to be woken, for a GAP record
 * that went ahead of it, or for the room that there is not. -EPROTO: the user's tail is a lie, or
 * was before.
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
		*wake = hurry(channel);
	if (result != KUP_RING_OK)
		return room_error(result);
	if (channel->lost.records)
		*wake = put_gap(channel);
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
		count_lost(channel, length, error);
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

/* What the counters lose, since they count a reservation as it was made. */
struct less {
	kup_u32 records, payload;
};

static void finish(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 length,
		   kup_u32 type, kup_u32 flags, struct less less)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	int crowded = kup_producer_crowded(&channel->out);
	int asked = kup_producer_commit(&channel->out, reservation->position, reservation->length,
					length, type, flags);

	asked = kup_channel_overdue(channel) || asked;
	crowded = crowded && !kup_producer_crowded(&channel->out);
	if (less.records || less.payload)
		count_sent(channel, -(__INT64_TYPE__)less.records, -(__INT64_TYPE__)less.payload);
	os_spin_unlock(&channel->send_lock, state);
	kup_channel_wake_user(channel, asked, POLL_DATA);
	/* Senders that found no place for one more reservation. */
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

/* ---- For close, kick and poll ---- */

static int flush_gap(struct kup_channel *channel)
{
	if (!channel->lost.records ||
	    kup_producer_room(&channel->out, KUP_RECORD_SPACE(sizeof(struct kup_gap))) !=
		    KUP_RING_OK)
		return 0;
	return put_gap(channel);
}

void kup_channel_flush_gap(struct kup_channel *channel)
{
	(void)flush_gap(channel);
}

void kup_channel_put_gap(struct kup_channel *channel)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	int asked = flush_gap(channel);

	os_spin_unlock(&channel->send_lock, state);
	kup_channel_wake_user(channel, asked, POLL_DATA);
}

/* Under send_lock: the user sleeps until the end has passed its event, and it has not. */
static int sleeps_for_more(const struct kup_channel *channel, kup_u32 event)
{
	const struct kup_producer *out = &channel->out;
	kup_u32 ahead = event - out->tail;

	return ahead - 1 < out->bytes - 1 && out->end - out->tail <= ahead && !must_hurry(channel);
}

int kup_channel_readable(struct kup_channel *channel, int *announced)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	const struct kup_producer *out = &channel->out;
	int readable, result = kup_producer_refresh(&channel->out);
	kup_u32 event = kup_load(out->peer_event);

	/* The user looks now, so the wake-up is not needed. */
	(void)flush_gap(channel);
	readable = out->end != out->tail && !sleeps_for_more(channel, event);
	/* Then a record that moves the end over it wakes. */
	*announced = sleeps_ahead(out, event);
	os_spin_unlock(&channel->send_lock, state);
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_TAIL);
	return readable;
}
