/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Sending. A client writes a message into memory of its own, which has canaries on both sides, and
 * the commit copies it into the ring. So bytes beyond the reservation do not reach other records.
 */
#include <stdlib.h>
#include <string.h>

#include "checks/checks.h"

ENGINE(send);
ENGINE(send_batch);
ENGINE(reserve);
ENGINE(try_reserve);
ENGINE(commit);
ENGINE(commit_control);
ENGINE(discard);
ENGINE(end);

COLD static int send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
		     kup_time timeout, const void *caller)
{
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_send", caller, timeout);
	error = engine_send(channel, type, data, length, timeout);
	check_awake(sleep);
	check_excuse(check_of(channel), error);
	return error;
}

int kup_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
	     kup_time timeout)
{
	if (check_of(channel))
		return send(channel, type, data, length, timeout, CALLER);
	return engine_send(channel, type, data, length, timeout);
}

COLD static int send_batch(struct kup_channel *channel, const struct kup_message *messages,
			   kup_u32 count, kup_time timeout, const void *caller)
{
	struct check_sleep sleep;
	int result;

	sleep = check_asleep("kup_send_batch", caller, timeout);
	result = engine_send_batch(channel, messages, count, timeout);
	check_awake(sleep);
	check_excuse(check_of(channel), result);
	return result;
}

int kup_send_batch(struct kup_channel *channel, const struct kup_message *messages, kup_u32 count,
		   kup_time timeout)
{
	if (check_of(channel))
		return send_batch(channel, messages, count, timeout, CALLER);
	return engine_send_batch(channel, messages, count, timeout);
}

int kup_end(struct kup_channel *channel, kup_time timeout)
{
	struct check_sleep sleep;
	int error;

	if (!check_of(channel))
		return engine_end(channel, timeout);
	sleep = check_asleep("kup_end", CALLER, timeout);
	error = engine_end(channel, timeout);
	check_awake(sleep);
	return error;
}

/* ---- Reserving ---- */

#define BEFORE 64u /* a multiple of what malloc aligns to */
#define LEAST_BEHIND 256u
#define MOST_BEHIND 4096u
#define CANARY 0xc5

/* As much as is reserved, within limits: a client may write a multiple of what it should. */
static kup_u32 behind_of(kup_u32 length)
{
	return length < LEAST_BEHIND ? LEAST_BEHIND : length < MOST_BEHIND ? length : MOST_BEHIND;
}

static void free_area(kup_u8 *area)
{
	if (area)
		free(area - BEFORE);
}

void check_reserved(struct check_channel *checks, struct kup_reservation *reservation,
		    const void *caller)
{
	struct check_reservation one = {
		.position = reservation->position,
		.length = reservation->length,
		.data = reservation->data,
		.caller = caller,
	};
	kup_u8 *whole = malloc((size_t)BEFORE + one.length + behind_of(one.length));

	/* Without memory, the client writes into the ring as it does elsewhere. */
	if (whole) {
		one.area = whole + BEFORE;
		memset(whole, CANARY, BEFORE);
		memset(one.area + one.length, CANARY, behind_of(one.length));
		reservation->data = one.area;
	}
	check_enter(checks);
	checks->reservations[checks->open++] = one;
	check_leave(checks);
}

COLD static int reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
			struct kup_reservation *reservation, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_reserve", caller, timeout);
	error = engine_reserve(channel, length, timeout, reservation);
	check_awake(sleep);
	check_excuse(checks, error);
	if (!error)
		check_reserved(checks, reservation, caller);
	return error;
}

int kup_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		struct kup_reservation *reservation)
{
	if (check_of(channel))
		return reserve(channel, length, timeout, reservation, CALLER);
	return engine_reserve(channel, length, timeout, reservation);
}

COLD static int try_reserve(struct kup_channel *channel, kup_u32 length,
			    struct kup_reservation *reservation, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	int error = engine_try_reserve(channel, length, reservation);

	check_note(checks, "kup_try_reserve", caller);
	check_excuse(checks, error);
	if (!error)
		check_reserved(checks, reservation, caller);
	return error;
}

int kup_try_reserve(struct kup_channel *channel, kup_u32 length,
		    struct kup_reservation *reservation)
{
	if (check_of(channel))
		return try_reserve(channel, length, reservation, CALLER);
	return engine_try_reserve(channel, length, reservation);
}

/* ---- Finishing ---- */

/* Under checks->lock: removes the reservation from the open ones. 0: it is not open. */
static int take(struct check_channel *checks, kup_u32 position, struct check_reservation *taken)
{
	kup_u32 i;

	for (i = 0; i < checks->open; i++) {
		if (checks->reservations[i].position != position)
			continue;
		*taken = checks->reservations[i];
		checks->reservations[i] = checks->reservations[--checks->open];
		return 1;
	}
	return 0;
}

/* Under checks->lock. The newest one of this position counts. */
static struct check_finished find_finished(const struct check_channel *checks, kup_u32 position)
{
	kup_u32 i;

	for (i = 0; i < CHECK_MOST_FINISHED; i++) {
		const struct check_finished *one =
			&checks->finished[(checks->last_finished - i) % CHECK_MOST_FINISHED];

		if (one->call && one->position == position)
			return *one;
	}
	return (struct check_finished){ 0 };
}

/* How far the bytes that differ from the canary reach; 0: none does. */
static kup_u32 reach(const kup_u8 *canary, kup_u32 bytes)
{
	/* Usually none does, and this is faster than a loop. */
	if (bytes == 0 || (canary[0] == CANARY && memcmp(canary, canary + 1, bytes - 1) == 0))
		return 0;
	while (bytes > 0 && canary[bytes - 1] == CANARY)
		bytes--;
	return bytes;
}

static void check_canaries(const struct check_channel *checks, const struct check_reservation *one,
			   const char *call, const void *caller)
{
	kup_u32 behind = reach(one->area + one->length, behind_of(one->length)), before = 0;
	char place[CHECK_PLACE];

	while (before < BEFORE && one->area[(int)before - (int)BEFORE] == CANARY)
		before++;
	before = BEFORE - before;
	if (!behind && !before)
		return;
	check_report(
		checks->channel, caller,
		"%s finds that %u bytes %s a reservation of %u bytes were written; it was made "
		"at %s; reserve as much as is written",
		call, behind ? behind : before, behind ? "behind" : "before", one->length,
		check_place(one->caller, place));
}

/* Looks at memory that is about to be used for something else, and frees it. */
static void check_retired(const struct check_channel *checks, const struct check_retired *one)
{
	char place[CHECK_PLACE];

	if (!one->area)
		return;
	if (reach(one->area, one->length) > 0)
		check_report(checks->channel, NULL,
			     "bytes of a reservation of %u bytes were written after %s at %s; in a "
			     "kernel they are the user's by then; write first, then commit",
			     one->length, one->call, check_place(one->caller, place));
	free_area(one->area);
}

/* Keeps the memory of the newest reservations, filled with canaries. */
static void retire(struct check_channel *checks, const struct check_reservation *one,
		   const char *call, const void *caller)
{
	const struct check_retired newest = { one->area, one->length, call, caller };
	struct check_retired *place, oldest;

	memset(one->area, CANARY, one->length);
	check_enter(checks);
	place = &checks->retired[++checks->last_retired % CHECK_MOST_RETIRED];
	oldest = *place;
	*place = newest;
	check_leave(checks);
	check_retired(checks, &oldest);
}

void check_free_areas(struct check_channel *checks)
{
	kup_u32 i;

	for (i = 0; i < checks->open; i++)
		free_area(checks->reservations[i].area);
	for (i = 0; i < CHECK_MOST_RETIRED; i++)
		check_retired(checks, &checks->retired[i]);
}

static void report_unknown(const struct check_channel *checks,
			   const struct check_finished *finished, const char *call,
			   const void *caller)
{
	char place[CHECK_PLACE];

	if (finished->call)
		check_report(checks->channel, caller,
			     "%s of a reservation that %s has finished already, at %s; it is "
			     "ignored here, but makes counters wrong in a kernel; finish each "
			     "reservation once",
			     call, finished->call, check_place(finished->caller, place));
	else
		check_report(checks->channel, caller,
			     "%s of something that is not an open reservation of this channel; it "
			     "is ignored here; give it what kup_reserve of this channel has filled",
			     call);
}

int check_finish(struct check_channel *checks, const struct kup_reservation *reservation,
		 struct kup_reservation *real, const char *call, const void *caller, int copies)
{
	struct check_finished finished;
	struct check_reservation one;
	int is_open;

	check_note(checks, call, caller);
	check_enter(checks);
	finished = find_finished(checks, reservation->position);
	is_open = take(checks, reservation->position, &one);
	if (is_open)
		checks->finished[++checks->last_finished % CHECK_MOST_FINISHED] =
			(struct check_finished){ one.position, call, caller };
	check_leave(checks);
	if (!is_open) {
		report_unknown(checks, &finished, call, caller);
		return 0;
	}
	if (one.area) {
		check_canaries(checks, &one, call, caller);
		if (copies)
			memcpy(one.data, one.area, one.length);
		retire(checks, &one, call, caller);
	}
	*real = (struct kup_reservation){ one.data, one.length, one.position };
	return 1;
}

COLD static void commit(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 type, kup_u32 length, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct kup_reservation real;

	if (!check_finish(checks, reservation, &real, "kup_commit", caller, 1))
		return;
	engine_commit(channel, &real, type, length);
	reservation->data = NULL;
}

void kup_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length)
{
	if (check_of(channel))
		commit(channel, reservation, type, length, CALLER);
	else
		engine_commit(channel, reservation, type, length);
}

COLD static void commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
				kup_u32 kind, kup_u32 length, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct kup_reservation real;

	if (!check_finish(checks, reservation, &real, "kup_commit_control", caller, 1))
		return;
	engine_commit_control(channel, &real, kind, length);
	reservation->data = NULL;
}

void kup_commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 kind, kup_u32 length)
{
	if (check_of(channel))
		commit_control(channel, reservation, kind, length, CALLER);
	else
		engine_commit_control(channel, reservation, kind, length);
}

COLD static void discard(struct kup_channel *channel, struct kup_reservation *reservation,
			 const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct kup_reservation real;

	if (!check_finish(checks, reservation, &real, "kup_discard", caller, 0))
		return;
	engine_discard(channel, &real);
	reservation->data = NULL;
}

void kup_discard(struct kup_channel *channel, struct kup_reservation *reservation)
{
	if (check_of(channel))
		discard(channel, reservation, CALLER);
	else
		engine_discard(channel, reservation);
}

void check_reservations_left(struct check_channel *checks)
{
	struct check_reservation left[KUP_MOST_OPEN];
	char place[CHECK_PLACE];
	kup_u32 i, count;

	check_enter(checks);
	count = checks->open;
	memcpy(left, checks->reservations, count * sizeof(left[0]));
	check_leave(checks);
	for (i = 0; i < count; i++)
		if (!left[i].is_reported)
			check_report(
				checks->channel, NULL,
				"a reservation of %u bytes was neither committed nor discarded "
				"before detach has returned; it was made at %s; finish it on "
				"every path",
				left[i].length, check_place(left[i].caller, place));
}
