/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Receiving: each message that a client peeks is released once, before the next peek. */
#include "checks/checks.h"

ENGINE(receive);
ENGINE(try_receive);
ENGINE(peek);
ENGINE(try_peek);
ENGINE(release);
ENGINE(wait);
ENGINE(pause);
ENGINE(channel_close);
ENGINE(channel_put);

void check_progress(struct check_channel *checks)
{
	check_enter(checks);
	checks->progress_ns = os_now_ns();
	check_leave(checks);
}

void check_excuse(struct check_channel *checks, int error)
{
	if (error != -EPIPE && error != -ESHUTDOWN && error != -EPROTO)
		return;
	check_enter(checks);
	checks->is_excused = 1;
	check_leave(checks);
}

/* The call has copied and released this message. */
static void received(struct check_channel *checks, const struct kup_record *record,
		     const char *call, const void *caller)
{
	check_enter(checks);
	/* Only a serve that should return by now is asked for its progress. */
	if (checks->ended_ns)
		checks->progress_ns = os_now_ns();
	checks->is_peeked = 0;
	checks->was_released = 1;
	checks->released = record->position;
	checks->release_call = call;
	checks->release_caller = caller;
	check_leave(checks);
}

COLD static void report_again(const struct check_channel *checks, const char *call,
			      const void *caller, const void *before)
{
	char place[CHECK_PLACE];

	check_report(checks->channel, caller,
		     "%s returns a message again that was peeked at %s and not released; call "
		     "kup_release for each message that is peeked, before the next peek",
		     call, check_place(before, place));
}

static void peeked(struct check_channel *checks, const struct kup_record *record, const char *call,
		   const void *caller)
{
	int is_serves = check_self()->channel == checks->channel, again;
	const void *before;

	check_enter(checks);
	if (checks->ended_ns)
		checks->progress_ns = os_now_ns();
	again = checks->is_peeked && checks->peeked == record->position;
	before = checks->peek_caller;
	checks->is_peeked = 1;
	checks->is_serves = is_serves;
	checks->is_excused = 0;
	checks->peeked = record->position;
	checks->peek_caller = caller;
	check_leave(checks);
	if (again)
		report_again(checks, call, caller, before);
}

COLD static int receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
			struct kup_record *record, kup_time timeout, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_receive", caller, timeout);
	error = engine_receive(channel, buffer, capacity, record, timeout);
	check_awake(sleep);
	if (!error)
		received(checks, record, "kup_receive", caller);
	return error;
}

int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout)
{
	if (check_of(channel))
		return receive(channel, buffer, capacity, record, timeout, CALLER);
	return engine_receive(channel, buffer, capacity, record, timeout);
}

COLD static int try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
			    struct kup_record *record, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	int error = engine_try_receive(channel, buffer, capacity, record);

	check_note(checks, "kup_try_receive", caller);
	if (!error)
		received(checks, record, "kup_try_receive", caller);
	return error;
}

int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	if (check_of(channel))
		return try_receive(channel, buffer, capacity, record, CALLER);
	return engine_try_receive(channel, buffer, capacity, record);
}

COLD static int peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout,
		     const void *caller)
{
	struct check_channel *checks = check_of(channel);
	struct check_sleep sleep;
	int error;

	sleep = check_asleep("kup_peek", caller, timeout);
	error = engine_peek(channel, record, timeout);
	check_awake(sleep);
	if (!error)
		peeked(checks, record, "kup_peek", caller);
	return error;
}

int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout)
{
	if (check_of(channel))
		return peek(channel, record, timeout, CALLER);
	return engine_peek(channel, record, timeout);
}

COLD static int try_peek(struct kup_channel *channel, struct kup_record *record, const void *caller)
{
	struct check_channel *checks = check_of(channel);
	int error = engine_try_peek(channel, record);

	check_note(checks, "kup_try_peek", caller);
	if (!error)
		peeked(checks, record, "kup_try_peek", caller);
	return error;
}

int kup_try_peek(struct kup_channel *channel, struct kup_record *record)
{
	if (check_of(channel))
		return try_peek(channel, record, CALLER);
	return engine_try_peek(channel, record);
}

/* `call` has released the message already, at `before`; or it is NULL. */
COLD static void report_release(const struct check_channel *checks, const void *caller,
				const char *call, const void *before)
{
	char place[CHECK_PLACE];

	if (call)
		check_report(checks->channel, caller,
			     "kup_release of a message that %s has released already, at %s; it is "
			     "ignored; release each message that is peeked once",
			     call, check_place(before, place));
	else
		check_report(checks->channel, caller,
			     "kup_release of a message that is not the last one that was peeked on "
			     "this channel; it is ignored; release each message that is peeked "
			     "before the next peek");
}

/* Nonzero: this is the message that was peeked. Otherwise reports it. */
static int may_release(struct check_channel *checks, const struct kup_record *record,
		       const void *caller)
{
	const void *before = NULL;
	const char *call = NULL;
	int is_good;

	check_enter(checks);
	is_good = checks->is_peeked && checks->peeked == record->position;
	if (!is_good && checks->was_released && checks->released == record->position) {
		call = checks->release_call;
		before = checks->release_caller;
	}
	if (is_good) {
		checks->is_peeked = 0;
		checks->was_released = 1;
		checks->released = record->position;
		checks->release_call = "kup_release";
		checks->release_caller = caller;
	}
	check_leave(checks);
	if (!is_good)
		report_release(checks, caller, call, before);
	return is_good;
}

COLD static void release(struct kup_channel *channel, const struct kup_record *record,
			 const void *caller)
{
	struct check_channel *checks = check_of(channel);

	check_note(checks, "kup_release", caller);
	if (may_release(checks, record, caller))
		engine_release(channel, record);
}

void kup_release(struct kup_channel *channel, const struct kup_record *record)
{
	if (check_of(channel))
		release(channel, record, CALLER);
	else
		engine_release(channel, record);
}

void check_peek_left(struct check_channel *checks, int is_freed)
{
	char place[CHECK_PLACE];
	const void *caller = NULL;

	check_enter(checks);
	if (checks->is_peeked && (checks->is_serves || is_freed)) {
		caller = checks->is_excused ? NULL : checks->peek_caller;
		checks->is_peeked = 0;
	}
	check_leave(checks);
	if (caller)
		check_report(checks->channel, NULL,
			     "the message that was peeked at %s was never released; call "
			     "kup_release on every path, or kup_receive",
			     check_place(caller, place));
}

/* ---- Waiting and ending ---- */

COLD static int wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
		     kup_u64 until, const void *caller)
{
	struct check_sleep sleep;
	kup_time longest = 0;
	int error;

	if (until == OS_FOREVER) {
		longest = KUP_FOREVER;
	} else if (until) {
		kup_u64 now = os_now_ns();

		longest = until > now ? (kup_time)(until - now) : CHECK_SHORT;
	}
	sleep = check_asleep("kup_wait", caller, longest);
	error = engine_wait(channel, what, length, wakes, until);
	check_awake(sleep);
	return error;
}

int kup_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
	     kup_u64 until)
{
	if (check_of(channel))
		return wait(channel, what, length, wakes, until, CALLER);
	return engine_wait(channel, what, length, wakes, until);
}

int kup_pause(struct kup_channel *channel, kup_time time)
{
	struct check_sleep sleep;
	int error;

	if (!check_of(channel))
		return engine_pause(channel, time);
	sleep = check_asleep("kup_pause", CALLER, time ? time : CHECK_SHORT);
	error = engine_pause(channel, time);
	check_awake(sleep);
	return error;
}

void kup_channel_close(struct kup_channel *channel)
{
	struct check_sleep sleep;

	if (!check_of(channel)) {
		engine_channel_close(channel);
		return;
	}
	sleep = check_asleep("kup_channel_close", CALLER, CHECK_SHORT);
	engine_channel_close(channel);
	check_awake(sleep);
}

void kup_channel_put(struct kup_channel *channel)
{
	struct check_sleep sleep;

	if (!check_of(channel)) {
		engine_channel_put(channel);
		return;
	}
	sleep = check_asleep("kup_channel_put", CALLER, CHECK_SHORT);
	engine_channel_put(channel);
	check_awake(sleep);
}
