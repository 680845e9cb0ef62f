/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Kernel to user: many producers, any context.
 *
 * send_lock serialises reserve and commit; filling a reservation takes no lock. Records become
 * readable as they are finished, and the user stops at the first unfinished one. A short message is
 * reserved, copied and committed under one lock.
 */
#include "core.h"

static inline kup_u32 max_payload(const struct kup_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->out.bytes) - (channel->stamp_bytes ? KUP_STAMP_RESERVE : 0);
}

kup_u32 kup_max_payload(const struct kup_channel *channel)
{
	return max_payload(channel);
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
static inline void unlocked(struct kup_channel *channel, int error, int wake)
{
	if (error == -EPROTO)
		kup_channel_break(channel, KUP_ERROR_TAIL);
	if (wake)
		kup_channel_wake_user(channel, 1, POLL_DATA);
}

/* Under send_lock: 0, or why nothing can be sent any more. */
static int sending_ended(const struct kup_channel *channel)
{
	int error = kup_channel_ended(channel);

	return !error && channel->out_ended ? -ESHUTDOWN : error;
}

/*
 * Under send_lock. 0: the reservation is made. -EPROTO: the user's tail is a lie, or was one
 * before. *wake: the user is to be woken, because of a GAP record before this one, or because there
 * is no room.
 */
static int reserve_locked(struct kup_channel *channel, kup_u32 length,
			  struct kup_reservation *reservation, int *wake)
{
	int result, error = sending_ended(channel);

	if (error)
		return error;
	if (length > max_payload(channel))
		return -EMSGSIZE;
	result = kup_producer_room(&channel->out, kup_channel_space(channel, length));
	if (result == KUP_RING_WAIT)
		*wake = kup_channel_hurry(channel);
	if (result != KUP_RING_OK)
		return room_error(result);
	if (channel->lost.records)
		*wake = kup_channel_write_gap(channel);
	result = kup_producer_reserve(&channel->out, length + channel->stamp_bytes,
				      &reservation->position);
	if (result != KUP_RING_OK)
		return room_error(result);
	reservation->data = kup_producer_payload(&channel->out, reservation->position);
	if (channel->stamp_bytes) {
		struct kup_stamp stamp = kup_channel_stamp(channel->sequence++);

		__builtin_memcpy(reservation->data, &stamp, sizeof(stamp));
		reservation->data = (kup_u8 *)reservation->data + sizeof(stamp);
	}
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
	struct kup_limit limit = { .timeout = timeout };

	for (;;) {
		kup_u32 wakes = kup_channel_wakes(channel);
		int error;

		if (timeout)
			os_breathe();
		error = reserve_now(channel, length, reservation, 0);
		if (error == -EAGAIN) {
			error = kup_channel_wait(channel, KUP_WAIT_OUT, length, wakes, &limit);
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
	kup_u32 stamp = channel->stamp_bytes;
	int asked = kup_producer_commit(&channel->out, reservation->position,
					reservation->length + stamp, length + stamp, type, flags);

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

/* ---- The end ---- */

/*
 * The reservation and `out_ended` belong together: no other record may come behind the END record.
 * Reservations that are open lie before it.
 */
static int end_now(struct kup_channel *channel)
{
	struct kup_reservation reservation;
	int error, wake = 0;
	unsigned long state = os_spin_lock(&channel->send_lock);

	error = reserve_locked(channel, 0, &reservation, &wake);
	if (!error)
		channel->out_ended = 1;
	os_spin_unlock(&channel->send_lock, state);
	unlocked(channel, error, wake);
	if (!error)
		kup_commit_control(channel, &reservation, KUP_CONTROL_END, 0);
	return error;
}

int kup_end(struct kup_channel *channel, kup_time timeout)
{
	struct kup_limit limit = { .timeout = timeout };
	int error;

	if (channel->device->config.mode != KUP_MODE_STREAM)
		return -EINVAL;
	if (!(channel->understood & KUP_FEATURE_END))
		return -EOPNOTSUPP;
	do {
		kup_u32 wakes = kup_channel_wakes(channel);

		error = end_now(channel);
		if (error != -EAGAIN)
			return error;
		error = kup_channel_wait(channel, KUP_WAIT_OUT, 0, wakes, &limit);
	} while (!error);
	return error;
}

/* ---- Whole messages ---- */

/* Longer messages are copied while the lock is not held. */
#define SHORT 1024

/* What one hold of the lock sends at most, since interrupts may be disabled meanwhile. */
#define MOST_RECORDS 64
#define MOST_BYTES 8192

/* Under send_lock: makes the appended records readable. Nonzero: wake the user. */
static int publish_locked(struct kup_channel *channel)
{
	int asked = kup_producer_publish(&channel->out);

	return kup_channel_overdue(channel) || asked;
}

/*
 * Under send_lock: publishes what is appended; then puts the GAP record, if there is room for it and
 * for `length` bytes.
 */
KUP_COLD static int append_gap(struct kup_channel *channel, kup_u32 length, int *wake)
{
	int result = kup_producer_room(&channel->out, kup_channel_space(channel, length));

	/* This comes first: both of the others look at `end`. */
	*wake |= publish_locked(channel);
	if (result == KUP_RING_WAIT)
		*wake |= kup_channel_hurry(channel);
	if (result != KUP_RING_OK)
		return room_error(result);
	*wake |= kup_channel_write_gap(channel);
	return 0;
}

/* Under send_lock: a record could not be appended. */
KUP_COLD static int not_appended(struct kup_channel *channel, int result, int *wake)
{
	if (result == KUP_RING_WAIT) {
		/* This comes first: kup_channel_hurry looks at `end`. */
		*wake |= publish_locked(channel);
		*wake |= kup_channel_hurry(channel);
	}
	return room_error(result);
}

static int append_stamped(struct kup_channel *channel, const struct kup_message *message)
{
	struct kup_stamp stamp = kup_channel_stamp(channel->sequence);
	int result = kup_producer_append_stamped(&channel->out, message->type, &stamp,
						 message->data, message->length);

	if (result == KUP_RING_OK)
		channel->sequence++;
	return result;
}

/* Under send_lock: appends one message. The errors and *wake are those of reserve_locked. */
static inline int append_locked(struct kup_channel *channel, const struct kup_message *message,
				int *wake)
{
	int result, error = sending_ended(channel);

	if (!error && message->length > max_payload(channel))
		error = -EMSGSIZE;
	if (!error && channel->lost.records)
		error = append_gap(channel, message->length, wake);
	if (error)
		return error;
	result = channel->stamp_bytes ? append_stamped(channel, message)
				      : kup_producer_append(&channel->out, message->type,
							    message->data, message->length);
	return result == KUP_RING_OK ? 0 : not_appended(channel, result, wake);
}

/*
 * Sends messages under one lock, until one fails, whose errno is in *error. With `lossy`, a message
 * that fails is lost, and the next one is tried. Returns the number that was sent. Always inline:
 * for a single message, nothing of the loop is left.
 */
__attribute__((always_inline)) static inline kup_u32 send_now(struct kup_channel *channel,
							      const struct kup_message *messages,
							      kup_u32 count, int lossy, int *error)
{
	kup_u32 i, sent = 0, bytes = 0;
	int wake = 0;
	unsigned long state = os_spin_lock(&channel->send_lock);

	*error = 0;
	for (i = 0; i < count && (lossy || !*error); i++) {
		*error = append_locked(channel, &messages[i], &wake);
		if (!*error) {
			sent++;
			bytes += messages[i].length;
		} else if (lossy) {
			kup_channel_count_lost(channel, messages[i].length, *error);
		}
	}
	if (sent > 0)
		count_sent(channel, sent, bytes);
	wake |= publish_locked(channel);
	os_spin_unlock(&channel->send_lock, state);
	unlocked(channel, *error, 0);
	/* A process may also be inside poll. */
	if (sent > 0 || wake)
		kup_channel_wake_user(channel, wake, POLL_DATA);
	return sent;
}

static int send_short(struct kup_channel *channel, const struct kup_message *message, int lossy)
{
	int error;

	(void)send_now(channel, message, 1, lossy, &error);
	return error;
}

static int send_long(struct kup_channel *channel, const struct kup_message *message, int lossy)
{
	struct kup_reservation reservation;
	int error = reserve_now(channel, message->length, &reservation, lossy);

	if (error)
		return error;
	__builtin_memcpy(reservation.data, message->data, message->length);
	kup_commit(channel, &reservation, message->type, message->length);
	return 0;
}

/* Sends one message, without a wait. */
static inline int send_one(struct kup_channel *channel, const struct kup_message *message,
			   int lossy)
{
	return message->length <= SHORT ? send_short(channel, message, lossy)
					: send_long(channel, message, lossy);
}

/*
 * Sends the first ones of `count` messages, as many as one hold of the lock may send, and stores
 * how many it has tried. Otherwise as send_now.
 */
static kup_u32 send_some(struct kup_channel *channel, const struct kup_message *messages,
			 kup_u32 count, int lossy, kup_u32 *tried, int *error)
{
	kup_u32 some, bytes = 0;

	for (some = 0; some < count && some < MOST_RECORDS && bytes < MOST_BYTES; some++) {
		if (messages[some].length > SHORT)
			break;
		bytes += messages[some].length;
	}
	*tried = some > 1 ? some : 1;
	if (some > 1)
		return send_now(channel, messages, some, lossy, error);
	*error = send_one(channel, messages, lossy);
	return !*error;
}

/* Returns the number of messages that was sent; *error is why there are not more. */
static kup_u32 send_all(struct kup_channel *channel, const struct kup_message *messages,
			kup_u32 count, kup_time timeout, int *error)
{
	struct kup_limit limit = { .timeout = timeout };
	kup_u32 sent = 0, tried;

	*error = 0;
	while (sent < count && !*error) {
		kup_u32 wakes = kup_channel_wakes(channel);

		if (timeout)
			os_breathe();
		sent += send_some(channel, messages + sent, count - sent, 0, &tried, error);
		if (*error == -EAGAIN)
			*error = kup_channel_wait(channel, KUP_WAIT_OUT, messages[sent].length,
						  wakes, &limit);
	}
	return sent;
}

int kup_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
	     kup_time timeout)
{
	const struct kup_message message = { data, length, type };
	int error;

	if (timeout)
		os_breathe();
	error = send_one(channel, &message, 0);
	if (error == -EAGAIN && timeout)
		(void)send_all(channel, &message, 1, timeout, &error);
	return error;
}

/* The numbers that are returned are not negative. */
static kup_u32 limited(kup_u32 count)
{
	return count < 0x7fffffffu ? count : 0x7fffffffu;
}

int kup_send_batch(struct kup_channel *channel, const struct kup_message *messages, kup_u32 count,
		   kup_time timeout)
{
	int error;
	kup_u32 sent = send_all(channel, messages, limited(count), timeout, &error);

	return sent > 0 ? (int)sent : error;
}

int kup_try_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length)
{
	const struct kup_message message = { data, length, type };

	return send_one(channel, &message, 1);
}

int kup_try_send_batch(struct kup_channel *channel, const struct kup_message *messages,
		       kup_u32 count)
{
	kup_u32 i, some, sent = 0;
	int error = 0;

	count = limited(count);
	for (i = 0; i < count; i += some) {
		sent += send_some(channel, messages + i, count - i, 1, &some, &error);
	}
	return sent > 0 ? (int)sent : error;
}
