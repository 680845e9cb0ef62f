/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The courier's customer, on the predecessor's user API alone: one direction at a time, several
 * channels at once, two modules at once, and calls in unusual orders. Prints "ok SENTENCE" or "not
 * ok SENTENCE".
 *
 *   customer [PREFIX [MODULE ...]]     as for play; it uses pingpong's devices too
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "courier.h"
#include "kup.h"

#include "../lib/patience.h"

#define CHANNELS 4

static const char *prefix = "";
static int failures;

static void check(int good, const char *sentence)
{
	printf("%s %s\n", good ? "ok" : "not ok", sentence);
	fflush(stdout);
	failures += !good;
}

static void *open_device(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", prefix, name);
	return kernproxy_open(path);
}

struct seat {
	void *device, *channel;
};

static struct seat sit_down(size_t number)
{
	struct seat seat = { .device = open_device("courier") };

	seat.channel = kernproxy_channel(seat.device, number, 1);
	return seat;
}

/* The channel ends with the process. */
static void stand_up(struct seat *seat)
{
	kernproxy_close(seat->device);
}

/* ---- Orders ---- */

static int give_order(void *channel, unsigned int what, unsigned int count)
{
	struct order order = { what, count };

	return kernproxy_send(channel, &order, sizeof(order), 0);
}

/* The process only receives, and passes by sending nothing. */
static int fetch(void *channel, unsigned int count, int flags)
{
	unsigned int i;

	if (give_order(channel, COURIER_SEND, count))
		return 0;
	for (i = 0; i < count; i++) {
		const struct item *item;

		do
			item = kernproxy_receive(channel, flags);
		while (!item && kernproxy_error(channel) == EKU_NOTREADY);
		if (!item || item->number != i || item->check != i * COURIER_FACTOR)
			return 0;
		/* The turn after the last item is for the next order. */
		if (i < count - 1 && kernproxy_send(channel, NULL, 0, 0))
			return 0;
	}
	return 1;
}

static int send_items(void *channel, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct item item = { i, i * COURIER_FACTOR };

		if (kernproxy_send(channel, &item, sizeof(item), 0))
			return 0;
	}
	return 1;
}

/* The process only sends. It never receives what the kernel passes. */
static int deliver(void *channel, unsigned int count)
{
	const struct answer *answer;

	if (give_order(channel, COURIER_SINK, count) || !send_items(channel, count))
		return 0;
	answer = kernproxy_receive(channel, 0);
	return answer && answer->items == count && answer->wrong == 0;
}

/* Writes each message in place, in a page that is full of other bytes. */
static int exchange(void *channel, unsigned int count)
{
	struct item *item;
	unsigned int i;

	if (give_order(channel, COURIER_FILL, count))
		return 0;
	item = kernproxy_receive(channel, 0);
	for (i = 0; item && i < count; i++) {
		memset(item, (int)(0x80 + i % 0x80), (size_t)getpagesize());
		*item = (struct item){ i, i * COURIER_FACTOR };
		if (kernproxy_send(channel, item, sizeof(*item), 0))
			return 0;
		item = kernproxy_receive(channel, 0);
		if (!item || item->number != i || item->check != i * COURIER_FACTOR)
			return 0;
	}
	return item != NULL;
}

static unsigned int total(void *channel)
{
	const struct answer *answer;

	if (give_order(channel, COURIER_TOTAL, 0))
		return 0;
	answer = kernproxy_receive(channel, 0);
	return answer ? answer->items : 0;
}

/* ---- Cases ---- */

static void test_one_way(void)
{
	struct seat seat = sit_down(0);
	void *channel = seat.channel;

	check(fetch(channel, 5000, 0), "kernproxy_receive() gets 5000 items, between passes");
	check(deliver(channel, 5000), "kernproxy_send() sends 5000 items to a kernel that passes");
	check(fetch(channel, 3000, KP_NB), "kernproxy_receive() with KP_NB gets 3000 items");
	check(total(channel) == 5000, "kernproxy_send() sent no item twice");
	check(exchange(channel, 2000), "kernproxy_receive() and kupdev_receive() return room for "
				       "the whole size at each message");
	check(fetch(channel, 10, 0), "kernproxy_receive() works after that");
	stand_up(&seat);
}

/* The last item is sent, and the process is gone before the kernel has read it. */
static void test_send_and_leave(void)
{
	const struct timespec while_ = { .tv_nsec = 10000000 };
	unsigned int before, i, tries;
	struct seat seat = sit_down(1);

	before = total(seat.channel);
	stand_up(&seat);
	for (i = 0; i < 200; i++) {
		seat = sit_down(1);
		if (give_order(seat.channel, COURIER_SINK, 1) || !send_items(seat.channel, 1))
			break;
		stand_up(&seat);
	}
	seat = sit_down(1);
	/* Some of the courier's threads may still work on what was left. */
	for (tries = 0; tries < PATIENCE_MS / 10 && total(seat.channel) < before + 200; tries++)
		nanosleep(&while_, NULL);
	check(i == 200 && total(seat.channel) == before + 200,
	      "kupdev_receive() gets what a process sends just before it leaves");
	stand_up(&seat);
}

struct customer {
	pthread_t thread;
	size_t channel;
	int good;
};

static void *order_much(void *argument)
{
	struct customer *customer = argument;
	int round;

	customer->good = 1;
	for (round = 0; round < 10 && customer->good; round++) {
		struct seat seat = sit_down(customer->channel);
		void *channel = seat.channel;

		customer->good = channel && ((size_t)round + customer->channel) % 2
					 ? fetch(channel, 200, round % 3 ? 0 : KP_NB)
					 : deliver(channel, 200);
		stand_up(&seat);
	}
	return NULL;
}

static void test_parallel(void)
{
	struct customer customers[2 * CHANNELS];
	int i, good = 0;

	/* Two threads for each channel: one waits until the other leaves. */
	for (i = 0; i < 2 * CHANNELS; i++) {
		customers[i] = (struct customer){ .channel = (size_t)i % CHANNELS };
		pthread_create(&customers[i].thread, NULL, order_much, &customers[i]);
	}
	for (i = 0; i < 2 * CHANNELS; i++) {
		pthread_join(customers[i].thread, NULL);
		good += customers[i].good;
	}
	check(good == 2 * CHANNELS,
	      "kernproxy_channel() gives threads all channels in turn, which work in parallel");
}

static void test_two_modules(void)
{
	void *first = open_device("courier"), *second = open_device("pingpong0");
	void *courier = kernproxy_channel(first, 2, 1), *player = kernproxy_channel(second, 1, 1);
	const struct {
		unsigned int length;
		char text[4];
	} bye = { 4, "bye" }, abc = { 4, "abc" };
	int i, good = courier && player && kernproxy_receive(player, 0);

	for (i = 0; i < 100 && good; i++) {
		const char *answer;

		good = kernproxy_send(player, (void *)&abc, sizeof(abc), 0) == 0 &&
		       fetch(courier, 3, 0);
		answer = good ? kernproxy_receive(player, 0) : NULL;
		good = answer && memcmp(answer + sizeof(int), "bcd", 3) == 0;
	}
	check(good, "kernproxy_open() opens the devices of two modules in one process");
	kernproxy_send(player, (void *)&bye, sizeof(bye), 0);
	kernproxy_close(player);
	kernproxy_close(second);
	check(fetch(courier, 10, 0), "kernproxy_close() of one device leaves the other usable");
	kernproxy_close(first);
}

/* Old programs ask for the same number again, and close only their device. */
static void test_one_handle(void)
{
	int i, round, good = 1, different = 1;

	for (round = 0; round < 3; round++) {
		void *device = open_device("courier"), *channels[CHANNELS];

		for (i = 0; i < CHANNELS; i++) {
			channels[i] = kernproxy_channel(device, 1, 1);
			good = good && channels[i] && fetch(channels[i], 3, 0);
			different &= i == 0 || channels[i] != channels[i - 1];
		}
		kernproxy_close(device);
	}
	check(good && different,
	      "kernproxy_channel() gives another channel for a number that its handle has already");
	check(good, "kernproxy_close() of the device frees all of them");
}

struct sharer {
	pthread_t thread;
	void *device;
	int good;
};

static void *share_device(void *argument)
{
	struct sharer *sharer = argument;
	void *channel = kernproxy_channel(sharer->device, 0, 1);

	sharer->good = channel && fetch(channel, 100, 0) && deliver(channel, 100);
	return NULL;
}

static void test_shared_handle(void)
{
	struct sharer sharers[CHANNELS];
	void *device = open_device("courier");
	int i, good = 0;

	for (i = 0; i < CHANNELS; i++) {
		sharers[i] = (struct sharer){ .device = device };
		pthread_create(&sharers[i].thread, NULL, share_device, &sharers[i]);
	}
	for (i = 0; i < CHANNELS; i++) {
		pthread_join(sharers[i].thread, NULL);
		good += sharers[i].good;
	}
	kernproxy_close(device);
	check(good == CHANNELS,
	      "kernproxy_channel() gives threads that share a handle a channel each");
}

/* Two threads ask for one channel: the one that does not get it must get another. */
static int get_two(void)
{
	const struct timespec while_ = { .tv_nsec = 20000000 };
	struct sharer sharers[2];
	void *holder = open_device("courier"), *device = open_device("courier");
	void *channels[CHANNELS];
	int i;

	for (i = 0; i < CHANNELS; i++)
		channels[i] = kernproxy_channel(holder, (size_t)i, 1);
	for (i = 0; i < 2; i++) {
		sharers[i] = (struct sharer){ .device = device };
		pthread_create(&sharers[i].thread, NULL, share_device, &sharers[i]);
		nanosleep(&while_, NULL);
	}
	for (i = 0; i < 2; i++) {
		kernproxy_close(channels[i]);
		nanosleep(&while_, NULL);
	}
	for (i = 0; i < 2; i++)
		pthread_join(sharers[i].thread, NULL);
	kernproxy_close(holder);
	kernproxy_close(device);
	return sharers[0].good && sharers[1].good;
}

static void test_contended_handle(void)
{
	int rounds = 0;

	while (rounds < 10 && get_two())
		rounds++;
	check(rounds == 10,
	      "kernproxy_channel() does not wait for a channel that its own device has");
}

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000L + time.tv_nsec / 1000000;
}

/*
 * Also while the thread of the game before ends its nap, and passes a turn that no process waits
 * for.
 */
static int play_across(void *channel, long milliseconds)
{
	long end = now_ms() + milliseconds;
	int good = channel != NULL;

	while (good && now_ms() < end)
		good = fetch(channel, 20, 0);
	return good;
}

#define NAP_MS 200

/* Makes both calls without waiting while the kernel's side naps; -1: they came too late. */
static int refused(void *channel, unsigned int nap_ms)
{
	long start = now_ms();
	int good;

	give_order(channel, COURIER_NAP, nap_ms);
	good = kernproxy_send(channel, "x", 1, KP_NB) == -1 &&
	       kernproxy_error(channel) == EKU_NOTREADY && !kernproxy_receive(channel, KP_NB) &&
	       kernproxy_error(channel) == EKU_NOTREADY;
	return now_ms() - start < nap_ms ? good : -1;
}

static void test_refusals(const struct seat *seat)
{
	int good, said, passed = 1;
	unsigned int nap_ms = 300;

	do {
		good = refused(seat->channel, nap_ms);
		said = kernproxy_error(seat->device) == EKU_NOTREADY;
		passed &= kernproxy_send(seat->channel, NULL, 0, 0) == 0 &&
			  kernproxy_error(seat->channel) == 0;
		kernproxy_receive(seat->channel, 0);
		nap_ms *= 2;
	} while (good < 0 && nap_ms < 10000);
	check(good > 0, "kernproxy_send() and _receive() with KP_NB are refused while the kernel "
			"keeps its turn");
	check(said, "kernproxy_error() of the device returns that refusal");
	check(passed, "kernproxy_send() waits for its turn, and passes it");
}

static void test_turns(void)
{
	struct seat seat = sit_down(3);
	void *channel = seat.channel;
	const char *nothing;

	nothing = kernproxy_receive(channel, 0);
	check(nothing && nothing[0] == 0 && nothing[KP_NOTHING - 1] == 0,
	      "kernproxy_receive() returns a pass as zeros, as many as the header documents");
	memset(kernproxy_receive(channel, 0), 0x55, 4096);
	give_order(channel, COURIER_NAP, 0);
	nothing = kernproxy_receive(channel, 0);
	check(nothing && nothing[0] == 0 && nothing[KP_NOTHING - 1] == 0,
	      "kernproxy_receive() returns zeros again where the program has written into the last "
	      "pass");
	test_refusals(&seat);
	give_order(channel, COURIER_NAP, NAP_MS);
	/* The process leaves during the kernel's turn. */
	stand_up(&seat);
	seat = sit_down(3);
	check(play_across(seat.channel, 2 * NAP_MS),
	      "kernproxy_channel() gives the next process a new game");
	stand_up(&seat);
}

static void *errno_of_a_thread(void *argument)
{
	int *at_first = argument;

	*at_first = kernproxy_errno;
	kernproxy_send(NULL, "x", 1, 0);
	return NULL;
}

static void test_errors(void)
{
	struct seat seat = sit_down(0);
	void *channel = seat.channel;
	pthread_t thread;
	int at_first = -1;

	check(!kernproxy_open(NULL) && kernproxy_errno && kernproxy_error(NULL) == kernproxy_errno,
	      "kernproxy_error(NULL) returns why there is no handle");
	kernproxy_errno = 0;
	check(!kernproxy_channel(NULL, 0, 1) && kernproxy_errno == EINVAL &&
		      !kernproxy_receive(NULL, 0) && kernproxy_send(NULL, "x", 1, 0) == -1 &&
		      kernproxy_errno == EINVAL,
	      "kernproxy_channel() and others refuse no handle with EINVAL");
	check(kernproxy_send(channel, NULL, 1, 0) == -1 && kernproxy_error(channel) == EINVAL &&
		      kernproxy_send(channel, "x", 1, 2) == -1 &&
		      kernproxy_error(channel) == EINVAL && !kernproxy_receive(channel, 2) &&
		      kernproxy_error(channel) == EINVAL,
	      "kernproxy_send() and others refuse wrong arguments with EINVAL");
	check(!kernproxy_channel(channel, 0, 1) && kernproxy_error(channel) == EINVAL,
	      "kernproxy_channel() refuses a channel as its device with EINVAL");
	kernproxy_errno = 5;
	pthread_create(&thread, NULL, errno_of_a_thread, &at_first);
	pthread_join(thread, NULL);
	check(at_first == 0 && kernproxy_errno == 5, "kernproxy_errno is each thread's own");
	check(kernproxy_receive(channel, 0) && kernproxy_error(channel) == 0,
	      "kernproxy_error() of a channel is that of its last call");
	check(kernproxy_error(seat.device) == EINVAL,
	      "kernproxy_error() of a device is its last failure, also of a call on its channel");
	stand_up(&seat);
}

int main(int count, char **arguments)
{
	int i;

	if (count > 1)
		prefix = arguments[1];
	alarm(patience(600));
	for (i = 2; i < count; i++)
		kernproxy_close(kernproxy_open(arguments[i]));
	test_one_way();
	test_send_and_leave();
	test_parallel();
	test_two_modules();
	test_one_handle();
	test_shared_handle();
	test_contended_handle();
	test_turns();
	test_errors();
	return failures != 0;
}
