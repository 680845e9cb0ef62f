/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving at a watermark by the C API: how often the user is woken by a producer that sends
 * often, and what else ends its wait.
 */
#include <poll.h>
#include <string.h>

#include "bare.h"

static const struct kup_config config = { .name = "gathered",
					  .channels = 2,
					  .to_user_pages = 16,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN };

#define RING (16 * 4096)
#define PAYLOAD 56
#define SPACE (PAYLOAD + 8)
#define MARK 8192 /* 128 records */

struct gathered {
	struct bare bare; /* its channel is the C API's */
	struct kup_user_channel *user;
};

static int begin(struct gathered *gathered)
{
	int error;

	memset(gathered, 0, sizeof(*gathered));
	if (bare_begin(&gathered->bare, &config))
		return -EIO;
	error = kup_user_channel_open("host:gathered", KUP_CHANNEL_ANY, PATIENCE_MS,
				      &gathered->user);
	check(!error, "a channel can be opened", "%d", error);
	if (error) {
		bare_end(&gathered->bare);
		return error;
	}
	bare_switch(&gathered->bare);
	kup_user_channel_set_spin(gathered->user, 0);
	return 0;
}

static void end(struct gathered *gathered)
{
	kup_user_channel_close(gathered->user);
	bare_end(&gathered->bare);
}

static void send(struct gathered *gathered, kup_u32 count)
{
	static const kup_u8 bytes[PAYLOAD];

	while (count-- > 0)
		kup_try_send(gathered->bare.channel, 1, bytes, sizeof(bytes));
}

/*
 * Receives all that is there, up to a gap, after the first one, which was received. The record
 * behind a gap becomes readable later.
 */
static kup_u32 receive_rest(struct gathered *gathered)
{
	struct kup_user_message message;
	kup_u32 count = 1;

	while (!kup_user_receive(gathered->user, &message, 0)) {
		count++;
		if (message.control == KUP_CONTROL_GAP)
			break;
	}
	return count;
}

/* ---- Wake-ups ---- */

#define RECORDS 12800u

static void *send_often(void *argument)
{
	static const kup_u8 bytes[PAYLOAD];
	struct gathered *gathered = argument;
	kup_u32 i;

	/* About 100,000 a second; a producer that falls behind loses nothing. */
	for (i = 0; i < RECORDS; i += 100) {
		kup_u32 j;

		sleep_ms(1);
		for (j = 0; j < 100; j++)
			kup_send(gathered->bare.channel, 1, bytes, PAYLOAD, KUP_FOREVER);
	}
	return NULL;
}

/*
 * Each wait ends because of the watermark or of the time, so their number is limited by both, on
 * any machine.
 */
static void test_often(void)
{
	struct kup_user_message message;
	kup_u32 got = 0, waits = 0, most;
	struct gathered gathered;
	kup_u32 wakeups;
	kup_u64 started;
	pthread_t thread;
	int error = 0;

	if (begin(&gathered))
		return;
	started = os_now_ns();
	pthread_create(&thread, NULL, send_often, &gathered);
	while (got < RECORDS && !error) {
		error = kup_user_receive_watermark(gathered.user, &message, MARK, 10, PATIENCE_MS);
		if (!error)
			got += receive_rest(&gathered);
		waits++;
	}
	/* A wait that finds nothing after 10 ms is woken by the next record. */
	most = (kup_u32)((os_now_ns() - started) / 10000000) + RECORDS * SPACE / MARK + 1;
	pthread_join(thread, NULL);
	wakeups = (kup_u32)kup_load64(&gathered.bare.channel->counters.wakeups);
	check(!error && got == RECORDS && waits <= most && wakeups <= waits + 1,
	      "kup_user_receive_watermark() is woken seldom by a producer that sends often",
	      "%d, %u records, %u waits, at most %u, %u wake-ups", error, got, waits, most,
	      wakeups);
	end(&gathered);
}

/* ---- What ends a wait ---- */

static int call_receive(struct call *call)
{
	struct gathered *gathered = (struct gathered *)call->bare;
	struct kup_user_message message;
	int error = kup_user_receive_watermark(gathered->user, &message, MARK, -1, PATIENCE_MS);

	return error ? error : (int)receive_rest(gathered);
}

/* Waits until the user has announced its watermark. Returns 0 if that did not happen. */
static int wait_for_mark(const struct gathered *gathered)
{
	const kup_u32 *event = gathered->bare.channel->out.peer_event;

	return EVENTUALLY(kup_load(event) >= MARK - 8);
}

static void test_mark(void)
{
	struct gathered gathered;
	struct call call = { 0 };
	kup_u32 early;
	int got, announced;

	if (begin(&gathered))
		return;
	call_start(&call, &gathered.bare, call_receive);
	announced = wait_for_mark(&gathered);
	send(&gathered, MARK / SPACE - 1);
	early = kup_load(&call.done);
	send(&gathered, 1);
	got = call_is_done(&call) ? call_finish(&call) : -ETIMEDOUT;
	check(announced && !early && got == MARK / SPACE,
	      "kup_user_receive_watermark() returns when min_bytes can be read", "%d, %u, %d",
	      announced, early, got);
	end(&gathered);
}

static void lose(struct gathered *gathered)
{
	kup_try_send(gathered->bare.channel, 1, gathered, RING);
	send(gathered, 1);
}

static void close_it(struct gathered *gathered)
{
	kup_channel_close(gathered->bare.channel);
}

static void end_direction(struct gathered *gathered)
{
	kup_end(gathered->bare.channel, 0);
}

/* The END becomes readable when the reservation before it is finished. */
static void end_behind(struct gathered *gathered)
{
	struct kup_reservation room;

	if (kup_try_reserve(gathered->bare.channel, 8, &room))
		return;
	kup_end(gathered->bare.channel, 0);
	kup_commit(gathered->bare.channel, &room, 1, 8);
}

static void break_it(struct gathered *gathered)
{
	kup_channel_break(gathered->bare.channel, KUP_ERROR_TURN);
}

static void test_ends(void (*end_it)(struct gathered *gathered), kup_u32 before, int expected,
		      const char *sentence)
{
	struct gathered gathered;
	struct call call = { 0 };
	int got, announced;

	if (begin(&gathered))
		return;
	call_start(&call, &gathered.bare, call_receive);
	announced = wait_for_mark(&gathered);
	send(&gathered, before);
	end_it(&gathered);
	got = call_is_done(&call) ? call_finish(&call) : -ETIMEDOUT;
	check(announced && got == expected, sentence, "%d, %d", announced, got);
	end(&gathered);
}

static void test_time(void)
{
	struct kup_user_message message;
	struct gathered gathered;
	int some, none, neither, once, at_timeout;

	if (begin(&gathered))
		return;
	send(&gathered, 3);
	some = kup_user_receive_watermark(gathered.user, &message, MARK, 1, PATIENCE_MS);
	receive_rest(&gathered);
	none = kup_user_receive_watermark(gathered.user, &message, MARK, 1, 3);
	neither = kup_user_receive_watermark(gathered.user, &message, MARK, 1, 1);
	once = kup_user_receive_watermark(gathered.user, &message, MARK, 1, 0);
	send(&gathered, 1);
	at_timeout = kup_user_receive_watermark(gathered.user, &message, MARK, -1, 1);
	check(!some && none == -ETIMEDOUT && neither == -ETIMEDOUT && once == -EAGAIN &&
		      !at_timeout,
	      "kup_user_receive_watermark() takes what is there when its time has passed",
	      "%d, %d, %d, %d, %d", some, none, neither, once, at_timeout);
	end(&gathered);
}

static void test_most(void)
{
	struct kup_user_message message;
	struct gathered gathered;
	int good, bad, prepare;

	if (begin(&gathered))
		return;
	send(&gathered, 1);
	good = kup_user_receive_watermark(gathered.user, &message, RING / 2, 0, 0);
	bad = kup_user_receive_watermark(gathered.user, &message, RING / 2 + 1, 0, 0);
	prepare = kup_user_prepare_watermark(gathered.user, RING / 2 + 1);
	check(!good && bad == -EINVAL && prepare == -EINVAL,
	      "kup_user_receive_watermark() refuses more than half the ring", "%d, %d, %d", good,
	      bad, prepare);
	end(&gathered);
}

static void test_prepare(void)
{
	struct gathered gathered;
	int first, second, third, polled;

	if (begin(&gathered))
		return;
	first = kup_user_prepare_watermark(gathered.user, MARK);
	send(&gathered, MARK / SPACE - 1);
	second = kup_user_prepare_watermark(gathered.user, MARK);
	polled = kup_user_wait(kup_user_channel_file(gathered.user), POLLIN, 0);
	send(&gathered, 1);
	third = kup_user_prepare_watermark(gathered.user, MARK);
	check(!first && !second && !polled && third == POLLIN,
	      "kup_user_prepare_watermark() reports POLLIN when min_bytes can be read",
	      "%d, %d, %d, %d", first, second, polled, third);
	end(&gathered);
}

void watermark_user_cases(void)
{
	test_often();
	test_mark();
	test_ends(lose, 3, 4, "kup_user_receive_watermark() is woken by a gap");
	test_ends(end_direction, 3, 3, "kup_user_receive_watermark() is woken by an END");
	test_ends(end_direction, 0, -ENODATA,
		  "kup_user_receive_watermark() returns -ENODATA at an END");
	test_ends(end_behind, 0, 1,
		  "kup_user_receive_watermark() is woken by an END behind a reservation");
	test_ends(close_it, 3, 3,
		  "kup_user_receive_watermark() is woken by the end of the channel");
	test_ends(close_it, 0, -EPIPE, "kup_user_receive_watermark() fails when the channel ends");
	test_ends(break_it, 0, -EPROTO,
		  "kup_user_receive_watermark() fails when the channel breaks");
	test_time();
	test_most();
	test_prepare();
}
