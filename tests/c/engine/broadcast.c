/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending to all channels of a device, and walks over them, while channels come and go. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "user.h"

#define CHANNELS 4

static const struct kup_config config = {
	.name = "broadcast",
	.channels = CHANNELS,
	.to_user_pages = 1,
	.to_kernel_pages = 1,
	.spin_us = KUP_NO_SPIN,
};

static kup_u32 detached; /* the number of detach calls; atomic */

static void detach(struct kup_channel *channel)
{
	(void)channel;
	__atomic_fetch_add(&detached, 1, __ATOMIC_SEQ_CST);
}

static const struct kup_ops ops = { .detach = detach };

/* What one user has received: numbered messages, and losses. */
struct heard {
	kup_u64 next;
	kup_u32 messages, lost, wrong;
};

/* A message that is not the next one is wrong, unless a gap explains it. */
static void hear(struct heard *heard, const struct kup_record *record)
{
	struct kup_gap gap;
	kup_u64 number;

	if (record->control == KUP_CONTROL_GAP) {
		memcpy(&gap, record->data, sizeof(gap));
		heard->next += gap.records;
		heard->lost += (kup_u32)gap.records;
		return;
	}
	memcpy(&number, record->data, sizeof(number));
	heard->wrong += number != heard->next && heard->messages + heard->lost > 0;
	heard->next = number + 1;
	heard->messages++;
}

static void hear_all(struct user *user, struct heard *heard)
{
	struct kup_record record;

	while (kup_consumer_peek(&user->in, &record) == KUP_RING_OK) {
		hear(heard, &record);
		user_release(user, &record);
	}
}

/* ---- One thread ---- */

static void test_readers(void)
{
	struct kup_device *device = make_device(&config, &ops);
	struct heard fast = { 0 }, slow = { 0 };
	struct user users[2];
	kup_u64 number = 0;
	int first, second, sent, all = 0;

	first = kup_broadcast(device, 0, &number, sizeof(number));
	user_attach(&users[0], "broadcast", 2);
	user_attach(&users[1], "broadcast", KUP_CHANNEL_ANY);
	second = kup_broadcast(device, 0, &number, sizeof(number));
	check(first == 0 && second == 2,
	      "kup_broadcast() returns how many channels got the message", "%d of 0, %d of 2",
	      first, second);
	for (number = 1; number < 1000; number++) {
		sent = kup_broadcast(device, 0, &number, sizeof(number));
		all += sent == 2;
		hear_all(&users[0], &fast);
	}
	check(fast.messages == 1000 && !fast.lost && !fast.wrong,
	      "kup_broadcast() sends everything to a fast reader beside a slow one",
	      "%u, %u lost, %u wrong", fast.messages, fast.lost, fast.wrong);
	hear_all(&users[1], &slow);
	kup_broadcast(device, 0, &number, sizeof(number));
	hear_all(&users[1], &slow);
	check(slow.messages + slow.lost == 1001 && (int)slow.messages == all + 2 && !slow.wrong,
	      "kup_broadcast() gives a slow reader a GAP with the number of its losses",
	      "%u, %u lost, %u wrong", slow.messages, slow.lost, slow.wrong);
	user_close(&users[0]);
	sent = kup_broadcast(device, 0, &number, sizeof(number));
	check(sent == 1, "kup_broadcast() leaves out a channel that was closed", "%d", sent);
	user_close(&users[1]);
	kup_device_destroy(device);
}

static void test_modes(void)
{
	static const struct kup_ops none = { 0 };
	struct kup_config other = config;
	struct kup_device *device;
	int errors = 0;

	for (other.mode = KUP_MODE_TURN; other.mode <= KUP_MODE_CALL; other.mode++) {
		device = make_device(&other, &none);
		errors += kup_broadcast(device, 0, "", 0) == -EINVAL;
		kup_device_destroy(device);
	}
	check(errors == 2, "kup_broadcast() refuses devices of turns and of calls with -EINVAL",
	      "%d of 2", errors);
}

/* ---- Walks ---- */

static void test_walk(void)
{
	struct kup_device *device = make_device(&config, &ops);
	struct kup_channel *channel;
	struct user users[CHANNELS];
	kup_u32 i, seen = 0, count = 0;

	for (i = 0; i < CHANNELS; i++)
		user_attach(&users[i], "broadcast", KUP_CHANNEL_ANY);
	for (channel = kup_walk(device, NULL); channel; channel = kup_walk(device, channel)) {
		seen |= 1u << kup_channel_number(channel);
		count++;
	}
	check(count == CHANNELS && seen == (1u << CHANNELS) - 1,
	      "kup_walk() returns each attached channel once", "%u, mask %x", count, seen);
	kup_walk_end(device, kup_walk(device, NULL));
	kup_walk_end(device, NULL);
	for (i = 0; i < CHANNELS; i++)
		user_close(&users[i]);
	check(!kup_walk(device, NULL), "kup_walk() returns NULL when no channel is attached",
	      "one");
	kup_device_destroy(device);
}

static kup_u32 is_closed;

static void *close_user(void *user)
{
	user_close(user);
	kup_store_release(&is_closed, 1);
	return NULL;
}

/* The channel is leaving as soon as no other walk finds it. */
static int is_leaving(struct kup_device *device)
{
	struct kup_channel *other;
	kup_u64 until = os_now_ns() + PATIENCE_MS * 1000000ull;

	while ((other = kup_walk(device, NULL)) != NULL && os_now_ns() < until) {
		kup_walk_end(device, other);
		sleep_ms(1);
	}
	kup_walk_end(device, other);
	return !other;
}

static void test_pin(void)
{
	struct kup_device *device = make_device(&config, &ops);
	struct kup_reservation room;
	struct kup_channel *channel;
	struct user user;
	pthread_t thread;
	kup_u32 before;
	int leaving, reserved;

	user_attach(&user, "broadcast", KUP_CHANNEL_ANY);
	kup_store(&detached, 0);
	kup_store(&is_closed, 0);
	channel = kup_walk(device, NULL);
	reserved = kup_try_reserve(channel, 8, &room);
	pthread_create(&thread, NULL, close_user, &user);
	leaving = is_leaving(device);
	before = __atomic_load_n(&detached, __ATOMIC_SEQ_CST) + kup_load_acquire(&is_closed);
	if (!reserved)
		kup_commit(channel, &room, 0, 8);
	kup_walk_end(device, channel);
	pthread_join(thread, NULL);
	check(!reserved && leaving && !before && kup_load(&detached) == 1,
	      "kup_walk() keeps a channel, and its reservation, until the next step",
	      "leaving %d, %u before, %u detached", leaving, before, kup_load(&detached));
	kup_device_destroy(device);
}

/* ---- Everything at once ---- */

static struct storm {
	struct kup_device *device;
	kup_u32 stop, over; /* atomic */
	kup_u32 wrong;	    /* atomic */
	kup_u64 walked;
} storm;

static void *broadcast_numbers(void *unused)
{
	kup_u64 number;

	for (number = 1; !kup_load_acquire(&storm.stop); number++)
		kup_broadcast(storm.device, 1, &number, sizeof(number));
	return unused;
}

/* Sends on, and looks at, what a walk returns; leaves some walks early. */
static void *walk_about(void *unused)
{
	kup_u32 seed = dice_seed(77);

	while (!kup_load_acquire(&storm.stop)) {
		struct kup_channel *channel = kup_walk(storm.device, NULL);

		while (channel && dice(&seed) % 8) {
			if (kup_channel_number(channel) >= CHANNELS)
				__atomic_fetch_add(&storm.wrong, 1, __ATOMIC_SEQ_CST);
			storm.walked++;
			channel = kup_walk(storm.device, channel);
		}
		kup_walk_end(storm.device, channel);
	}
	return unused;
}

static void *come_and_go(void *argument)
{
	kup_u32 seed = dice_seed((kup_u32)(unsigned long)argument);

	while (!kup_load_acquire(&storm.over)) {
		struct heard heard = { 0 };
		struct kup_record record;
		struct user user;
		kup_u32 left = dice(&seed) % 200;

		if (user_attach(&user, "broadcast", KUP_CHANNEL_ANY)) {
			sched_yield();
			continue;
		}
		while (left-- > 0 && user_receive(&user, &record) == 0) {
			hear(&heard, &record);
			user_release(&user, &record);
		}
		__atomic_fetch_add(&storm.wrong, heard.wrong, __ATOMIC_SEQ_CST);
		if (heard.messages > 0)
			storm_step();
		user_close(&user);
	}
	return NULL;
}

/* Nothing broadcasts when the device is destroyed; its users do what they like. */
static void one_life(kup_u32 milliseconds)
{
	pthread_t sender, walker;

	storm.device = make_device(&config, &ops);
	kup_store_release(&storm.stop, 0);
	pthread_create(&sender, NULL, broadcast_numbers, NULL);
	pthread_create(&walker, NULL, walk_about, NULL);
	storm_pause(milliseconds);
	kup_store_release(&storm.stop, 1);
	pthread_join(sender, NULL);
	pthread_join(walker, NULL);
	kup_device_destroy(storm.device);
}

static void test_storm(void)
{
	pthread_t users[CHANNELS + 1];
	kup_u32 i, lives = 0;

	memset(&storm, 0, sizeof(storm));
	storm_begin();
	for (i = 0; i <= CHANNELS; i++)
		pthread_create(&users[i], NULL, come_and_go, (void *)(unsigned long)(i + 1));
	while (storm_goes_on(20)) {
		one_life(50);
		lives++;
	}
	kup_store_release(&storm.over, 1);
	for (i = 0; i <= CHANNELS; i++)
		pthread_join(users[i], NULL);
	check(!kup_load(&storm.wrong),
	      "kup_broadcast() loses nothing without a GAP while channels come and go", "%u wrong",
	      kup_load(&storm.wrong));
	printf("# %u lives of a device that broadcasts, %u readers\n", lives, storm_steps());
}

void broadcast_cases(void)
{
	test_readers();
	test_modes();
	test_walk();
	test_pin();
	test_storm();
}
