/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Old modules that stop using a number before a call on it has failed, as those of the predecessor
 * may, and old programs on both sides that write the whole size at each message.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kup_1/kup.h"
#include "kup_user_turn.h"
#include "kupdev.h"
#include "layers/turn.h"
#include "user.h"

/* The channel with this number, or NULL. Returns the device's handle. */
static void *visit(size_t number, void **channel)
{
	void *device = kernproxy_open("host:early");

	*channel = device ? kernproxy_channel(device, number, 1) : NULL;
	return device;
}

/* As kernproxy_receive(), but with a time limit. */
static void *hear(void *channel)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	void *message;

	if (!channel)
		return NULL;
	while (!(message = kernproxy_receive(channel, KP_NB)) &&
	       kernproxy_error(channel) == EKU_NOTREADY && os_now_ns() < end)
		sched_yield();
	return message;
}

/* Attaches the channel, waits for the kernel's message, and leaves. */
static int is_served(size_t number)
{
	void *channel, *device = visit(number, &channel);
	const char *message = hear(channel);
	int good = message && strcmp(message, "hello") == 0;

	kernproxy_close(device);
	return good;
}

/* ---- Modules that send once ---- */

/* The loop of the predecessor's manual: one thread, which ignores that processes end. */
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
	      "kupdev_wait_channel() returns a number again to the thread that made the last call "
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

/* A thread for each process, which ends after one message. */
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
	      "kupdev_wait_channel() returns a number again when the last thread that used it has "
	      "ended",
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
		sched_yield();
	busy->late = kupdev_send(busy->sc, "late", 5, 0);
	return NULL;
}

/*
 * Numbers are searched in turn, and 0 is the next one; only its thread, which still runs, holds it
 * back.
 */
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
		sched_yield();
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
	      "kupdev_wait_channel() keeps a number back while the last thread that used it may "
	      "call once more",
	      "%d, %d, %d, %d, %d", numbers[0], numbers[1], numbers[2], numbers[3], busy.late);
	kernproxy_close(zero);
	kernproxy_close(one);
	kupdev_unload(sc);
}

/* ---- Programs that write the whole size at each message ---- */

#define SIZES 4

/* Both sides derive from the round what the other one sends. */
static size_t length_in(kup_u32 round, size_t most)
{
	const size_t lengths[SIZES] = { 1, 24, most / 2 + 3, most };

	return lengths[round % SIZES];
}

/* As a header this is finished with wrong flags or a wrong length, or it is not finished. */
static int byte_in(kup_u32 round)
{
	return (int)((0xfd + round * 0x29) & 0xff);
}

static int is_filled(const kup_u8 *bytes, int byte, size_t length)
{
	size_t i;

	for (i = 0; bytes && i < length; i++)
		if (bytes[i] != byte)
			return 0;
	return bytes != NULL;
}

struct filler {
	struct kupdev_softc *sc;
	kup_u32 rounds;
	kup_u32 wrong; /* the first round that was wrong */
	size_t most;
};

/* Answers in place, and fills the whole size before that. */
static void *fill(void *argument)
{
	struct filler *filler = argument;
	const size_t most = filler->most;
	int number = kupdev_wait_channel(filler->sc);
	kup_u32 round;

	kupdev_pass(filler->sc, number);
	for (round = 0; round < filler->rounds; round++) {
		size_t length = length_in(round, most);
		kup_u8 *message = kupdev_receive(filler->sc, number);

		if (!is_filled(message, byte_in(round), length))
			break;
		memset(message, byte_in(round) ^ 0x80, most);
		if (kupdev_send(filler->sc, message, length_in(round / SIZES, most), number))
			break;
	}
	filler->wrong = round;
	kupdev_receive(filler->sc, number);
	return NULL;
}

static void test_whole_size(void)
{
	struct filler filler = { .sc = kupdev_create("early", 2, 1), .rounds = 200 };
	void *channel, *device = kernproxy_open("host:early");
	kup_u8 *message;
	pthread_t thread;
	kup_u32 round;

	filler.most = 2 * os_page_size();
	channel = kernproxy_channel(device, 0, 2);
	pthread_create(&thread, NULL, fill, &filler);
	message = hear(channel);
	for (round = 0; round < filler.rounds && message; round++) {
		memset(message, byte_in(round), filler.most);
		if (kernproxy_send(channel, message, length_in(round, filler.most), 0))
			break;
		message = hear(channel);
		if (!is_filled(message, byte_in(round) ^ 0x80,
			       length_in(round / SIZES, filler.most)))
			break;
	}
	kernproxy_close(device);
	pthread_join(thread, NULL);
	check(round == filler.rounds && filler.wrong == filler.rounds,
	      "kupdev_receive() and kernproxy_receive() return room for the whole size, with any "
	      "bytes in it",
	      "in round %u, %u", round, filler.wrong);
	kupdev_unload(filler.sc);
}

/* A newer program reserves more room than it sends, so a discarded record lies behind. */
static int send_shortened(struct kup_user_turn *turn, kup_u32 round, size_t most)
{
	struct kup_user_reservation reservation;
	size_t length = length_in(round, most);
	int error = kup_user_turn_reserve(turn, (uint32_t)most, 0, PATIENCE_MS, &reservation);

	if (error)
		return error;
	memset(reservation.data, byte_in(round), most);
	return kup_user_turn_commit(turn, &reservation, 0, (uint32_t)length);
}

static void test_whole_size_shortened(void)
{
	struct filler filler = { .sc = kupdev_create("early", 1, 1), .rounds = 200 };
	struct kup_user_message message = { .control = 1 };
	struct kup_user_channel *channel = NULL;
	struct kup_user_turn turn;
	pthread_t thread;
	kup_u32 round;
	int error = kup_user_channel_open("host:early", 0, 0, &channel);

	filler.most = os_page_size();
	pthread_create(&thread, NULL, fill, &filler);
	if (!error)
		error = kup_user_turn_begin(&turn, channel);
	if (!error)
		error = kup_user_turn_receive(&turn, &message, PATIENCE_MS);
	for (round = 0; round < filler.rounds && !error; round++) {
		error = send_shortened(&turn, round, filler.most);
		if (!error)
			error = kup_user_turn_receive(&turn, &message, PATIENCE_MS);
	}
	kup_user_channel_close(channel);
	pthread_join(thread, NULL);
	check(!error && filler.wrong == filler.rounds,
	      "kupdev_receive() returns room for the whole size with a message that was shortened",
	      "%s in round %u, %u", strerror(-error), round, filler.wrong);
	kupdev_unload(filler.sc);
}

/* The device's side is a newer module, which shortens its messages. */
static int shorten(struct kup_channel *channel)
{
	const kup_u32 most = os_page_size();
	struct kup_reservation reservation;
	struct kup_record record;
	struct kup_turn turn;
	kup_u32 round;
	int error = 0;

	kup_turn_begin(&turn, channel);
	for (round = 0; !error; round++) {
		error = kup_turn_reserve(&turn, most, KUP_TURN_DROP, KUP_FOREVER, &reservation);
		if (error)
			break;
		memset(reservation.data, byte_in(round), most);
		error = kup_turn_commit(&turn, &reservation, 0, (kup_u32)length_in(round, most));
		if (!error)
			error = kup_turn_peek(&turn, &record, KUP_FOREVER);
	}
	return error;
}

static void test_whole_size_of_a_program(void)
{
	const struct kup_config config = { .name = "early", .mode = KUP_MODE_TURN };
	const struct kup_ops ops = { .serve = shorten };
	const size_t most = os_page_size();
	kup_u32 round, rounds = 200;
	struct kup_device *device = NULL;
	void *channel, *handle;
	int good = kup_device_create(&config, &ops, NULL, &device) == 0;

	handle = visit(0, &channel);
	for (round = 0; round < rounds && good; round++) {
		kup_u8 *message = hear(channel);

		good = is_filled(message, byte_in(round), length_in(round, most));
		if (good) {
			memset(message, 0xff, most);
			good = kernproxy_send(channel, NULL, 0, 0) == 0;
		}
	}
	check(good,
	      "kernproxy_receive() returns room for the whole size with a message that was "
	      "shortened",
	      "in round %u", round);
	kernproxy_close(handle);
	kup_device_destroy(device);
}

/* ---- Rings that are smaller than the device's ---- */

static int attach_small(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes)
{
	struct kup_attach attach = {
		.abi_version = KUP_ABI_VERSION,
		.understood = KUP_FEATURES,
		.to_user_bytes = to_user_bytes,
		.to_kernel_bytes = to_kernel_bytes,
	};
	int error, file = kup_user_open("host:early");

	if (file < 0)
		return file;
	error = kup_user_attach(file, &attach);
	kup_user_close(file);
	return error;
}

static void test_small_rings(void)
{
	struct kupdev_softc *sc = kupdev_create("early", 4, 1);
	const kup_u32 page = os_page_size();
	int errors[] = { attach_small(page, 0), attach_small(0, page), attach_small(8 * page, 0) };

	check(errors[0] == -EINVAL && errors[1] == -EINVAL && errors[2] == 0,
	      "ATTACH of a kupdev refuses rings that are too small for the whole size with EINVAL",
	      "%d, %d, %d", errors[0], errors[1], errors[2]);
	kupdev_unload(sc);
}

void kupdev_given_up_cases(void)
{
	test_one_thread();
	test_thread_ends();
	test_thread_lives();
	test_whole_size();
	test_whole_size_shortened();
	test_whole_size_of_a_program();
	test_small_rings();
}
