/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Turns on a stream. One private word contains which side has the turn. Only what this side sends,
 * and the user's records, change it.
 *
 *          begin                 send, pass, commit
 *   ------------> MINE <--+-----------------------------+
 *                   |     | discard, failure            |
 *              take |     |                             v
 *                   +--> HELD --------------------->  THEIRS
 *                                                     |   ^
 *                                                take |   | timeout, end
 *                                                     v   |
 *                  MINE <--- receive, failure --- AWAITED ---> send, pass, commit: THEIRS
 *
 * In HELD and AWAITED one thread owns the other fields of the turn, and only that thread looks at
 * the ring. In AWAITED it sleeps for the user's record, and then has the turn, which the record
 * brings. Other threads that need the turn set the bit WAITED, and sleep until that thread gives
 * the state back.
 */
#include "layers/turn.h"

#define MINE 0u
#define THEIRS 1u
#define HELD 2u
#define AWAITED 3u
#define WAITED 4u

static kup_u32 load(const struct kup_turn *turn)
{
	/* Pairs with the release in give_back. */
	return __atomic_load_n(&turn->state, __ATOMIC_ACQUIRE);
}

/*
 * Changes the state from `*seen`. If the state was another one, returns 0 and stores it in *seen.
 */
static int change(struct kup_turn *turn, kup_u32 *seen, kup_u32 to)
{
	/*
	 * Acquire: pairs with the release in give_back, so this thread sees all that the last one
	 * did.
	 */
	return __atomic_compare_exchange_n(&turn->state, seen, to, 0, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* Gives back a state that is HELD or AWAITED. */
static void give_back(struct kup_turn *turn, kup_u32 state)
{
	/* Pairs with the acquires in change and load. */
	if (__atomic_exchange_n(&turn->state, state, __ATOMIC_ACQ_REL) & WAITED)
		kup_wake(turn->channel);
}

void kup_turn_begin(struct kup_turn *turn, struct kup_channel *channel)
{
	const struct kup_turn begin = { .channel = channel };

	*turn = begin;
}

/* ---- Taking ---- */

/* Looks once for the record that gives the turn; the state is AWAITED. */
static int look(struct kup_turn *turn)
{
	int error = kup_try_peek(turn->channel, &turn->record);

	if (error)
		return error;
	if (turn->record.control && turn->record.length > 0) {
		kup_channel_break(turn->channel, KUP_ERROR_TURN);
		return -EPROTO;
	}
	turn->came = 1;
	turn->unread = 1;
	return 0;
}

/*
 * Waits for the user's record. The state was THEIRS and is AWAITED now; after a failure it is
 * THEIRS again.
 */
static int await_record(struct kup_turn *turn, kup_u64 until)
{
	for (;;) {
		kup_u32 wakes = kup_wakes(turn->channel);
		int error = look(turn);

		if (!error)
			return 0;
		if (error == -EAGAIN)
			error = kup_wait(turn->channel, KUP_WAIT_IN, 0, wakes, until);
		if (error) {
			give_back(turn, THEIRS);
			return error;
		}
		if (until)
			kup_breathe();
	}
}

/* Waits for another thread, which has the state `seen`. 0: look again. */
static int await_thread(struct kup_turn *turn, kup_u32 seen, kup_u32 wakes, kup_u64 until)
{
	int error = kup_ended(turn->channel);

	if (error)
		return error;
	if (!until)
		return -EAGAIN;
	if (!(seen & WAITED) && !change(turn, &seen, seen | WAITED))
		return 0;
	return kup_wait(turn->channel, 0, 0, wakes, until);
}

/*
 * Waits until this side has the turn and no other thread owns it. Returns 0, and then the caller
 * owns the turn until give_back.
 */
static int take(struct kup_turn *turn, kup_u64 until)
{
	for (;;) {
		kup_u32 wakes = kup_wakes(turn->channel), seen = load(turn);
		int error = 0;

		/* A user that answers at once must not make this thread keep the processor. */
		if (until)
			kup_breathe();
		if (seen == MINE) {
			if (change(turn, &seen, HELD))
				return 0;
		} else if (seen == THEIRS) {
			if (change(turn, &seen, AWAITED))
				return await_record(turn, until);
		} else {
			error = await_thread(turn, seen, wakes, until);
		}
		if (error)
			return error;
	}
}

/* ---- Receiving ---- */

/* Returns the record that brought the turn, once. The turn is taken. */
static int unread(struct kup_turn *turn, struct kup_record *record)
{
	int error = kup_ended(turn->channel);

	/* A user that is gone has left the record, so it can still be received. */
	if (error && !(error == -EPIPE && turn->unread))
		return error;
	if (!turn->unread)
		return -EDEADLK;
	*record = turn->record;
	return 0;
}

int kup_turn_peek(struct kup_turn *turn, struct kup_record *record, kup_time timeout)
{
	int error = take(turn, kup_until(timeout));

	if (error)
		return error;
	error = unread(turn, record);
	if (!error)
		turn->unread = 0;
	give_back(turn, MINE);
	return error;
}

int kup_turn_receive(struct kup_turn *turn, void *buffer, kup_u32 capacity,
		     struct kup_record *record, kup_time timeout)
{
	int error = take(turn, kup_until(timeout));

	if (error)
		return error;
	error = unread(turn, record);
	if (!error && record->length > capacity)
		error = -EMSGSIZE;
	if (!error) {
		__builtin_memcpy(buffer, record->data, record->length);
		record->data = buffer;
		turn->unread = 0;
	}
	give_back(turn, MINE);
	return error;
}

/* ---- Sending ---- */

/*
 * Takes the turn, for sending a record of this length. All that can fail before a wait for room
 * fails here, and changes nothing.
 */
static int take_to_send(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_u64 until)
{
	int error = length > kup_max_payload(turn->channel) ? -EMSGSIZE : take(turn, until);

	if (error)
		return error;
	if (!turn->unread || turn->record.control || flags & KUP_TURN_DROP)
		return 0;
	give_back(turn, MINE);
	return -ENOTEMPTY;
}

/*
 * Waits for room. Nothing was sent since the turn came, so there is room unless discarded records
 * take it up.
 */
static int await_room(struct kup_turn *turn, kup_u32 length, kup_u64 until)
{
	for (;;) {
		kup_u32 wakes = kup_wakes(turn->channel);
		int error = kup_ended(turn->channel);

		if (error || kup_ready(turn->channel, KUP_WAIT_OUT, length))
			return error;
		error = kup_wait(turn->channel, KUP_WAIT_OUT, length, wakes, until);
		if (error)
			return error;
	}
}

/*
 * Called before the turn is given: releases the record that brought the turn, so that the user
 * finds an empty ring. A finished record behind it was sent out of turn.
 */
static int release(struct kup_turn *turn)
{
	struct kup_record behind;
	int error;

	if (turn->came)
		kup_release(turn->channel, &turn->record);
	turn->came = 0;
	turn->unread = 0;
	if (!kup_ready(turn->channel, KUP_WAIT_IN, 0))
		return 0;
	error = kup_try_peek(turn->channel, &behind);
	if (error)
		return error == -EAGAIN ? 0 : error;
	kup_channel_break(turn->channel, KUP_ERROR_TURN);
	return -EPROTO;
}

/*
 * Sends a record, which gives the turn. The turn is taken. `kind` is 0, or that of a control
 * record. `data` may be the record that brought the turn: its room is given back before it is
 * copied, but the user does not write there until it has the turn. In this order, the user's
 * processor does not poll a record that is being written.
 */
static int give(struct kup_turn *turn, kup_u32 kind, kup_u32 type, const void *data, kup_u32 length)
{
	struct kup_reservation reservation;
	int error = release(turn);

	if (!error)
		error = kup_reserve(turn->channel, length, 0, &reservation);
	if (error)
		return error;
	/* Without bytes, `data` may be NULL. */
	if (length > 0)
		__builtin_memcpy(reservation.data, data, length);
	if (kind)
		kup_commit_control(turn->channel, &reservation, kind, length);
	else
		kup_commit(turn->channel, &reservation, type, length);
	return 0;
}

static int send(struct kup_turn *turn, kup_u32 kind, kup_u32 type, const void *data, kup_u32 length,
		kup_u32 flags, kup_time timeout)
{
	kup_u64 until = kup_until(timeout);
	int error = take_to_send(turn, length, flags, until);

	if (error)
		return error;
	error = await_room(turn, length, until);
	if (!error)
		error = give(turn, kind, type, data, length);
	give_back(turn, error ? MINE : THEIRS);
	return error;
}

int kup_turn_send(struct kup_turn *turn, kup_u32 type, const void *data, kup_u32 length,
		  kup_u32 flags, kup_time timeout)
{
	return send(turn, 0, type, data, length, flags, timeout);
}

int kup_turn_pass(struct kup_turn *turn, kup_u32 flags, kup_time timeout)
{
	return send(turn, KUP_CONTROL_PASS, 0, NULL, 0, flags, timeout);
}

int kup_turn_reserve(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_time timeout,
		     struct kup_reservation *reservation)
{
	kup_u64 until = kup_until(timeout);
	int error = take_to_send(turn, length, flags, until);

	if (error)
		return error;
	error = await_room(turn, length, until);
	if (!error)
		error = kup_reserve(turn->channel, length, 0, reservation);
	if (error)
		give_back(turn, MINE);
	return error;
}

void kup_turn_discard(struct kup_turn *turn, struct kup_reservation *reservation)
{
	kup_discard(turn->channel, reservation);
	give_back(turn, MINE);
}

int kup_turn_commit(struct kup_turn *turn, struct kup_reservation *reservation, kup_u32 type,
		    kup_u32 length)
{
	int error = release(turn);

	if (error) {
		kup_turn_discard(turn, reservation);
		return error;
	}
	kup_commit(turn->channel, reservation, type, length);
	give_back(turn, THEIRS);
	return 0;
}

/* ---- Asking ---- */

int kup_turn_is_mine(struct kup_turn *turn)
{
	kup_u32 seen = load(turn);
	int error;

	if (seen == THEIRS && change(turn, &seen, AWAITED)) {
		error = look(turn);
		give_back(turn, error ? THEIRS : MINE);
		return !error;
	}
	if ((seen & ~WAITED) == AWAITED)
		/* The other thread has the record, or is about to find it. */
		return !kup_ended(turn->channel) && kup_ready(turn->channel, KUP_WAIT_IN, 0);
	return seen != THEIRS;
}
