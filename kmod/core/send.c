/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Kernel to user: many producers, any context.
 *
 * Reserving is serialised by send_lock; filling and committing are not, records become readable as
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

/* Under send_lock, with room for it. Nonzero: the user sleeps for this record. */
static int put_gap(struct kup_channel *channel)
{
	kup_u32 position;

	if (kup_producer_reserve(&channel->out, sizeof(struct kup_gap), &position) != KUP_RING_OK)
		return 0;
	__builtin_memcpy(kup_producer_payload(&channel->out, position), &channel->lost,
			 sizeof(struct kup_gap));
	kup_store64(&channel->lost.records, 0);
	channel->lost.bytes = 0;
	return kup_producer_commit(&channel->out, position, sizeof(struct kup_gap),
				   sizeof(struct kup_gap), KUP_CONTROL_GAP, KUP_RECORD_CONTROL);
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

/*
 * ---- Which reservations are open: so that poll doesn't report a record that isn't finished ----
 */

/* Under send_lock. When there is no place left it isn't noted, and poll may report it too early. */
static void open_position(struct kup_channel *channel, kup_u32 position)
{
	kup_u32 i;

	for (i = 0; i < OPEN_POSITIONS; i++) {
		if (kup_load(&channel->open_positions[i]) == NO_POSITION) {
			kup_store(&channel->open_positions[i], position);
			return;
		}
	}
}

/* Without a lock: nobody else touches the place that has our position. */
static void close_position(struct kup_channel *channel, kup_u32 position)
{
	kup_u32 i;

	for (i = 0; i < OPEN_POSITIONS; i++) {
		if (kup_load(&channel->open_positions[i]) == position) {
			kup_store(&channel->open_positions[i], NO_POSITION);
			return;
		}
	}
}

static int is_open(struct kup_channel *channel, kup_u32 position)
{
	kup_u32 i;

	for (i = 0; i < OPEN_POSITIONS; i++)
		if (kup_load(&channel->open_positions[i]) == position)
			return 1;
	return 0;
}

/* A ring's result, where the lock forbids to break the channel: see unlocked. */
static int room_error(int result)
{
	return result == KUP_RING_WAIT ? -EAGAIN : -EPROTO;
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
 * Under send_lock. On 0 the reservation is made; *wake says whether the user sleeps for a GAP
 * record that went ahead of it. -EPROTO: the user's tail is a lie, or was before.
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
	if (result != KUP_RING_OK)
		return room_error(result);
	if (channel->lost.records)
		*wake = put_gap(channel);
	open_position(channel, channel->out.head);
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

static void finish(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 length,
		   kup_u32 type, kup_u32 flags)
{
	int asked;

	/* Before the record becomes readable: a poll that still finds it open arms, and is woken
	 * below. */
	close_position(channel, reservation->position);
	asked = kup_producer_commit(&channel->out, reservation->position, reservation->length,
				    length, type, flags);
	kup_channel_wake_user(channel, asked, POLL_DATA);
	reservation->data = NULL;
}

static void count_less(struct kup_channel *channel, int records, kup_u32 payload)
{
	unsigned long state = os_spin_lock(&channel->send_lock);

	count_sent(channel, records, -(__INT64_TYPE__)payload);
	os_spin_unlock(&channel->send_lock, state);
}

void kup_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length)
{
	if (length > reservation->length)
		length = reservation->length;
	if (length < reservation->length)
		count_less(channel, 0, reservation->length - length);
	finish(channel, reservation, length, type, 0);
}

void kup_commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 kind, kup_u32 length)
{
	if (length > reservation->length)
		length = reservation->length;
	count_less(channel, -1, reservation->length);
	finish(channel, reservation, length, kind, KUP_RECORD_CONTROL);
}

void kup_discard(struct kup_channel *channel, struct kup_reservation *reservation)
{
	count_less(channel, -1, reservation->length);
	finish(channel, reservation, reservation->length, 0, KUP_RECORD_DISCARD);
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

/* ---- For close and poll ---- */

void kup_channel_flush_gap(struct kup_channel *channel)
{
	if (channel->lost.records &&
	    kup_producer_room(&channel->out, KUP_RECORD_SPACE(sizeof(struct kup_gap))) ==
		    KUP_RING_OK)
		put_gap(channel);
}

int kup_channel_readable(struct kup_channel *channel, int *announced)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	kup_u32 free, head, tail;
	int open, result = kup_producer_free(&channel->out, &free);

	head = channel->out.head;
	tail = channel->out.tail;
	open = is_open(channel, tail);
	os_spin_unlock(&channel->send_lock, state);
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_TAIL);
	*announced = kup_load(channel->out.peer_event) == tail;
	/*
	 * A record that is still being filled at the user's tail is all that may hide the others.
	 */
	return head != tail && !open;
}
