/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns on a channel of kup_user.h. This uses the channel's public calls alone. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kup_user_turn.h"
#include "timeout.h"

/* The kernel has broken the rules of turns. This side uses the channel no more. */
static int32_t broken(struct kup_user_turn *turn)
{
	turn->broken = 1;
	return -EPROTO;
}

int32_t kup_user_turn_begin(struct kup_user_turn *turn, struct kup_user_channel *channel)
{
	memset(turn, 0, sizeof(*turn));
	turn->channel = channel;
	return kup_user_channel_mode(channel) == KUP_MODE_TURN ? 0 : -EINVAL;
}

/* Waits for the record that gives the turn, unless this side has the turn already. */
static int32_t take(struct kup_user_turn *turn, double timeout_ms)
{
	struct kup_user_message *message = &turn->message;
	int32_t error;

	if (turn->broken)
		return -EPROTO;
	if (turn->mine)
		return 0;
	error = kup_user_receive(turn->channel, message, timeout_ms);
	if (error)
		return error;
	turn->mine = 1;
	turn->unread = 1;
	if (message->control != KUP_CONTROL_PASS)
		return 0;
	message->data = NULL;
	return message->length > 0 ? broken(turn) : 0;
}

/* Nonzero if giving the turn would drop a message. */
static int holds_message(const struct kup_user_turn *turn)
{
	return turn->unread && turn->message.control != KUP_CONTROL_PASS;
}

int32_t kup_user_turn_receive(struct kup_user_turn *turn, struct kup_user_message *message,
			      double timeout_ms)
{
	int32_t error = take(turn, timeout_ms);

	if (error)
		return error;
	if (!turn->unread) {
		error = kup_user_ended(turn->channel);
		return error ? error : -EDEADLK;
	}
	turn->unread = 0;
	*message = turn->message;
	return 0;
}

/* Takes the turn, for sending a record of this length. */
static int32_t take_to_send(struct kup_user_turn *turn, uint32_t length, uint32_t flags,
			    double timeout_ms)
{
	int32_t error;

	if (flags & ~KUP_USER_TURN_DROP)
		return -EINVAL;
	if (length > kup_user_max_message(turn->channel))
		return -EMSGSIZE;
	if (turn->reserved)
		return -EBUSY;
	error = take(turn, timeout_ms);
	if (!error && holds_message(turn) && !(flags & KUP_USER_TURN_DROP)) {
		error = kup_user_ended(turn->channel);
		return error ? error : -ENOTEMPTY;
	}
	return error;
}

int32_t kup_user_turn_reserve(struct kup_user_turn *turn, uint32_t length, uint32_t flags,
			      double timeout_ms, struct kup_user_reservation *reservation)
{
	double began = timeout_ms > 0 && !turn->mine ? kup_user_now() : 0;
	int32_t error = take_to_send(turn, length, flags, timeout_ms);

	if (error)
		return error;
	/*
	 * The ring is empty, so only this side's own discarded reservations can take up the room.
	 */
	error = kup_user_reserve(turn->channel, length, 0, reservation);
	if (error == -EAGAIN && timeout_ms != 0) {
		began = began > 0 ? began : kup_user_now();
		error = kup_user_reserve(turn->channel, length, timeout_left(timeout_ms, began),
					 reservation);
	}
	turn->reserved = !error;
	return error;
}

/*
 * Called before the turn is given: when the kernel sees the record, it may rely on an empty ring. A
 * record behind the one that brought the turn was sent out of turn.
 */
static int32_t release(struct kup_user_turn *turn)
{
	struct kup_user_message behind;
	int32_t error;

	turn->unread = 0;
	kup_user_release(turn->channel);
	/* One look, without waiting. */
	error = kup_user_receive(turn->channel, &behind, 0);
	if (error == -EAGAIN)
		return 0;
	return error == -EPIPE ? error : broken(turn);
}

/* Gives the turn with the reserved record, which is a pass if `passes`. */
static int32_t give(struct kup_user_turn *turn, struct kup_user_reservation *reservation,
		    uint32_t type, uint32_t length, int passes)
{
	int32_t error = release(turn);

	turn->reserved = 0;
	if (error) {
		kup_user_discard(turn->channel, reservation);
		return error;
	}
	turn->mine = 0;
	turn->discarded = 0;
	if (passes)
		kup_user_commit_control(turn->channel, reservation, KUP_CONTROL_PASS, 0);
	else
		kup_user_commit(turn->channel, reservation, type, length);
	return 0;
}

int32_t kup_user_turn_commit(struct kup_user_turn *turn, struct kup_user_reservation *reservation,
			     uint32_t type, uint32_t length)
{
	return give(turn, reservation, type, length, 0);
}

void kup_user_turn_discard(struct kup_user_turn *turn, struct kup_user_reservation *reservation)
{
	turn->reserved = 0;
	turn->discarded = 1;
	kup_user_discard(turn->channel, reservation);
}

/*
 * Sends without a reservation of the caller's. There is room, since no reservation was discarded.
 * The record is made after the release: the kernel polls the ring while a record is being made, and
 * each of its looks takes the cache line away from this processor.
 */
static int32_t send_at_once(struct kup_user_turn *turn, uint32_t type, const void *data,
			    uint32_t length)
{
	int32_t error = kup_user_ended(turn->channel);

	if (!error)
		error = release(turn);
	/*
	 * `data` may be the message that brought the turn. The kernel does not overwrite it before
	 * it has the turn.
	 */
	if (!error)
		error = kup_user_send(turn->channel, type, data, length, 0);
	if (!error)
		turn->mine = 0;
	return error;
}

int32_t kup_user_turn_send(struct kup_user_turn *turn, uint32_t type, const void *data,
			   uint32_t length, uint32_t flags, double timeout_ms)
{
	struct kup_user_reservation reservation;
	int32_t error;

	if (!turn->discarded) {
		error = take_to_send(turn, length, flags, timeout_ms);
		return error ? error : send_at_once(turn, type, data, length);
	}
	error = kup_user_turn_reserve(turn, length, flags, timeout_ms, &reservation);
	if (error)
		return error;
	if (length > 0)
		memcpy(reservation.data, data, length);
	return give(turn, &reservation, type, length, 0);
}

int32_t kup_user_turn_pass(struct kup_user_turn *turn, uint32_t flags, double timeout_ms)
{
	struct kup_user_reservation reservation;
	int32_t error = kup_user_turn_reserve(turn, 0, flags, timeout_ms, &reservation);

	return error ? error : give(turn, &reservation, 0, 0, 1);
}

int32_t kup_user_turn_is_mine(struct kup_user_turn *turn)
{
	return take(turn, 0) == 0;
}

int32_t kup_user_turn_prepare_wait(struct kup_user_turn *turn)
{
	if (turn->mine || turn->broken)
		return POLLIN;
	return kup_user_prepare_wait(turn->channel, POLLIN, 0);
}
