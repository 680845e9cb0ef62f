/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kup_wait and kup_wake, and what waits by them: several threads of a client on one channel. Its
 * user does everything by hand, so that it can be slow between what it publishes and its look
 * for sleepers.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "user.h"

static const struct kup_config config = {
	.name = "waits", .to_user_pages = 1, .to_kernel_pages = 1, .spin_us = KUP_NO_SPIN
};

static struct kup_channel *attached;

static int attach(struct kup_channel *channel)
{
	kup_channel_get(channel);
	attached = channel;
	return 0;
}

static const struct kup_ops ops = { .attach = attach };

struct world {
	struct kup_device *device;
	struct kup_channel *channel;
	struct user user;
	kup_u32 slept; /* sleeps that await_sleeps has seen */
};

static int begin(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->device = make_device(&config, &ops);
	if (user_attach(&world->user, config.name, 0)) {
		check(0, "a channel can be attached", "no");
		kup_device_destroy(world->device);
		return -EIO;
	}
	world->channel = attached;
	return 0;
}

static void end(struct world *world)
{
	user_close(&world->user);
	kup_channel_put(world->channel);
	kup_device_destroy(world->device);
}

static kup_u64 time_limit(void)
{
	return kup_until(PATIENCE_MS * KUP_MS);
}

/* So many threads more have announced that they sleep, and looked once more. */
static int await_sleeps(struct world *world, kup_u32 more)
{
	kup_u64 until = time_limit();

	world->slept += more;
	while (kup_load64(&world->channel->counters.sleeps) < world->slept)
		if (os_now_ns() > until)
			return 0;
		else
			sleep_ms(1);
	return 1;
}

/* ---- One thread that calls something, once ---- */

struct call {
	struct world *world;
	int (*make)(struct call *call);
	kup_u32 what, length;
	pthread_t thread;
	kup_u32 done; /* atomic */
	int error;
};

static void *call_main(void *argument)
{
	struct call *call = argument;

	call->error = call->make(call);
	kup_store_release(&call->done, 1);
	return NULL;
}

static void start(struct call *call, struct world *world, int (*make)(struct call *call))
{
	call->world = world;
	call->make = make;
	call->done = 0;
	pthread_create(&call->thread, NULL, call_main, call);
}

static int is_done(struct call *call)
{
	kup_u64 until = time_limit();

	while (!kup_load_acquire(&call->done) && os_now_ns() < until)
		sleep_ms(1);
	return kup_load_acquire(&call->done) != 0;
}

/* What a test has let sleep ends here. */
static int finish(struct call *call)
{
	if (!kup_load_acquire(&call->done)) {
		kup_channel_close(call->world->channel);
		kup_wake(call->world->channel);
	}
	pthread_join(call->thread, NULL);
	return call->error;
}

static int call_wait(struct call *call)
{
	struct kup_channel *channel = call->world->channel;

	return kup_wait(channel, call->what, call->length, kup_wakes(channel),
			kup_until(KUP_FOREVER));
}

/* Until there is a record, however often it has to look again. */
static int call_peek(struct call *call)
{
	struct kup_record record;

	return kup_peek(call->world->channel, &record, KUP_FOREVER);
}

/* ---- A look never sleeps, so a sleep keeps no other thread away ---- */

static int call_receive(struct call *call)
{
	struct kup_record record;
	kup_u8 buffer[64];

	return kup_receive(call->world->channel, buffer, sizeof(buffer), &record, KUP_FOREVER);
}

static void test_others(void)
{
	struct kup_record record;
	struct call call;
	struct world world;
	kup_u8 buffer[64];
	int slept, sent, peeked, received, done;

	if (begin(&world))
		return;
	start(&call, &world, call_receive);
	slept = await_sleeps(&world, 1);
	sent = kup_send(world.channel, 1, "x", 1, 0);
	peeked = kup_try_peek(world.channel, &record);
	received = kup_receive(world.channel, buffer, sizeof(buffer), &record, KUP_MS);
	check(slept && !sent && peeked == -EAGAIN && received == -ETIMEDOUT,
	      "kup_receive() that sleeps keeps no other thread from sending and looking",
	      "%d, %d %d %d", slept, sent, peeked, received);
	user_send(&world.user, 2, "y", 1);
	done = is_done(&call);
	finish(&call);
	check(done && !call.error, "kup_receive() ends when a message comes", "%s",
	      strerror(-call.error));
	end(&world);
}

/* ---- Several threads that wait for a record: one announcement for all ---- */

/* One record without a look for sleepers; where it begins. */
static kup_u32 publish(struct user *user)
{
	kup_u32 position = 0;

	kup_producer_reserve(&user->out, 8, &position);
	kup_producer_commit(&user->out, position, 8, 8, 7, 0);
	return position;
}

static int is_asked(struct user *user, kup_u32 position)
{
	kup_fence();
	return kup_load(&user->kernel->to_kernel_consumer_event.value) == position;
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
 * A thread sleeps for a record, another one receives that, and only then the user wakes the
 * first: it has to announce the next record.
 */
static void test_taken(void)
{
	struct call call;
	struct world world;
	kup_u32 first, second;
	int slept, taken, asked, again;

	if (begin(&world))
		return;
	start(&call, &world, call_peek);
	slept = await_sleeps(&world, 1);
	first = publish(&world.user);
	taken = take_one(world.channel);
	asked = is_asked(&world.user, first);
	kup_user_kick(world.user.file);
	slept = slept && await_sleeps(&world, 1);
	second = publish(&world.user);
	again = is_asked(&world.user, second);
	if (again)
		kup_user_kick(world.user.file);
	slept = slept && is_done(&call);
	finish(&call);
	check(slept && !taken && asked && again && !call.error,
	      "kup_peek() announces the next record when another thread has received the one it "
	      "slept for",
	      "%d, %d, asked %d %d", slept, taken, asked, again);
	end(&world);
}

/* The same, but a third thread announces the next record before the user looks. */
static void test_overtaken(void)
{
	struct call calls[2];
	struct world world;
	kup_u32 second;
	int slept, taken, asked, i, done = 1;

	if (begin(&world))
		return;
	start(&calls[0], &world, call_peek);
	slept = await_sleeps(&world, 1);
	publish(&world.user);
	taken = take_one(world.channel);
	start(&calls[1], &world, call_peek);
	slept = slept && await_sleeps(&world, 1);
	second = publish(&world.user);
	asked = is_asked(&world.user, second);
	if (asked)
		kup_user_kick(world.user.file);
	/* One look may find the other's, which is -EBUSY; but both have been woken. */
	for (i = 0; i < 2; i++)
		done = done && is_done(&calls[i]);
	check(slept && !taken && asked && done,
	      "kup_peek() is woken by the next record when another thread announces that for both",
	      "%d, %d, asked %d, done %d", slept, taken, asked, done);
	for (i = 0; i < 2; i++)
		finish(&calls[i]);
	end(&world);
}

#define WAITERS 2
#define VISITORS 2

/*
 * Records that come one at a time, each when the last one was received: a lost wake-up ends it.
 * Visitors wait a moment and go; what they have announced must serve those that stay.
 */
struct crowd {
	struct world world;
	pthread_mutex_t lock;	      /* of the threads that look: one receives at a time */
	kup_u32 received, lost, over; /* atomic */
};

static int crowd_look(struct crowd *crowd)
{
	int error;

	pthread_mutex_lock(&crowd->lock);
	error = take_one(crowd->world.channel);
	pthread_mutex_unlock(&crowd->lock);
	return error;
}

static void *crowd_main(void *argument)
{
	struct crowd *crowd = argument;
	struct kup_channel *channel = crowd->world.channel;

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
	struct kup_channel *channel = crowd->world.channel;
	kup_u32 spins, state = dice_seed(90);

	while (!kup_load_acquire(&crowd->over)) {
		kup_wait(channel, KUP_WAIT_IN, 0, kup_wakes(channel), kup_until(dice(&state) % 50 * KUP_US));
		for (spins = dice(&state) % 200; spins > 0; spins--)
			os_relax();
	}
	return NULL;
}

static void test_crowd(void)
{
	struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER };
	kup_u32 i, sent = 0, rounds = run.delays ? 1000 : 10000;
	pthread_t threads[WAITERS + VISITORS];

	if (begin(&crowd.world))
		return;
	for (i = 0; i < WAITERS + VISITORS; i++)
		pthread_create(&threads[i], NULL, i < WAITERS ? crowd_main : visitor_main, &crowd);
	while (sent < rounds && !kup_load(&crowd.lost)) {
		kup_u64 until = time_limit();

		if (user_send(&crowd.world.user, 1, "x", 1))
			break;
		sent++;
		while (kup_load_acquire(&crowd.received) != sent && !kup_load(&crowd.lost) &&
		       os_now_ns() < until)
			os_relax();
		if (kup_load_acquire(&crowd.received) != sent)
			break;
	}
	kup_store_release(&crowd.over, 1);
	kup_wake(crowd.world.channel);
	for (i = 0; i < WAITERS + VISITORS; i++)
		pthread_join(threads[i], NULL);
	check(sent == rounds && kup_load(&crowd.received) == rounds && !kup_load(&crowd.lost),
	      "kup_wait() by several threads for a record misses none", "%u received, %u sent",
	      kup_load(&crowd.received), sent);
	pthread_mutex_destroy(&crowd.lock);
	end(&crowd.world);
}

/* ---- Room ---- */

/* Fills the ring towards the user with records of this length. How many fit. */
static kup_u32 fill(struct world *world, kup_u32 length)
{
	kup_u8 bytes[1024] = { 0 };
	kup_u32 count = 0;

	while (!kup_send(world->channel, 1, bytes, length, 0))
		count++;
	return count;
}

static void drain(struct user *user, kup_u32 records)
{
	struct kup_record record;

	while (records-- > 0 && kup_consumer_peek(&user->in, &record) == KUP_RING_OK)
		kup_consumer_release(&user->in, &record);
}

/*
 * The user makes the room that one thread sleeps for, and before it looks for sleepers another
 * thread announces that it needs more.
 */
static void test_room_overtaken(void)
{
	struct call small = { .what = KUP_WAIT_OUT, .length = 100 }, large = small;
	struct world world;
	int slept, done;

	if (begin(&world))
		return;
	fill(&world, 100);
	start(&small, &world, call_wait);
	slept = await_sleeps(&world, 1);
	drain(&world.user, 2);
	large.length = 1000;
	start(&large, &world, call_wait);
	slept = slept && await_sleeps(&world, 1);
	done = is_done(&small);
	check(slept && done && !kup_load_acquire(&large.done),
	      "kup_wait() for room is not forgotten when another thread announces that it needs "
	      "more",
	      "slept %d, done %d", slept, done);
	drain(&world.user, ~0u);
	if (world.user.in.owes_wake)
		kup_user_kick(world.user.file);
	done = is_done(&large);
	finish(&small);
	finish(&large);
	check(done && !large.error, "kup_wait() ends when there is room", "%s",
	      strerror(-large.error));
	end(&world);
}

static void test_either(void)
{
	struct call calls[2] = { { .what = KUP_WAIT_IN | KUP_WAIT_OUT, .length = 1000 },
				 { .what = KUP_WAIT_IN | KUP_WAIT_OUT, .length = 1000 } };
	struct world world;
	int slept, ready, in, out;

	if (begin(&world))
		return;
	fill(&world, 100);
	ready = kup_ready(world.channel, calls[0].what, 1000);
	start(&calls[0], &world, call_wait);
	slept = await_sleeps(&world, 1);
	user_send(&world.user, 1, "x", 1);
	in = is_done(&calls[0]) && kup_ready(world.channel, KUP_WAIT_IN, 0);
	take_one(world.channel);
	start(&calls[1], &world, call_wait);
	slept = slept && await_sleeps(&world, 1);
	drain(&world.user, ~0u);
	if (world.user.in.owes_wake)
		kup_user_kick(world.user.file);
	out = is_done(&calls[1]) && kup_ready(world.channel, KUP_WAIT_OUT, 1000);
	check(slept && !ready && in && out,
	      "kup_wait() for a record or room ends by either, and kup_ready() says so",
	      "slept %d, ready %d, in %d, out %d", slept, ready, in, out);
	finish(&calls[0]);
	finish(&calls[1]);
	end(&world);
}

/* ---- kup_wake ---- */

/* Two threads hand a number back and forth, with nothing but kup_wait and kup_wake. */
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
	struct world world;
	pthread_t thread;

	if (begin(&world))
		return;
	relay.channel = world.channel;
	pthread_create(&thread, NULL, relay_main, &relay);
	relay_run(&relay, 0);
	pthread_join(thread, NULL);
	check(!kup_load(&relay.lost), "kup_wake() ends each kup_wait() that looked before it",
	      "not at %u of %u", kup_load(&relay.number), relay.rounds);
	end(&world);
}

/* ---- The end ---- */

static void test_break(void)
{
	struct call calls[2] = { { .what = KUP_WAIT_IN }, { .what = 0 } };
	struct world world;
	int slept, done;

	if (begin(&world))
		return;
	start(&calls[0], &world, call_peek);
	start(&calls[1], &world, call_wait);
	slept = await_sleeps(&world, 2);
	kup_channel_break(world.channel, KUP_ERROR_TURN);
	/* The first reason is the one that counts. */
	kup_channel_break(world.channel, KUP_ERROR_HEAD);
	done = is_done(&calls[0]) && is_done(&calls[1]);
	finish(&calls[0]);
	finish(&calls[1]);
	check(slept && done && calls[0].error == -EPROTO && calls[1].error == 0 &&
		      kup_send(world.channel, 1, "x", 1, 0) == -EPROTO &&
		      kup_load_acquire(&world.user.kernel->state) == KUP_STATE_BROKEN &&
		      kup_load(&world.user.kernel->error) == KUP_ERROR_TURN,
	      "kup_channel_break() ends the channel for both sides, and all that waits",
	      "slept %d, done %d, %d %d", slept, done, calls[0].error, calls[1].error);
	end(&world);
}

static void test_limits(void)
{
	struct world world;
	int none, soon;

	if (begin(&world))
		return;
	none = kup_wait(world.channel, KUP_WAIT_OUT, 0, kup_wakes(world.channel), kup_until(0));
	soon = kup_wait(world.channel, KUP_WAIT_IN, 0, kup_wakes(world.channel), kup_until(KUP_MS));
	check(none == -EAGAIN && soon == -ETIMEDOUT, "kup_wait() keeps to its time limit", "%s, %s",
	      strerror(-none), strerror(-soon));
	end(&world);
}

void wait_cases(void)
{
	test_limits();
	test_others();
	test_taken();
	test_overtaken();
	test_crowd();
	test_room_overtaken();
	test_either();
	test_relay();
	test_break();
}
