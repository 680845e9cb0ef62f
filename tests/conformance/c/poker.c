/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turn mode beside processes that follow no rule: honest users are not disturbed, and all channels
 * become free.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "poke.h"

#define LIARS 3

struct liar {
	pthread_t thread;
	uint32_t seed;
	int error;
};

/* Atomic. */
static uint32_t stop, lives, broken;

static void add(uint32_t *word, uint32_t number)
{
	__atomic_fetch_add(word, number, __ATOMIC_RELAXED);
}

static bool had_all(void)
{
	return __atomic_load_n(&lives, __ATOMIC_RELAXED) > 10 &&
	       __atomic_load_n(&broken, __ATOMIC_RELAXED) > 0;
}

static void *lie(void *argument)
{
	struct liar *liar = argument;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct peer peer;
		/* Channel 0 is the witness's. */
		uint32_t channel = 1 + random_next(&liar->seed) % (CHANNELS - 1);
		int error = peer_start(&peer, channel);

		if (error == -EBUSY)
			continue;
		if (error != 0) {
			liar->error = error;
			break;
		}
		poke(&peer, &liar->seed, random_next(&liar->seed) % 3000);
		add(&broken, peer_state(&peer) == KUP_STATE_BROKEN);
		add(&lives, 1);
		peer_stop(&peer);
	}
	return NULL;
}

/* An honest message there and back. */
static bool echoes(struct peer *peer, uint32_t type)
{
	struct record record;
	bool same;

	if (peer_send(peer, type, &type, sizeof(type)) != 0 || peer_receive(peer, &record) != 0)
		return false;
	same = record.type == type && record.flags == 0 && record.length == sizeof(type);
	peer_release(peer, &record);
	return same;
}

static bool first_turn(struct peer *peer)
{
	struct record record;
	bool good = peer_receive(peer, &record) == 0 && record_is(&record, KUP_CONTROL_PASS);

	if (good)
		peer_release(peer, &record);
	return good;
}

static void test_liars(unsigned int milliseconds)
{
	struct liar liars[LIARS] = { 0 };
	uint64_t end = now_ms() + milliseconds;
	uint32_t rounds = 0;
	struct peer witness;
	int error = 0;
	bool good;

	peer_need(&witness, 0);
	good = first_turn(&witness);
	for (uint32_t i = 0; i < LIARS; i++) {
		liars[i].seed = 4711 + i;
		pthread_create(&liars[i].thread, NULL, lie, &liars[i]);
	}
	/* A slow machine needs more time. */
	while (good && (now_ms() < end || (!had_all() && now_ms() < end + PATIENCE_MS)))
		good = echoes(&witness, rounds++ & 0xffff);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < LIARS; i++) {
		pthread_join(liars[i].thread, NULL);
		error = liars[i].error ? liars[i].error : error;
	}
	check(good,
	      "kup_user_turn_send() and _receive() work beside users that write any value anywhere",
	      "round %u, state %u", rounds, peer_state(&witness));
	check(error == 0 && had_all(),
	      "the kernel's side breaks the channels of such users, again and again",
	      "%u lives, %u broken, %s", lives, broken, error_name(error));
	printf("# %u rounds; %u lives, of which %u were broken\n", rounds, lives, broken);
	peer_stop_wait(&witness);
}

static void test_afterwards(void)
{
	int fd = echo_open();
	uint32_t good = 0;

	check(all_free(fd), "close() frees the channels of such users", "%u channels are free",
	      channels_free(fd));
	kup_user_close(fd);
	for (uint32_t i = 0; i < CHANNELS; i++) {
		struct peer peer;

		peer_need(&peer, i);
		good += first_turn(&peer) && echoes(&peer, i);
		peer_stop_wait(&peer);
	}
	check(good == CHANNELS, "kup_user_turn_begin() works for the next owner of each channel",
	      "%u of %u do", good, CHANNELS);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 120);
	need_unload();
	need(module_load("mode=2 to_user_pages=2 to_kernel_pages=1") == 0,
	     "the echo client can be loaded in turn mode");
	test_liars(3000);
	test_afterwards();
	need_unload();
	reload();
	return finish();
}
