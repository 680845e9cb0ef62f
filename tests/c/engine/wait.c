/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kup_wait() and kup_wake(), and the calls that wait by them, with several threads of a client on
 * one channel. The test drives the user by hand, so that it can be slow between what it publishes
 * and its check for sleepers.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"

static const struct kup_config config = {
	.name = "waits", .to_user_pages = 1, .to_kernel_pages = 1, .spin_us = KUP_NO_SPIN
};

static int call_wait(struct call *call)
{
	struct kup_channel *channel = call->bare->channel;

	return kup_wait(channel, call->what, call->length, kup_wakes(channel),
			kup_until(KUP_FOREVER));
}

/* Until there is a record, looking again as often as needed. */
static int call_peek(struct call *call)
{
	struct kup_record record;

	return engine_peek(call->bare->channel, &record, KUP_FOREVER);
}

/* ---- A look never sleeps, so a thread that sleeps does not block the others ---- */

static int call_receive(struct call *call)
{
	struct kup_record record;
	kup_u8 buffer[64];

	return kup_receive(call->bare->channel, buffer, sizeof(buffer), &record, KUP_FOREVER);
}

static void test_others(void)
{
	struct kup_record record;
	struct call call;
	struct bare bare;
	kup_u8 buffer[64];
	int slept, sent, peeked, received, done;

	if (bare_begin(&bare, &config))
		return;
	call_start(&call, &bare, call_receive);
	slept = bare_sleeps(&bare, 1);
	sent = kup_send(bare.channel, 1, "x", 1, 0);
	peeked = kup_try_peek(bare.channel, &record);
	received = kup_receive(bare.channel, buffer, sizeof(buffer), &record, KUP_MS);
	check(slept && !sent && peeked == -EAGAIN && received == -ETIMEDOUT,
	      "kup_receive() that sleeps lets other threads send and look", "%d, %d %d %d", slept,
	      sent, peeked, received);
	user_send(&bare.user, 2, "y", 1);
	done = call_is_done(&call);
	call_finish(&call);
	check(done && !call.error, "kup_receive() ends when a message comes", "%s",
	      strerror(-call.error));
	bare_end(&bare);
}

/* ---- Several threads that wait for a record: one announcement for all ---- */

/* One record without a check for sleepers. Returns where it begins. */
static kup_u32 publish(struct user *user)
{
	return user_put(user, 0, 7, 8);
}

static int take_one(struct kup_channel *channel)
{
	struct kup_record record;
	int error = kup_try_peek(channel, &record);

	if (!error)
		kup_release(channel, &record);
	return error;
}

/*
 * A thread sleeps for a record and another one receives it. Only then the user wakes the first
 * thread, which has to announce the next record.
 */
static void test_taken(void)
{
	struct call call;
	struct bare bare;
	kup_u32 first, second;
	int slept, taken, asked, again;

	if (bare_begin(&bare, &config))
		return;
	call_start(&call, &bare, call_peek);
	slept = bare_sleeps(&bare, 1);
	first = publish(&bare.user);
	taken = take_one(bare.channel);
	asked = user_is_asked(&bare.user, first);
	kup_user_kick(bare.user.file);
	slept = slept && bare_sleeps(&bare, 1);
	second = publish(&bare.user);
	again = user_is_asked(&bare.user, second);
	if (again)
		kup_user_kick(bare.user.file);
	slept = slept && call_is_done(&call);
	call_finish(&call);
	check(slept && !taken && asked && again && !call.error,
	      "kup_peek() announces the next record when another thread has received the one it "
	      "slept for",
	      "%d, %d, asked %d %d", slept, taken, asked, again);
	bare_end(&bare);
}

/* The same, but a third thread announces the next record before the user checks for sleepers. */
static void test_overtaken(void)
{
	struct call calls[2];
	struct bare bare;
	kup_u32 second;
	int slept, taken, asked, i, done = 1;

	if (bare_begin(&bare, &config))
		return;
	call_start(&calls[0], &bare, call_peek);
	slept = bare_sleeps(&bare, 1);
	publish(&bare.user);
	taken = take_one(bare.channel);
	call_start(&calls[1], &bare, call_peek);
	slept = slept && bare_sleeps(&bare, 1);
	second = publish(&bare.user);
	asked = user_is_asked(&bare.user, second);
	if (asked)
		kup_user_kick(bare.user.file);
	/* One look may meet the other's, which is -EBUSY; but both have been woken. */
	for (i = 0; i < 2; i++)
		done = done && call_is_done(&calls[i]);
	check(slept && !taken && asked && done,
	      "kup_peek() is woken by the next record when another thread announces it for both",
	      "%d, %d, asked %d, done %d", slept, taken, asked, done);
	for (i = 0; i < 2; i++)
		call_finish(&calls[i]);
	bare_end(&bare);
}

#define WAITERS 2
#define VISITORS 2

/*
 * Records come one at a time, each when the last one was received: a lost wake-up ends the test.
 * Visitors wait a moment and leave; what they have announced must serve the threads that stay.
 */
struct crowd {
	struct bare bare;
	pthread_mutex_t lock;	      /* for the threads that look: one receives at a time */
	kup_u32 received, lost, over; /* atomic */
};

static int crowd_look(struct crowd *crowd)
{
	int error;

	pthread_mutex_lock(&crowd->lock);
	error = take_one(crowd->bare.channel);
	pthread_mutex_unlock(&crowd->lock);
	return error;
}

static void *crowd_main(void *argument)
{
	struct crowd *crowd = argument;
	struct kup_channel *channel = crowd->bare.channel;

	while (!kup_load_acquire(&crowd->over)) {
		kup_u32 wakes = kup_wakes(channel);
		int error = crowd_look(crowd);

		if (!error)
			__atomic_fetch_add(&crowd->received, 1, __ATOMIC_RELEASE);
		else if (error != -EAGAIN)
			break;
		else if (kup_wait(channel, KUP_WAIT_IN, 0, wakes, time_limit()) == -ETIMEDOUT)
			kup_store(&crowd->lost, 1);
	}
	return NULL;
}

static void *visitor_main(void *argument)
{
	struct crowd *crowd = argument;
	struct kup_channel *channel = crowd->bare.channel;
	kup_u32 spins, state = dice_seed(90);

	while (!kup_load_acquire(&crowd->over)) {
		kup_wait(channel, KUP_WAIT_IN, 0, kup_wakes(channel),
			 kup_until(dice(&state) % 50 * KUP_US));
		for (spins = dice(&state) % 200; spins > 0; spins--)
			sched_yield();
	}
	return NULL;
}

static void test_crowd(void)
{
	struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER };
	kup_u32 i, sent = 0, rounds = run.delays ? 1000 : 10000;
	pthread_t threads[WAITERS + VISITORS];

	if (bare_begin(&crowd.bare, &config))
		return;
	for (i = 0; i < WAITERS + VISITORS; i++)
		pthread_create(&threads[i], NULL, i < WAITERS ? crowd_main : visitor_main, &crowd);
	while (sent < rounds && !kup_load(&crowd.lost)) {
		kup_u64 until = time_limit();

		if (user_send(&crowd.bare.user, 1, "x", 1))
			break;
		sent++;
		while (kup_load_acquire(&crowd.received) != sent && !kup_load(&crowd.lost) &&
		       os_now_ns() < until)
			sched_yield();
		if (kup_load_acquire(&crowd.received) != sent)
			break;
	}
	kup_store_release(&crowd.over, 1);
	kup_wake(crowd.bare.channel);
	for (i = 0; i < WAITERS + VISITORS; i++)
		pthread_join(threads[i], NULL);
	check(sent == rounds && kup_load(&crowd.received) == rounds && !kup_load(&crowd.lost),
	      "kup_wait() in several threads for a record misses none", "%u received, %u sent",
	      kup_load(&crowd.received), sent);
	pthread_mutex_destroy(&crowd.lock);
	bare_end(&crowd.bare);
}

/* ---- Room ---- */

/* Fills the ring to the user with records of this length. Returns how many fit. */
static kup_u32 fill(struct bare *bare, kup_u32 length)
{
	kup_u8 bytes[1024] = { 0 };
	kup_u32 count = 0;

	while (!kup_send(bare->channel, 1, bytes, length, 0))
		count++;
	return count;
}

/* The user reads this many records, and publishes their room. Wakes no thread. */
static void drain(struct user *user, kup_u32 records)
{
	struct kup_record record;

	while (records-- > 0 && kup_consumer_peek(&user->in, &record) == KUP_RING_OK)
		kup_consumer_release(&user->in, &record);
	kup_consumer_publish(&user->in);
}

/* Until there is room, looking again as often as needed. */
static int wait_out(struct call *call, kup_u64 until)
{
	struct kup_channel *channel = call->bare->channel;

	for (;;) {
		kup_u32 wakes = kup_wakes(channel);
		int error = kup_ended(channel);

		if (!error && kup_ready(channel, KUP_WAIT_OUT, call->length))
			return 0;
		if (!error)
			error = kup_wait(channel, KUP_WAIT_OUT, call->length, wakes, until);
		if (error)
			return error;
	}
}

static int call_wait_out(struct call *call)
{
	return wait_out(call, kup_until(KUP_FOREVER));
}

static int call_wait_shortly(struct call *call)
{
	return wait_out(call, kup_until(200 * KUP_MS));
}

/*
 * The user makes the room that one thread sleeps for. Before it checks for sleepers, another thread
 * announces that it needs more.
 */
static void test_room_overtaken(void)
{
	struct call small = { .what = KUP_WAIT_OUT, .length = 100 }, large = small;
	struct bare bare;
	int slept, done;

	if (bare_begin(&bare, &config))
		return;
	fill(&bare, 100);
	call_start(&small, &bare, call_wait);
	slept = bare_sleeps(&bare, 1);
	drain(&bare.user, 2);
	large.length = 1000;
	call_start(&large, &bare, call_wait);
	slept = slept && bare_sleeps(&bare, 1);
	done = call_is_done(&small);
	check(slept && done && !kup_load_acquire(&large.done),
	      "kup_wait() for room is woken when another thread announces that it needs more",
	      "slept %d, done %d", slept, done);
	drain(&bare.user, ~0u);
	user_wake_kernel(&bare.user);
	done = call_is_done(&large);
	call_finish(&small);
	call_finish(&large);
	check(done && !large.error, "kup_wait() ends when there is room", "%s",
	      strerror(-large.error));
	bare_end(&bare);
}

/*
 * The thread whose need is announced leaves, and the user reaches that position. Before it checks
 * for sleepers, another thread announces that it needs more than the one that still sleeps.
 */
static void test_room_left(void)
{
	struct call nearest = { .length = 100 }, stays = { .length = 300 },
		    large = { .length = 2000 };
	struct bare bare;
	int slept, left, done;

	if (bare_begin(&bare, &config))
		return;
	fill(&bare, 100);
	call_start(&nearest, &bare, call_wait_shortly);
	slept = bare_sleeps(&bare, 1);
	call_start(&stays, &bare, call_wait_out);
	slept = slept && bare_sleeps(&bare, 1);
	left = call_is_done(&nearest);
	drain(&bare.user, 2);
	bare.user.in.owes_wake = 0;
	call_start(&large, &bare, call_wait_out);
	slept = slept && bare_sleeps(&bare, 1);
	/* What the thread that stays needs, not what the large one needs. */
	drain(&bare.user, 3);
	user_wake_kernel(&bare.user);
	done = call_is_done(&stays);
	check(slept && left && nearest.error == -ETIMEDOUT && done &&
		      !kup_load_acquire(&large.done),
	      "kup_wait() for room is woken when the thread that needs less has left",
	      "slept %d, left %d, done %d", slept, left, done);
	drain(&bare.user, ~0u);
	user_wake_kernel(&bare.user);
	done = call_is_done(&large);
	check(done, "kup_wait() for much room ends when there is that much", "no");
	call_finish(&nearest);
	call_finish(&stays);
	call_finish(&large);
	bare_end(&bare);
}

/*
 * A thread needs less than is published already: its event position was reached before, so the user
 * has no reason to wake the thread that needs more.
 */
static void test_room_passed(void)
{
	struct call large = { .length = 2000 };
	struct bare bare;
	int slept, small, again, done;

	if (bare_begin(&bare, &config))
		return;
	fill(&bare, 100);
	call_start(&large, &bare, call_wait_out);
	slept = bare_sleeps(&bare, 1);
	drain(&bare.user, 2);
	small = kup_wait(bare.channel, KUP_WAIT_OUT, 100, kup_wakes(bare.channel), time_limit());
	again = bare_sleeps(&bare, 1);
	drain(&bare.user, ~0u);
	user_wake_kernel(&bare.user);
	done = call_is_done(&large);
	check(slept && !small && again && done,
	      "kup_wait() for much room announces it again after a thread that needed less",
	      "slept %d, %d, again %d, done %d", slept, small, again, done);
	call_finish(&large);
	bare_end(&bare);
}

static void test_either(void)
{
	struct call calls[2] = { { .what = KUP_WAIT_IN | KUP_WAIT_OUT, .length = 1000 },
				 { .what = KUP_WAIT_IN | KUP_WAIT_OUT, .length = 1000 } };
	struct bare bare;
	int slept, ready, in, out;

	if (bare_begin(&bare, &config))
		return;
	fill(&bare, 100);
	ready = kup_ready(bare.channel, calls[0].what, 1000);
	call_start(&calls[0], &bare, call_wait);
	slept = bare_sleeps(&bare, 1);
	user_send(&bare.user, 1, "x", 1);
	in = call_is_done(&calls[0]) && kup_ready(bare.channel, KUP_WAIT_IN, 0);
	take_one(bare.channel);
	call_start(&calls[1], &bare, call_wait);
	slept = slept && bare_sleeps(&bare, 1);
	drain(&bare.user, ~0u);
	user_wake_kernel(&bare.user);
	out = call_is_done(&calls[1]) && kup_ready(bare.channel, KUP_WAIT_OUT, 1000);
	check(slept && !ready && in && out,
	      "kup_wait() for a record or room ends with either, and kup_ready() returns which",
	      "slept %d, ready %d, in %d, out %d", slept, ready, in, out);
	call_finish(&calls[0]);
	call_finish(&calls[1]);
	bare_end(&bare);
}

/* ---- Threads that go to sleep while another one receives ---- */

#define SETTLERS 2

struct settlers {
	struct bare bare;
	kup_u32 over; /* atomic */
};

/* Each sleep publishes the tail, which belongs to the receiver. */
static void *settle_main(void *argument)
{
	struct settlers *settlers = argument;
	struct kup_channel *channel = settlers->bare.channel;
	kup_u32 state = dice_seed(91);

	while (!kup_load_acquire(&settlers->over)) {
		if (dice(&state) % 4)
			kup_wait(channel, 0, 0, kup_wakes(channel), kup_until(KUP_US));
		else
			kup_user_kick(settlers->bare.user.file);
	}
	return NULL;
}

static void *number_main(void *argument)
{
	struct settlers *settlers = argument;
	kup_u32 i = 0;

	while (!kup_load_acquire(&settlers->over) &&
	       !user_send(&settlers->bare.user, i, &i, sizeof(i)))
		i++;
	return NULL;
}

static int receive_number(struct kup_channel *channel, kup_u32 number)
{
	struct kup_record record;
	kup_u32 seen = 0;
	int error;

	if (number % 2) {
		error = kup_receive(channel, &seen, sizeof(seen), &record, PATIENCE_MS * KUP_MS);
		return error ? error : seen == number ? 0 : -EIO;
	}
	error = kup_peek(channel, &record, PATIENCE_MS * KUP_MS);
	if (!error && record.type != number)
		error = -EIO;
	if (!error)
		kup_release(channel, &record);
	return error;
}

static void test_settlers(void)
{
	const kup_u32 rounds = run.delays ? 2000 : 100000;
	struct settlers settlers = { 0 };
	pthread_t threads[SETTLERS + 1];
	kup_u32 i, received = 0;
	int error = 0;

	if (bare_begin(&settlers.bare, &config))
		return;
	for (i = 0; i < SETTLERS + 1; i++)
		pthread_create(&threads[i], NULL, i ? settle_main : number_main, &settlers);
	while (received < rounds && !(error = receive_number(settlers.bare.channel, received)))
		received++;
	kup_store_release(&settlers.over, 1);
	kup_channel_close(settlers.bare.channel);
	for (i = 0; i < SETTLERS + 1; i++)
		pthread_join(threads[i], NULL);
	check(received == rounds,
	      "kup_peek() and kup_release() work beside threads that go to sleep", "%s after %u",
	      strerror(-error), received);
	bare_end(&settlers.bare);
}

/* ---- Several threads that wait for room, some of which leave ---- */

#define SENDERS 3

struct room_crowd {
	struct bare bare;
	kup_u32 over, lost; /* atomic */
};

static void *room_sender(void *argument)
{
	static const kup_u8 bytes[3000];
	struct room_crowd *crowd = argument;
	kup_u32 state = dice_seed(92);

	while (!kup_load_acquire(&crowd->over)) {
		kup_u32 length = dice(&state) % 4 ? dice(&state) % 200 : dice(&state) % 3000;
		int error = kup_send(crowd->bare.channel, 1, bytes, length, PATIENCE_MS * KUP_MS);

		if (error == -ETIMEDOUT)
			kup_store(&crowd->lost, 1);
		if (error)
			break;
	}
	return NULL;
}

static void *room_visitor(void *argument)
{
	struct room_crowd *crowd = argument;
	struct kup_channel *channel = crowd->bare.channel;
	kup_u32 state = dice_seed(93);

	while (!kup_load_acquire(&crowd->over))
		kup_wait(channel, KUP_WAIT_OUT, dice(&state) % 3000, kup_wakes(channel),
			 kup_until(dice(&state) % 100 * KUP_US + 1));
	return NULL;
}

static void test_room_crowd(void)
{
	const kup_u32 rounds = run.delays ? 2000 : 50000;
	struct room_crowd crowd = { 0 };
	pthread_t threads[SENDERS + VISITORS];
	struct kup_record record;
	kup_u32 i, received = 0;
	int error = 0;

	if (bare_begin(&crowd.bare, &config))
		return;
	for (i = 0; i < SENDERS + VISITORS; i++)
		pthread_create(&threads[i], NULL, i < SENDERS ? room_sender : room_visitor, &crowd);
	while (received < rounds && !(error = user_receive(&crowd.bare.user, &record))) {
		user_release(&crowd.bare.user, &record);
		received++;
	}
	kup_store_release(&crowd.over, 1);
	kup_channel_close(crowd.bare.channel);
	for (i = 0; i < SENDERS + VISITORS; i++)
		pthread_join(threads[i], NULL);
	check(received == rounds && !kup_load(&crowd.lost),
	      "kup_send() in several threads misses no room while others come and leave",
	      "%s after %u", strerror(-error), received);
	bare_end(&crowd.bare);
}

/* ---- kup_wake ---- */

/* Two threads hand a number back and forth, by kup_wait() and kup_wake() alone. */
struct relay {
	struct kup_channel *channel;
	kup_u32 number, rounds, lost; /* atomic */
};

static void relay_run(struct relay *relay, kup_u32 parity)
{
	while (!kup_load(&relay->lost)) {
		kup_u32 wakes = kup_wakes(relay->channel);
		kup_u32 number = kup_load_acquire(&relay->number);

		if (number >= relay->rounds)
			return;
		if (number % 2 == parity) {
			kup_store_release(&relay->number, number + 1);
			kup_wake(relay->channel);
		} else if (kup_wait(relay->channel, 0, 0, wakes, time_limit()) == -ETIMEDOUT) {
			kup_store(&relay->lost, 1);
		}
	}
}

static void *relay_main(void *argument)
{
	relay_run(argument, 1);
	return NULL;
}

static void test_relay(void)
{
	struct relay relay = { .rounds = run.delays ? 2000 : 20000 };
	struct bare bare;
	pthread_t thread;

	if (bare_begin(&bare, &config))
		return;
	relay.channel = bare.channel;
	pthread_create(&thread, NULL, relay_main, &relay);
	relay_run(&relay, 0);
	pthread_join(thread, NULL);
	check(!kup_load(&relay.lost), "kup_wake() ends each kup_wait() that looked before it",
	      "not at %u of %u", kup_load(&relay.number), relay.rounds);
	bare_end(&bare);
}

/* ---- The end ---- */

static void test_break(void)
{
	struct call calls[2] = { { .what = KUP_WAIT_IN }, { .what = 0 } };
	struct bare bare;
	int slept, done;

	if (bare_begin(&bare, &config))
		return;
	call_start(&calls[0], &bare, call_peek);
	call_start(&calls[1], &bare, call_wait);
	slept = bare_sleeps(&bare, 2);
	kup_channel_break(bare.channel, KUP_ERROR_TURN);
	/* The first reason is the one that counts. */
	kup_channel_break(bare.channel, KUP_ERROR_HEAD);
	done = call_is_done(&calls[0]) && call_is_done(&calls[1]);
	call_finish(&calls[0]);
	call_finish(&calls[1]);
	check(slept && done && calls[0].error == -EPROTO && calls[1].error == 0 &&
		      kup_send(bare.channel, 1, "x", 1, 0) == -EPROTO &&
		      kup_load_acquire(&bare.user.kernel->state) == KUP_STATE_BROKEN &&
		      kup_load(&bare.user.kernel->error) == KUP_ERROR_TURN,
	      "kup_channel_break() ends the channel for both sides, and all waits",
	      "slept %d, done %d, %d %d", slept, done, calls[0].error, calls[1].error);
	bare_end(&bare);
}

static void test_limits(void)
{
	struct bare bare;
	int none, soon;

	if (bare_begin(&bare, &config))
		return;
	none = kup_wait(bare.channel, KUP_WAIT_OUT, 0, kup_wakes(bare.channel), kup_until(0));
	soon = kup_wait(bare.channel, KUP_WAIT_IN, 0, kup_wakes(bare.channel), kup_until(KUP_MS));
	check(none == -EAGAIN && soon == -ETIMEDOUT, "kup_wait() keeps to its time limit", "%s, %s",
	      strerror(-none), strerror(-soon));
	bare_end(&bare);
}

void wait_cases(void)
{
	test_limits();
	test_others();
	test_taken();
	test_overtaken();
	test_crowd();
	test_room_overtaken();
	test_room_left();
	test_room_passed();
	test_settlers();
	test_room_crowd();
	test_either();
	test_relay();
	test_break();
}
