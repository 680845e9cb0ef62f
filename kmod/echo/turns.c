/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The echo client on a turn device. Where it sends, it first takes the turn, as often as necessary.
 */
#include "echo.h"

int echo_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		 struct kup_reservation *reservation)
{
	struct echo_channel *echo = kup_channel_context(channel);

	if (echo->turns)
		return kup_turn_reserve(&echo->turn, length, KUP_TURN_DROP, timeout, reservation);
	return timeout ? kup_reserve(channel, length, timeout, reservation)
		       : kup_try_reserve(channel, length, reservation);
}

int echo_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length)
{
	struct echo_channel *echo = kup_channel_context(channel);

	if (echo->turns)
		return kup_turn_commit(&echo->turn, reservation, type, length);
	kup_commit(channel, reservation, type, length);
	return 0;
}

int echo_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length)
{
	struct echo_channel *echo = kup_channel_context(channel);

	if (echo->turns)
		return kup_turn_send(&echo->turn, type, data, length, KUP_TURN_DROP, KUP_FOREVER);
	return kup_send(channel, type, data, length, KUP_FOREVER);
}

int echo_serve_turns(struct kup_channel *channel)
{
	struct kup_turn *turn = &((struct echo_channel *)kup_channel_context(channel))->turn;
	struct kup_record record;
	int error = 0;

	while (!error) {
		error = kup_turn_peek(turn, &record, KUP_FOREVER);
		/*
		 * The kernel has the first turn, and keeps the turn after a record that needed no
		 * answer.
		 */
		if (error == -EDEADLK)
			error = kup_turn_pass(turn, 0, KUP_FOREVER);
		else if (!error && !record.control)
			error = echo_answer(channel, &record);
	}
	return error;
}
