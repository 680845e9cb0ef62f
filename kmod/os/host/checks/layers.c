/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The layers: turns and calls. */
#include "checks/checks.h"
#include "layers/call.h"
#include "layers/turn.h"

ENGINE(turn_begin);
ENGINE(turn_peek);
ENGINE(turn_receive);
ENGINE(turn_send);
ENGINE(turn_pass);
ENGINE(turn_reserve);
ENGINE(turn_commit);
ENGINE(turn_discard);
ENGINE(calls_begin);
ENGINE(calls_serve);
ENGINE(calls_end);
ENGINE(call);
ENGINE(reply_wait);

/* ---- Turns ---- */

void kup_turn_begin(struct kup_turn *turn, struct kup_channel *channel)
{
	if (check_of(channel))
		check_note(check_of(channel), "kup_turn_begin", CALLER);
	engine_turn_begin(turn, channel);
}

COLD static int turn_peek(struct kup_turn *turn, struct kup_record *record, kup_time timeout,
			  const void *caller)
{
	struct check_channel *checks = check_of(turn->channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_turn_peek", caller, timeout);
	error = engine_turn_peek(turn, record, timeout);
	check_awake(sleep);
	if (!error)
		check_progress(checks);
	return error;
}

int kup_turn_peek(struct kup_turn *turn, struct kup_record *record, kup_time timeout)
{
	if (check_of(turn->channel))
		return turn_peek(turn, record, timeout, CALLER);
	return engine_turn_peek(turn, record, timeout);
}

COLD static int turn_receive(struct kup_turn *turn, void *buffer, kup_u32 capacity,
			     struct kup_record *record, kup_time timeout, const void *caller)
{
	struct check_channel *checks = check_of(turn->channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_turn_receive", caller, timeout);
	error = engine_turn_receive(turn, buffer, capacity, record, timeout);
	check_awake(sleep);
	if (!error)
		check_progress(checks);
	return error;
}

int kup_turn_receive(struct kup_turn *turn, void *buffer, kup_u32 capacity,
		     struct kup_record *record, kup_time timeout)
{
	if (check_of(turn->channel))
		return turn_receive(turn, buffer, capacity, record, timeout, CALLER);
	return engine_turn_receive(turn, buffer, capacity, record, timeout);
}

COLD static int turn_send(struct kup_turn *turn, kup_u32 type, const void *data, kup_u32 length,
			  kup_u32 flags, kup_time timeout, const void *caller)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_turn_send", caller, timeout);
	error = engine_turn_send(turn, type, data, length, flags, timeout);
	check_awake(sleep);
	return error;
}

int kup_turn_send(struct kup_turn *turn, kup_u32 type, const void *data, kup_u32 length,
		  kup_u32 flags, kup_time timeout)
{
	if (check_of(turn->channel))
		return turn_send(turn, type, data, length, flags, timeout, CALLER);
	return engine_turn_send(turn, type, data, length, flags, timeout);
}

COLD static int turn_pass(struct kup_turn *turn, kup_u32 flags, kup_time timeout,
			  const void *caller)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_turn_pass", caller, timeout);
	error = engine_turn_pass(turn, flags, timeout);
	check_awake(sleep);
	return error;
}

int kup_turn_pass(struct kup_turn *turn, kup_u32 flags, kup_time timeout)
{
	if (check_of(turn->channel))
		return turn_pass(turn, flags, timeout, CALLER);
	return engine_turn_pass(turn, flags, timeout);
}

COLD static int turn_reserve(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_time timeout,
			     struct kup_reservation *reservation, const void *caller)
{
	struct check_channel *checks = check_of(turn->channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_turn_reserve", caller, timeout);
	error = engine_turn_reserve(turn, length, flags, timeout, reservation);
	check_awake(sleep);
	if (!error)
		check_reserved(checks, reservation, caller);
	return error;
}

int kup_turn_reserve(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_time timeout,
		     struct kup_reservation *reservation)
{
	if (check_of(turn->channel))
		return turn_reserve(turn, length, flags, timeout, reservation, CALLER);
	return engine_turn_reserve(turn, length, flags, timeout, reservation);
}

COLD static int turn_commit(struct kup_turn *turn, struct kup_reservation *reservation,
			    kup_u32 type, kup_u32 length, const void *caller)
{
	struct check_channel *checks = check_of(turn->channel);
	struct kup_reservation real;
	int error;

	if (!check_finish(checks, reservation, &real, "kup_turn_commit", caller, 1))
		return -EINVAL;
	error = engine_turn_commit(turn, &real, type, length);
	reservation->data = NULL;
	return error;
}

int kup_turn_commit(struct kup_turn *turn, struct kup_reservation *reservation, kup_u32 type,
		    kup_u32 length)
{
	if (check_of(turn->channel))
		return turn_commit(turn, reservation, type, length, CALLER);
	return engine_turn_commit(turn, reservation, type, length);
}

COLD static void turn_discard(struct kup_turn *turn, struct kup_reservation *reservation,
			      const void *caller)
{
	struct check_channel *checks = check_of(turn->channel);
	struct kup_reservation real;

	if (!check_finish(checks, reservation, &real, "kup_turn_discard", caller, 0))
		return;
	engine_turn_discard(turn, &real);
	reservation->data = NULL;
}

void kup_turn_discard(struct kup_turn *turn, struct kup_reservation *reservation)
{
	if (check_of(turn->channel))
		turn_discard(turn, reservation, CALLER);
	else
		engine_turn_discard(turn, reservation);
}

/* ---- Calls ---- */

int kup_calls_begin(struct kup_channel *channel, const struct kup_call_ops *ops, void *context,
		    struct kup_calls **calls)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_calls_begin", CALLER, CHECK_SHORT);
	error = engine_calls_begin(channel, ops, context, calls);
	check_awake(sleep);
	return error;
}

int kup_calls_serve(struct kup_calls *calls)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_calls_serve", CALLER, KUP_FOREVER);
	error = engine_calls_serve(calls);
	check_awake(sleep);
	return error;
}

void kup_calls_end(struct kup_calls *calls)
{
	struct check_sleep sleep;

	sleep = check_asleep("kup_calls_end", CALLER, KUP_FOREVER);
	engine_calls_end(calls);
	check_awake(sleep);
}

int kup_call(struct kup_calls *calls, kup_u32 method, const void *data, kup_u32 length,
	     struct kup_answer *answer, kup_time timeout)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_call", CALLER, timeout ? timeout : CHECK_SHORT);
	error = engine_call(calls, method, data, length, answer, timeout);
	check_awake(sleep);
	return error;
}

int kup_reply_wait(struct kup_request request, kup_u32 status, const void *data, kup_u32 length,
		   kup_time timeout)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_reply_wait", CALLER, timeout ? timeout : CHECK_SHORT);
	error = engine_reply_wait(request, status, data, length, timeout);
	check_awake(sleep);
	return error;
}
