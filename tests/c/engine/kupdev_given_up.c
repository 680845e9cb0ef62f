/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules of the predecessor's that stop using a number before a call has failed.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "include/kup.h"
#include "kupdev.h"
#include "user.h"

/* Of the channel with this number, or NULL; returns the device's handle. */
static void *visit(size_t number, void **channel)
{
	void *device = kernproxy_open("host:early");

	*channel = device ? kernproxy_channel(device, number, 1) : NULL;
	return device;
}

/* As kernproxy_receive, but not without an end. */
static void *hear(void *channel)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	void *message;

	if (!channel)
		return NULL;
	while (!(message = kernproxy_receive(channel, KP_NB)) &&
	       kernproxy_error(channel) == EKU_NOTREADY && os_now_ns() < end)
		os_relax();
	return message;
}

/* Attaches the channel, waits for the kernel's word, and leaves. */
static int is_served(size_t number)
{
	void *channel, *device = visit(number, &channel);
	const char *message = hear(channel);
	int good = message && strcmp(message, "hello") == 0;

	kernproxy_close(device);
	return good;
}

/* ---- Modules that send once ---- */

/* The loop of the predecessor's manual: one thread, which knows no ends. */
static void *greet(void *sc)
{
	int number;

	while ((number = kupdev_wait_channel(sc)) >= 0)
		kupdev_send(sc, "hello", 6, number);
	return NULL;
}

static void test_one_thread(void)
{
	struct kupdev_softc *sc = kupdev_create("early", 1, 2);
	kup_u32 round, rounds = run.delays ? 50 : 500;
	pthread_t thread;
	int good = 1;

	pthread_create(&thread, NULL, greet, sc);
	for (round = 0; round < rounds && good; round++)
		good = is_served(round % 3 == 0);
	check(good,
	      "kupdev_wait_channel returns a number again to the thread that made the last call "
	      "with it",
	      "not in round %u", round);
	kupdev_unload(sc);
	pthread_join(thread, NULL);
}

struct player {
	struct kupdev_softc *sc;
	int number;
};

static void *play(void *argument)
{
	const struct player *player = argument;

	kupdev_send(player->sc, "hello", 6, player->number);
	kupdev_receive(player->sc, player->number);
	return NULL;
}

/* A thread for each process, which ends when the process has said something. */
static void *deal(void *sc)
{
	pthread_t thread;
	struct player player = { .sc = sc };
	int plays = 0;

	for (;;) {
		int number = kupdev_wait_channel(sc);

		if (plays)
			pthread_join(thread, NULL);
		if (number < 0)
			return NULL;
		player.number = number;
		plays = pthread_create(&thread, NULL, play, &player) == 0;
	}
}

static int says_bye(void)
{
	void *channel, *device = visit(0, &channel);
	const char *message = hear(channel);
	int good = message && strcmp(message, "hello") == 0 &&
		   kernproxy_send(channel, "bye", 4, 0) == 0;

	kernproxy_close(device);
	return good;
}

static void test_thread_ends(void)
{
	struct kupdev_softc *sc = kupdev_create("early", 1, 1);
	kup_u32 round, rounds = 10;
	pthread_t thread;
	int good = 1;

	pthread_create(&thread, NULL, deal, sc);
	for (round = 0; round < rounds && good; round++)
		good = says_bye();
	check(good,
	      "kupdev_wait_channel returns a number again when the thread that made the last call "
	      "with it has ended",
	      "not in round %u", round);
	kupdev_unload(sc);
	pthread_join(thread, NULL);
}

struct busy {
	struct kupdev_softc *sc;
	kup_u32 sent, goes_on;
	int late;
};

static void *send_and_stay(void *argument)
{
	struct busy *busy = argument;

	kupdev_send(busy->sc, "hello", 6, 0);
	kup_store_release(&busy->sent, 1);
	while (!kup_load_acquire(&busy->goes_on))
		os_relax();
	busy->late = kupdev_send(busy->sc, "late", 5, 0);
	return NULL;
}

/* Numbers are searched in turn, and 0 is the next one; only that its thread lives holds it back. */
static void test_thread_lives(void)
{
	struct kupdev_softc *sc = kupdev_create("early", 1, 2);
	struct busy busy = { .sc = sc };
	void *zero, *one, *channel;
	pthread_t thread;
	int numbers[4];

	zero = visit(0, &channel);
	numbers[0] = kupdev_wait_channel(sc);
	one = visit(1, &channel);
	numbers[1] = kupdev_wait_channel(sc);
	pthread_create(&thread, NULL, send_and_stay, &busy);
	while (!kup_load_acquire(&busy.sent))
		os_relax();
	kernproxy_close(zero);
	zero = visit(0, &channel);
	kernproxy_close(one);
	kupdev_send(sc, "x", 1, 1);
	one = visit(1, &channel);
	numbers[2] = kupdev_wait_channel(sc);
	kup_store_release(&busy.goes_on, 1);
	numbers[3] = kupdev_wait_channel(sc);
	pthread_join(thread, NULL);
	check(numbers[0] == 0 && numbers[1] == 1 && numbers[2] == 1 && numbers[3] == 0 &&
		      busy.late == -EPIPE,
	      "kupdev_wait_channel keeps a number back while the thread that made the last call "
	      "with it may make another one, which fails",
	      "%d, %d, %d, %d, %d", numbers[0], numbers[1], numbers[2], numbers[3], busy.late);
	kernproxy_close(zero);
	kernproxy_close(one);
	kupdev_unload(sc);
}

void kupdev_given_up_cases(void)
{
	test_one_thread();
	test_thread_ends();
	test_thread_lives();
}
