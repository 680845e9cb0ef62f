/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a message can be read, and when a message that was read gives its room back: reservations
 * that are finished out of order, tails that are published late, and heads that lie.
 */
#include <string.h>

#include "bare.h"

static const struct kup_config config = { .name = "published",
					  .channels = 2,
					  .to_user_pages = 1,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN };

static kup_u64 wakeups(struct bare *bare)
{
	return kup_load64(&bare->channel->counters.wakeups);
}

static int is_readable(struct bare *bare)
{
	return kup_user_wait(bare->user.file, POLLIN, 0) == POLLIN;
}

/* ---- The finished prefix ---- */

/* The types of all records that can be read, one digit each. */
static kup_u32 read_types(struct user *user)
{
	struct kup_record record;
	kup_u32 types = 0;

	while (kup_consumer_peek(&user->in, &record) == KUP_RING_OK) {
		types = types * 10 + record.type;
		kup_consumer_release(&user->in, &record);
	}
	return types;
}

static void test_prefix(void)
{
	struct kup_reservation rooms[3];
	struct bare bare;
	kup_u64 before, behind, at_last;
	int i, error = 0, early;

	if (bare_begin(&bare, &config))
		return;
	for (i = 0; i < 3; i++)
		error |= kup_try_reserve(bare.channel, 8, &rooms[i]);
	kup_consumer_announce(&bare.user.in, 0);
	before = wakeups(&bare);
	kup_commit(bare.channel, &rooms[2], 3, 8);
	kup_commit(bare.channel, &rooms[1], 2, 4);
	behind = wakeups(&bare) - before;
	early = is_readable(&bare) || kup_consumer_ready(&bare.user.in);
	kup_commit(bare.channel, &rooms[0], 1, 8);
	at_last = wakeups(&bare) - before;
	check(!error && !behind && !early && at_last == 1 && is_readable(&bare) &&
		      read_types(&bare.user) == 123,
	      "kup_commit() of the first of three records makes one wake-up for all, and none "
	      "before",
	      "%d, %d, %u and %u wake-ups", error, early, (kup_u32)behind, (kup_u32)at_last);
	bare_end(&bare);
}

static void test_twice(void)
{
	struct kup_reservation room, again;
	struct bare bare;

	if (bare_begin(&bare, &config))
		return;
	engine_try_reserve(bare.channel, 8, &room);
	again = room;
	engine_commit(bare.channel, &room, 1, 8);
	engine_try_reserve(bare.channel, 8, &room);
	engine_commit(bare.channel, &again, 2, 4);
	check(read_types(&bare.user) == 1, "kup_commit() ignores a record that is finished", "no");
	engine_discard(bare.channel, &room);
	bare_end(&bare);
}

/* A user that finds the channel closed looks once more, and then never again. */
static void test_close(void)
{
	struct kup_reservation rooms[2];
	kup_u32 before, early, after;
	struct bare bare;
	int events, refused;

	if (bare_begin(&bare, &config))
		return;
	kup_try_send(bare.channel, 1, "x", 1);
	kup_try_reserve(bare.channel, 8, &rooms[0]);
	kup_try_reserve(bare.channel, 8, &rooms[1]);
	kup_commit(bare.channel, &rooms[1], 3, 8);
	kup_channel_close(bare.channel);
	refused = kup_try_send(bare.channel, 1, "x", 1);
	before = kup_load_acquire(&bare.user.kernel->state);
	early = read_types(&bare.user);
	events = kup_user_wait(bare.user.file, POLLIN, 0);
	kup_discard(bare.channel, &rooms[0]);
	after = kup_load_acquire(&bare.user.kernel->state);
	check(refused == -ESHUTDOWN && before == KUP_STATE_OPEN && early == 1 && !events &&
		      after == KUP_STATE_CLOSED && read_types(&bare.user) == 3 &&
		      kup_user_wait(bare.user.file, POLLIN, 0) & POLLHUP,
	      "kup_channel_close() shows when what was reserved before is finished",
	      "refused %d, state %u, read %u, events %d, then state %u", refused, before, early,
	      events, after);
	bare_end(&bare);
}

/* The user does not wait behind a reservation that is never finished when the device ends. */
static void test_close_unfinished(void)
{
	struct kup_reservation room;
	struct bare bare;
	kup_u32 state;
	int events;

	if (bare_begin(&bare, &config))
		return;
	engine_try_reserve(bare.channel, 8, &room);
	kup_device_destroy(bare.device);
	state = kup_load_acquire(&bare.user.kernel->state);
	events = kup_user_wait(bare.user.file, POLLIN, 0);
	check(state == KUP_STATE_CLOSED && events & POLLHUP,
	      "kup_device_destroy() closes a channel with an open reservation",
	      "state %u, events %d", state, events);
	user_close(&bare.user);
	kup_channel_put(bare.channel);
}

/* One look skips a limited number of records. */
static void test_close_skipped(void)
{
	static const struct kup_config two_pages = {
		.name = "skipped", .channels = 2, .to_user_pages = 2, .to_kernel_pages = 1
	};
	struct kup_user_message message = { 0 };
	struct kup_user_channel *user;
	struct kup_reservation room;
	struct bare bare;
	int first, second;
	kup_u32 i;

	if (bare_begin(&bare, &two_pages))
		return;
	if (kup_user_channel_open("host:skipped", KUP_CHANNEL_ANY, PATIENCE_MS, &user)) {
		check(0, "a channel can be opened", "no");
		return bare_end(&bare);
	}
	bare_switch(&bare);
	for (i = 0; i < 800 && !kup_try_reserve(bare.channel, 0, &room); i++)
		kup_discard(bare.channel, &room);
	kup_try_send(bare.channel, 7, "x", 1);
	kup_channel_close(bare.channel);
	first = kup_user_receive(user, &message, PATIENCE_MS);
	second = kup_user_receive(user, &message, PATIENCE_MS);
	check(!first && message.type == 7 && second == -EPIPE,
	      "kup_user_receive() finds the last message behind many discarded records",
	      "%d, type %u, then %d", first, message.type, second);
	kup_user_channel_close(user);
	bare_end(&bare);
}

/* ---- As many reservations as may be open ---- */

static int call_reserve(struct call *call)
{
	struct kup_reservation room;
	int error = kup_reserve(call->bare->channel, 1, KUP_FOREVER, &room);

	if (!error)
		kup_commit(call->bare->channel, &room, 9, 1);
	return error;
}

static void test_crowded(void)
{
	struct kup_reservation rooms[KUP_MOST_OPEN], more;
	struct call calls[2] = { { 0 } };
	struct bare bare;
	kup_u32 i;
	int error = 0, full, slept, early, done;

	if (bare_begin(&bare, &config))
		return;
	for (i = 0; i < KUP_MOST_OPEN; i++)
		error |= kup_try_reserve(bare.channel, 1, &rooms[i]);
	full = kup_reserve(bare.channel, 1, 0, &more);
	call_start(&calls[0], &bare, call_reserve);
	call_start(&calls[1], &bare, call_reserve);
	slept = bare_sleeps(&bare, 2);
	kup_commit(bare.channel, &rooms[1], 1, 1);
	early = kup_reserve(bare.channel, 1, 0, &more);
	kup_commit(bare.channel, &rooms[0], 1, 1);
	done = call_is_done(&calls[0]) && call_is_done(&calls[1]);
	check(!error && full == -EAGAIN && slept && early == -EAGAIN && done,
	      "kup_reserve() waits until the first of 64 open reservations is finished",
	      "%d, %d, slept %d, %d, done %d", error, full, slept, early, done);
	for (i = 2; i < KUP_MOST_OPEN; i++)
		kup_discard(bare.channel, &rooms[i]);
	for (i = 0; i < 2; i++)
		error |= call_finish(&calls[i]);
	check(!error && read_types(&bare.user) == 1199, "kup_reserve() then sends behind them",
	      "%d", error);
	bare_end(&bare);
}

/* ---- Tails that are published late ---- */

#define LATE 3 /* the records that were read, and whose room is not published yet */

/* Both rings are full, and the kernel has read some records. */
static void fill_both(struct bare *bare)
{
	struct kup_record record;
	kup_u8 buffer[64];
	kup_u32 i;

	while (kup_producer_room(&bare->user.out, 48) == KUP_RING_OK)
		user_put(&bare->user, 0, 1, 40);
	while (!kup_send(bare->channel, 1, buffer, 40, 0))
		;
	for (i = 0; i < LATE; i++)
		kup_try_receive(bare->channel, buffer, sizeof(buffer), &record);
}

static kup_u32 published(struct bare *bare)
{
	return kup_load(&bare->user.kernel->to_kernel_tail.value);
}

/* The user sleeps for the room of one more record. */
static int call_user_sleep(struct call *call)
{
	struct user *user = &call->bare->user;

	kup_producer_announce(&user->out, kup_producer_wants(&user->out, 48));
	if (kup_producer_room(&user->out, 48) != KUP_RING_WAIT)
		return 0;
	kup_store_release(&call->what, 1);
	return kup_user_wait(user->file, POLLOUT, PATIENCE_MS) > 0 ? 0 : -ETIMEDOUT;
}

static int call_send(struct call *call)
{
	return kup_send(call->bare->channel, 2, "x", 1, KUP_FOREVER);
}

static int call_pause(struct call *call)
{
	return kup_pause(call->bare->channel, KUP_FOREVER);
}

static int call_wait_out(struct call *call)
{
	struct kup_channel *channel = call->bare->channel;

	return kup_wait(channel, KUP_WAIT_OUT, 8, kup_wakes(channel), kup_until(KUP_FOREVER));
}

/* Each call goes to sleep on the channel, for something else than a record. */
static void test_late_sleep(int (*make)(struct call *call), const char *sentence)
{
	struct call user = { 0 }, kernel = { 0 };
	struct bare bare;
	kup_u32 before;
	int done, error;

	if (bare_begin(&bare, &config))
		return;
	fill_both(&bare);
	before = published(&bare);
	call_start(&user, &bare, call_user_sleep);
	while (!kup_load_acquire(&user.what))
		sleep_ms(1);
	call_start(&kernel, &bare, make);
	done = call_is_done(&user);
	error = call_finish(&user);
	check(before == 0 && done && !error && published(&bare) == LATE * 48, sentence,
	      "tail %u before, done %d, %s, then %u", before, done, strerror(-error),
	      published(&bare));
	call_finish(&kernel);
	bare_end(&bare);
}

/*
 * The user announces its sleep before or after; the kernel releases one more record, and does not
 * sleep.
 */
static void test_late_release(void)
{
	struct call user = { 0 };
	struct kup_record record;
	struct bare bare;
	kup_u32 before;
	int done, error;

	if (bare_begin(&bare, &config))
		return;
	fill_both(&bare);
	before = published(&bare);
	call_start(&user, &bare, call_user_sleep);
	while (!kup_load_acquire(&user.what))
		sleep_ms(1);
	kup_try_peek(bare.channel, &record);
	kup_release(bare.channel, &record);
	done = call_is_done(&user);
	error = call_finish(&user);
	check(before == 0 && done && !error && published(&bare) == (LATE + 1) * 48,
	      "kup_release() publishes all room when the user sleeps for a part of it",
	      "tail %u before, done %d, %s, then %u", before, done, strerror(-error),
	      published(&bare));
	bare_end(&bare);
}

/* ---- The same for the user's side, by the C API ---- */

struct late {
	struct bare bare; /* its channel is the C API's */
	struct kup_user_channel *user;
};

/* Both rings are full, and the user has read some records. */
static int late_begin(struct late *late)
{
	struct kup_user_message message;
	kup_u32 i;
	int error = bare_begin(&late->bare, &config);

	if (error)
		return error;
	error = kup_user_channel_open("host:published", KUP_CHANNEL_ANY, PATIENCE_MS, &late->user);
	if (error)
		return error;
	bare_switch(&late->bare);
	kup_user_channel_set_spin(late->user, 0);
	while (!kup_send(late->bare.channel, 1, &message, 8, 0))
		;
	while (!kup_user_send(late->user, 1, &message, 8, 0))
		;
	for (i = 0; i < LATE; i++)
		error |= kup_user_receive(late->user, &message, 0);
	return error | (kup_send(late->bare.channel, 1, &message, 8, 0) != -EAGAIN);
}

static void late_end(struct late *late)
{
	kup_user_channel_close(late->user);
	bare_end(&late->bare);
}

static int call_user_send(struct call *call)
{
	struct late *late = (struct late *)call->bare;

	return kup_user_send(late->user, 1, "x", 1, PATIENCE_MS);
}

static int call_prepare(struct call *call)
{
	struct late *late = (struct late *)call->bare;

	return kup_user_prepare_wait(late->user, POLLOUT, 8);
}

/*
 * The kernel sleeps for room that the user has released, and then the user goes to sleep for its
 * own.
 */
static void test_late_user(int (*make)(struct call *call), const char *sentence)
{
	struct call user = { 0 }, kernel = { 0 };
	struct kup_record record;
	struct late late = { 0 };
	kup_u8 buffer[8];
	int error = late_begin(&late), slept, done;

	call_start(&kernel, &late.bare, call_send);
	slept = bare_sleeps(&late.bare, 1);
	call_start(&user, &late.bare, make);
	done = call_is_done(&kernel);
	while (!kup_try_receive(late.bare.channel, buffer, sizeof(buffer), &record))
		;
	check(!error && slept && done && call_is_done(&user), sentence, "%d, slept %d, done %d",
	      error, slept, done);
	error = call_finish(&kernel);
	/* There may be room already when the user looks: prepare_wait returns POLLOUT then. */
	check(!error && call_finish(&user) >= 0, "kup_send() and the user's call both succeed",
	      "%d", error);
	late_end(&late);
}

/* ---- Heads that lie ---- */

/* A ring in which every place is the header of a finished record. */
static void forge(struct user *user, kup_u32 flags)
{
	kup_u32 i;

	for (i = 0; i < user->out.bytes; i += KUP_RECORD_HEADER)
		kup_store((kup_u32 *)(user->out.data + i), KUP_RECORD_READY | flags);
}

static int is_broken(struct bare *bare)
{
	return kup_ended(bare->channel) == -EPROTO &&
	       kup_load(&bare->user.kernel->error) == KUP_ERROR_HEAD;
}

/* Counts the forged records that the kernel takes. */
static kup_u32 take_forged(struct bare *bare, int *error)
{
	struct kup_record record;
	kup_u32 count = 0;

	while (count < 10000 && !(*error = kup_try_peek(bare->channel, &record))) {
		kup_release(bare->channel, &record);
		count++;
	}
	return count;
}

static void test_forged(kup_u32 flags, kup_u32 head, kup_u32 most, const char *sentence)
{
	struct bare bare;
	kup_u32 count;
	int error;

	if (bare_begin(&bare, &config))
		return;
	forge(&bare.user, flags);
	kup_store(bare.user.out.head_word, head);
	count = take_forged(&bare, &error);
	check(error == -EPROTO && count <= most && is_broken(&bare), sentence,
	      "%s after %u records, error %u", strerror(-error), count,
	      kup_load(&bare.user.kernel->error));
	bare_end(&bare);
}

static int call_peek(struct call *call)
{
	struct kup_record record;

	return kup_peek(call->bare->channel, &record, KUP_FOREVER);
}

/* The user sends nothing, so the kernel finds the lie when it goes to sleep. */
static void test_forged_asleep(kup_u32 head)
{
	struct call call = { 0 };
	struct bare bare;
	int done, error;

	if (bare_begin(&bare, &config))
		return;
	kup_store(bare.user.out.head_word, head);
	call_start(&call, &bare, call_peek);
	done = call_is_done(&call);
	error = call_finish(&call);
	check(done && error == -EPROTO && is_broken(&bare),
	      "kup_peek() that sleeps finds a head that lies", "%s, head %x", strerror(-error),
	      head);
	bare_end(&bare);
}

/* The file is closed, and the mapping stays: the user continues to write. */
static void test_forged_gone(void)
{
	struct kup_record held = { 0 }, record;
	struct bare bare;
	kup_u32 count;
	int first, frozen, after;

	if (bare_begin(&bare, &config))
		return;
	forge(&bare.user, 0);
	first = kup_try_peek(bare.channel, &held);
	kup_user_close(bare.user.file);
	frozen = kup_try_peek(bare.channel, &record);
	kup_release(bare.channel, &held);
	count = take_forged(&bare, &after);
	check(!first && frozen == -EPIPE && count == 0 && after == -EPIPE,
	      "kup_try_peek() takes nothing that lies behind the last head of a user that is gone",
	      "%d %d, %u records, %s", first, frozen, count, strerror(-after));
	user_unmap(&bare.user);
	kup_channel_put(bare.channel);
	kup_device_destroy(bare.device);
}

/* The user has died between the sentinel and its header, or has written headers behind its head. */
static void test_gone(void)
{
	struct kup_record record;
	struct bare bare;
	kup_u32 count = 0;
	int error;

	if (bare_begin(&bare, &config))
		return;
	user_put(&bare.user, 0, 1, 8);
	user_put(&bare.user, 0, 1, 8);
	user_put(&bare.user, UNFINISHED, 1, 8);
	user_put(&bare.user, 0, 1, 8);
	kup_user_close(bare.user.file);
	while (!(error = kup_try_peek(bare.channel, &record))) {
		kup_release(bare.channel, &record);
		count++;
	}
	check(error == -EPIPE && count == 2,
	      "kup_try_peek() ends at the record that a user had not finished when it left",
	      "%s after %u", strerror(-error), count);
	user_unmap(&bare.user);
	kup_channel_put(bare.channel);
	kup_device_destroy(bare.device);
}

void publish_cases(void)
{
	const kup_u32 eighth = os_page_size() / 8;

	test_prefix();
	test_twice();
	test_close();
	test_close_unfinished();
	test_close_skipped();
	test_crowded();
	test_late_sleep(call_send, "kup_send() publishes all room before it sleeps");
	test_late_sleep(call_wait_out, "kup_wait() publishes all room before it sleeps");
	test_late_sleep(call_pause, "kup_pause() publishes all room before it sleeps");
	test_late_release();
	test_late_user(call_user_send, "kup_user_send() publishes all room before it sleeps");
	test_late_user(call_prepare, "kup_user_prepare_wait() publishes all room");
	test_forged(0, 0, eighth / 8,
		    "kup_try_peek() takes an eighth of a ring of forged messages");
	test_forged(KUP_RECORD_DISCARD, 0, 0,
		    "kup_try_peek() skips no more than that of forged discarded records");
	test_forged(0, 4, eighth / 8, "kup_try_peek() finds a head that is not aligned");
	test_forged(0, os_page_size() + eighth + 8, eighth / 8,
		    "kup_try_peek() finds a head that lies beyond the ring");
	test_forged_asleep(0u - 8);
	test_forged_asleep(os_page_size() + 8);
	test_forged_asleep(12);
	test_forged_gone();
	test_gone();
}
