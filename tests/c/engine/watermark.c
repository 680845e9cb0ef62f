/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A user that sleeps until much has come: its event position lies ahead of what can be read. It is
 * woken when that position is passed, and when it could otherwise wait without an end; in all other
 * cases it sleeps.
 */
#include <string.h>

#include "bare.h"
#include "checks/checks.h"

/* Without the host driver's checks, which copy each message. */
ENGINE(try_reserve);
ENGINE(commit);
ENGINE(try_peek);
ENGINE(release);

static const struct kup_config config = {
	.name = "marked", .to_user_pages = 1, .to_kernel_pages = 1, .spin_us = KUP_NO_SPIN
};

#define MARK 1000 /* bytes */
#define SMALL 40  /* of payload: a record of 48 bytes */

struct marked {
	struct bare bare;
	kup_u64 wakeups; /* the wake-ups that marked_wakes has seen */
};

/* Asks for a wake-up when this many bytes can be read. */
static void sleep_for(struct marked *marked, kup_u32 bytes)
{
	struct kup_consumer *in = &marked->bare.user.in;

	kup_consumer_settle(in);
	kup_consumer_announce(in, (in->cursor + bytes - 1) & ~7u);
}

static int begin(struct marked *marked)
{
	memset(marked, 0, sizeof(*marked));
	if (bare_begin(&marked->bare, &config))
		return -EIO;
	sleep_for(marked, MARK);
	return 0;
}

static void end(struct marked *marked)
{
	bare_end(&marked->bare);
}

/* The wake-ups since the last call. */
static kup_u32 wakes(struct marked *marked)
{
	kup_u64 before = marked->wakeups;

	marked->wakeups = kup_load64(&marked->bare.channel->counters.wakeups);
	return (kup_u32)(marked->wakeups - before);
}

static int is_readable(struct marked *marked)
{
	return (kup_user_wait(marked->bare.user.file, POLLIN, 0) & POLLIN) != 0;
}

static int send_small(struct marked *marked)
{
	static const kup_u8 bytes[SMALL];

	return kup_try_send(marked->bare.channel, 1, bytes, sizeof(bytes));
}

/* Into an empty ring. */
static int send_large(struct marked *marked)
{
	static const kup_u8 bytes[4040];

	return kup_try_send(marked->bare.channel, 1, bytes, sizeof(bytes));
}

static void read_some(struct marked *marked, kup_u32 records)
{
	struct kup_consumer *in = &marked->bare.user.in;
	struct kup_record record;

	while (records-- > 0 && kup_consumer_peek(in, &record) == KUP_RING_OK)
		kup_consumer_release(in, &record);
}

/* ---- The mark is passed ---- */

static void test_passed(void)
{
	struct marked marked;
	kup_u32 early = 0, bytes = 0, at_last, behind;

	if (begin(&marked))
		return;
	for (; bytes + 48 < MARK; bytes += 48) {
		send_small(&marked);
		early += wakes(&marked) + (kup_u32)is_readable(&marked);
	}
	send_small(&marked);
	at_last = wakes(&marked);
	send_small(&marked);
	behind = wakes(&marked);
	check(!early && at_last == 1 && is_readable(&marked) && !behind,
	      "kup_try_send() wakes a user once, when as much has come as it sleeps for",
	      "%u early, %u, then %u", early, at_last, behind);
	end(&marked);
}

/* In one step of head over several records. */
static void test_passed_at_once(void)
{
	struct kup_reservation rooms[3];
	struct marked marked;
	kup_u32 early, i;

	if (begin(&marked))
		return;
	for (i = 0; i < 3; i++)
		kup_try_reserve(marked.bare.channel, 400, &rooms[i]);
	kup_commit(marked.bare.channel, &rooms[1], 1, 400);
	kup_commit(marked.bare.channel, &rooms[2], 1, 400);
	early = wakes(&marked) + (kup_u32)is_readable(&marked);
	kup_commit(marked.bare.channel, &rooms[0], 1, 400);
	check(!early && wakes(&marked) == 1 && is_readable(&marked),
	      "kup_commit() wakes a user for the records that were finished behind it", "%u early",
	      early);
	end(&marked);
}

/* ---- No room ---- */

static void test_try(void)
{
	struct marked marked;
	kup_u32 early, first, again, next, later;

	if (begin(&marked))
		return;
	send_small(&marked);
	early = wakes(&marked) + (kup_u32)is_readable(&marked);
	send_large(&marked);
	first = wakes(&marked) + (kup_u32)is_readable(&marked);
	send_large(&marked);
	again = wakes(&marked) + (kup_u32)!is_readable(&marked);
	/* The user goes to sleep again without having read. */
	sleep_for(&marked, MARK + 8);
	send_large(&marked);
	next = wakes(&marked) + (kup_u32)is_readable(&marked);
	read_some(&marked, 1);
	sleep_for(&marked, MARK);
	later = (kup_u32)is_readable(&marked);
	check(!early && first == 2 && !again && next == 2 && !later,
	      "kup_try_send() that finds no room wakes a user that sleeps for more, once a sleep",
	      "%u, %u, %u, %u, %u", early, first, again, next, later);
	end(&marked);
}

/* Open reservations fill the ring, so that nothing can be read when room is missed. */
static void test_try_open(void)
{
	struct kup_reservation room, rest;
	struct marked marked;
	kup_u32 early, finished;

	if (begin(&marked))
		return;
	kup_try_reserve(marked.bare.channel, 40, &room);
	kup_try_reserve(marked.bare.channel, 3800, &rest);
	send_large(&marked);
	early = wakes(&marked) + (kup_u32)is_readable(&marked);
	kup_commit(marked.bare.channel, &room, 1, 40);
	finished = wakes(&marked) + (kup_u32)is_readable(&marked);
	check(!early && finished == 2,
	      "kup_commit() wakes a user that sleeps for more while room is missed", "%u, %u",
	      early, finished);
	kup_discard(marked.bare.channel, &rest);
	end(&marked);
}

static int call_send(struct call *call)
{
	static const kup_u8 bytes[3800];

	return kup_send(call->bare->channel, 2, bytes, call->length, KUP_FOREVER);
}

/* A thread sleeps for room, and a user reads and still sleeps for more than there is. */
static void test_sleeper(void)
{
	struct call call = { .length = 3800 };
	struct marked marked;
	kup_u32 i, slept, first, second, third;
	int done;

	if (begin(&marked))
		return;
	for (i = 0; i < 10; i++)
		send_small(&marked);
	wakes(&marked);
	call_start(&call, &marked.bare, call_send);
	slept = (kup_u32)bare_sleeps(&marked.bare, 1);
	first = wakes(&marked) + (kup_u32)is_readable(&marked);
	read_some(&marked, 2);
	sleep_for(&marked, MARK);
	second = (kup_u32)is_readable(&marked);
	read_some(&marked, 20);
	kup_consumer_settle(&marked.bare.user.in);
	user_wake_kernel(&marked.bare.user);
	sleep_for(&marked, MARK);
	done = call_is_done(&call);
	third = (kup_u32)is_readable(&marked);
	check(slept && first == 2 && second && done && third,
	      "kup_send() that sleeps for room wakes a user that waits for more",
	      "slept %u, %u, %u, done %d, %u", slept, first, second, done, third);
	call_finish(&call);
	end(&marked);
}

/* The thread sleeps already when the user announces that it sleeps for more, and looks. */
static void test_sleeper_first(void)
{
	struct call call = { .length = 3800 };
	struct marked marked;
	kup_u32 i, slept, readable;

	if (begin(&marked))
		return;
	kup_consumer_announce(&marked.bare.user.in, 0);
	for (i = 0; i < 10; i++)
		send_small(&marked);
	call_start(&call, &marked.bare, call_send);
	slept = (kup_u32)bare_sleeps(&marked.bare, 1);
	sleep_for(&marked, MARK);
	readable = (kup_u32)is_readable(&marked);
	check(slept && readable,
	      "kup_user_wait() reports what is there while a thread sleeps for room",
	      "slept %u, readable %u", slept, readable);
	read_some(&marked, 20);
	kup_consumer_settle(&marked.bare.user.in);
	user_wake_kernel(&marked.bare.user);
	call_is_done(&call);
	call_finish(&call);
	end(&marked);
}

static int call_wait_out(struct call *call)
{
	struct kup_channel *channel = call->bare->channel;

	return kup_wait(channel, KUP_WAIT_OUT, call->length, kup_wakes(channel),
			kup_until(KUP_FOREVER));
}

/* A layer's thread, which has not tried to send, and a user that does not look by poll. */
static void test_waiter(void)
{
	struct call call = { .length = 4000 };
	struct marked marked;
	kup_u32 i, slept, woken;

	if (begin(&marked))
		return;
	for (i = 0; i < 10; i++)
		send_small(&marked);
	wakes(&marked);
	call_start(&call, &marked.bare, call_wait_out);
	slept = (kup_u32)bare_sleeps(&marked.bare, 1);
	woken = wakes(&marked);
	check(slept && woken == 1, "kup_wait() for room wakes a user that sleeps for more",
	      "slept %u, woken %u", slept, woken);
	call_finish(&call);
	end(&marked);
}

/* ---- Losses, and the end ---- */

static void test_gap(void)
{
	struct marked marked;
	kup_u32 i, woken;

	if (begin(&marked))
		return;
	/* Longer than any record may be: lost, although there is room. */
	kup_try_send(marked.bare.channel, 1, &marked, 4090);
	wakes(&marked);
	send_small(&marked);
	woken = wakes(&marked) + (kup_u32)is_readable(&marked);
	read_some(&marked, 2);
	sleep_for(&marked, MARK);
	for (i = 0; i < 3; i++)
		send_small(&marked);
	check(woken == 2 && !wakes(&marked) && !is_readable(&marked),
	      "kup_try_send() that writes a GAP record wakes a user that sleeps for more", "%u",
	      woken);
	end(&marked);
}

static void test_kick(void)
{
	struct marked marked;
	int before;

	if (begin(&marked))
		return;
	kup_try_send(marked.bare.channel, 1, &marked, 4090);
	before = kup_consumer_ready(&marked.bare.user.in);
	kup_user_kick(marked.bare.user.file);
	check(!before && kup_consumer_ready(&marked.bare.user.in) && is_readable(&marked),
	      "KICK writes the GAP record for losses, and poll reports it", "%d", before);
	end(&marked);
}

/* One thread sleeps for a record, and other threads look by the same file. */
static void test_other_polls(void)
{
	struct marked marked;
	int writable, early, readable;

	if (begin(&marked))
		return;
	sleep_for(&marked, KUP_RECORD_ALIGN);
	kup_try_send(marked.bare.channel, 1, &marked, 4090);
	writable = kup_user_wait(marked.bare.user.file, POLLOUT, 0);
	early = kup_consumer_ready(&marked.bare.user.in) || wakes(&marked);
	readable = is_readable(&marked);
	check(writable == POLLOUT && !early && readable && wakes(&marked) == 1,
	      "kup_user_wait() that writes the GAP record wakes the threads that sleep for a "
	      "record",
	      "writable %d, early %d, readable %d", writable, early, readable);
	end(&marked);
}

static int call_user_wait(struct call *call)
{
	kup_store_release(&call->what, 1);
	return kup_user_wait(call->bare->user.file, POLLIN, PATIENCE_MS);
}

static void test_end(int breaks, const char *sentence)
{
	struct call call = { 0 };
	struct marked marked;
	int done, events;

	if (begin(&marked))
		return;
	send_small(&marked);
	call_start(&call, &marked.bare, call_user_wait);
	while (!kup_load_acquire(&call.what))
		sleep_ms(1);
	if (breaks)
		kup_channel_break(marked.bare.channel, KUP_ERROR_TURN);
	else
		kup_channel_close(marked.bare.channel);
	done = call_is_done(&call);
	events = call_finish(&call);
	check(done && events & POLLIN && events & POLLHUP, sentence, "done %d, %d", done, events);
	end(&marked);
}

/* ---- Positions that come again ---- */

static const struct kup_config large = {
	.name = "large", .to_user_pages = 256, .to_kernel_pages = 256, .spin_us = KUP_NO_SPIN
};

/* One record to the user, which receives it at once. */
static void pass_to_user(struct bare *bare, kup_u32 length)
{
	struct kup_reservation room = { 0 };
	struct kup_record record;

	engine_try_reserve(bare->channel, length, &room);
	engine_commit(bare->channel, &room, 1, length);
	kup_consumer_peek(&bare->user.in, &record);
	kup_consumer_release(&bare->user.in, &record);
}

/* The same to the kernel. */
static void pass_to_kernel(struct bare *bare, kup_u32 length)
{
	struct kup_record record;
	kup_u32 position;

	kup_producer_reserve(&bare->user.out, length, &position);
	kup_producer_commit(&bare->user.out, position, length, length, 1, 0);
	engine_try_peek(bare->channel, &record);
	engine_release(bare->channel, &record);
}

/*
 * Until the position is `distance` bytes before `to`, which lies a whole cycle of positions ahead.
 */
static void pass_until(struct bare *bare, const kup_u32 *position, kup_u32 to, kup_u32 distance,
		       void (*pass)(struct bare *bare, kup_u32 length))
{
	const kup_u32 most = KUP_MAX_PAYLOAD(bare->user.in.bytes);
	kup_u32 left;

	do {
		pass(bare, most);
		left = to - *position;
	} while (left > 2 * bare->user.in.bytes);
	pass(bare, left - bare->user.in.bytes / 2 - KUP_RECORD_HEADER);
	pass(bare, bare->user.in.bytes / 2 - distance - KUP_RECORD_HEADER);
}

/*
 * A user has announced a sleep once, at a position that was passed, and only polls from then on.
 * Positions come again after 4 GiB.
 */
static void test_old_event(kup_u32 event)
{
	static const kup_u8 bytes[SMALL];
	struct bare bare;
	int early, woken, readable;
	kup_u64 before;

	if (bare_begin(&bare, &large))
		return;
	kup_consumer_announce(&bare.user.in, event);
	pass_to_user(&bare, MARK + 8);
	kup_user_wait(bare.user.file, POLLIN, 0);
	pass_until(&bare, &bare.user.in.cursor, event, MARK, pass_to_user);
	early = kup_user_wait(bare.user.file, POLLIN, 0);
	before = kup_load64(&bare.channel->counters.wakeups);
	kup_try_send(bare.channel, 1, bytes, sizeof(bytes));
	woken = kup_load64(&bare.channel->counters.wakeups) != before;
	readable = kup_user_wait(bare.user.file, POLLIN, 0);
	check(!early && woken && readable == POLLIN,
	      "kup_user_wait() reports a record before an event that was passed 4 GiB earlier",
	      "event %u: early %d, woken %d, readable %d", event, early, woken, readable);
	bare_end(&bare);
}

static void test_old_room_event(void)
{
	struct bare bare;
	int writable;

	if (bare_begin(&bare, &large))
		return;
	pass_to_kernel(&bare, MARK);
	kup_user_wait(bare.user.file, POLLOUT, 0);
	pass_until(&bare, &bare.user.out.head, 0, MARK, pass_to_kernel);
	writable = kup_user_wait(bare.user.file, POLLOUT, 0);
	check(writable == POLLOUT,
	      "kup_user_wait() reports room before an event that was reached 4 GiB earlier", "%d",
	      writable);
	bare_end(&bare);
}

/* ---- All at once ---- */

#define RECORDS 4000
#define SENDERS 3

struct storm {
	struct marked marked;
	kup_u32 over, lost; /* atomic */
};

static void *send_many(void *argument)
{
	static const kup_u8 bytes[3800];
	struct storm *storm = argument;
	struct kup_channel *channel = storm->marked.bare.channel;
	kup_u32 i, state = dice_seed(55);

	for (i = 0; i < RECORDS && !kup_load(&storm->over); i++) {
		kup_u32 length = dice(&state) % 16 ? dice(&state) % 100 : dice(&state) % 3800;

		if (kup_send(channel, 1, bytes, length, PATIENCE_MS * KUP_MS))
			kup_store(&storm->lost, 1);
	}
	return NULL;
}

/* As a program would do it: until this much can be read, or the wait ends in another way. */
static int wait_for(struct user *user, kup_u32 bytes)
{
	kup_u32 mark = (user->in.cursor + bytes - 1) & ~7u, tail, lacks;

	kup_consumer_settle(&user->in);
	user_wake_kernel(user);
	tail = user->in.tail;
	kup_consumer_announce(&user->in, mark);
	/* The kernel's side sleeps for room. */
	lacks = kup_load(user->in.peer_event) - tail - 1 < user->in.bytes;
	if (lacks && kup_consumer_ready(&user->in))
		return 0;
	return kup_user_wait(user->file, POLLIN, PATIENCE_MS) > 0 ? 0 : -ETIMEDOUT;
}

static void test_storm(void)
{
	kup_u32 i, got = 0, state = dice_seed(56);
	pthread_t threads[SENDERS];
	struct storm storm = { 0 };
	struct user *user = &storm.marked.bare.user;
	struct kup_record record;

	if (begin(&storm.marked))
		return;
	for (i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_many, &storm);
	while (got < SENDERS * RECORDS && !kup_load(&storm.lost)) {
		kup_u32 most = 1 + dice(&state) % 30;

		/* The last ones may be fewer than it asks for. */
		if (wait_for(user, got + 200 > SENDERS * RECORDS ? 8 : dice(&state) % 2000 + 1))
			break;
		while (most-- > 0 && kup_consumer_peek(&user->in, &record) == KUP_RING_OK) {
			kup_consumer_release(&user->in, &record);
			user_wake_kernel(user);
			got++;
		}
	}
	kup_store(&storm.over, 1);
	kup_channel_close(storm.marked.bare.channel);
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	check(got == SENDERS * RECORDS,
	      "kup_send() and a user that sleeps for more lose no wake-up", "%u of %u", got,
	      SENDERS * RECORDS);
	end(&storm.marked);
}

void watermark_cases(void)
{
	test_passed();
	test_passed_at_once();
	test_try();
	test_try_open();
	test_sleeper();
	test_sleeper_first();
	test_waiter();
	test_gap();
	test_kick();
	test_other_polls();
	test_old_event(0);
	test_old_event(MARK);
	test_old_room_event();
	test_end(0, "kup_channel_close() wakes a user that sleeps for more");
	test_end(1, "kup_channel_break() wakes a user that sleeps for more");
	test_storm();
}
