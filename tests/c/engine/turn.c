/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns between threads: several of a client's threads on one channel, users by kup_user_turn.h,
 * and channels that end while a thread waits.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kup_user_turn.h"
#include "layers/turn.h"
#include "user.h"

static const struct kup_config config = { .name = "turns",
					  .channels = 2,
					  .mode = KUP_MODE_TURN,
					  .to_user_pages = 1,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN };

/* The user's side. Returns 0 or a negative errno. */
static int join(struct kup_user_turn *player, kup_u32 number)
{
	struct kup_user_channel *channel;
	int error = kup_user_channel_open("host:turns", number, PATIENCE_MS, &channel);

	return error ? error : kup_user_turn_begin(player, channel);
}

/* ---- Several senders, and a receiver, of one client ---- */

#define SENDERS 3
#define PER_SENDER 200

struct sender {
	struct kup_turn *turn;
	pthread_t thread;
	kup_u32 number, sent;
};

static void *send_in_turn(void *argument)
{
	struct sender *sender = argument;
	struct kup_reservation reservation;
	kup_u32 i;

	for (i = 0; i < PER_SENDER; i++) {
		kup_u32 message[2] = { sender->number, i };

		/* Now and then a thread gives the turn back unused, and the next one gets it. */
		if (i % 5 == 0) {
			if (kup_turn_reserve(sender->turn, 16, KUP_TURN_DROP, KUP_FOREVER,
					     &reservation))
				break;
			kup_turn_discard(sender->turn, &reservation);
		}
		if (kup_turn_send(sender->turn, sender->number, message, sizeof(message),
				  KUP_TURN_DROP, KUP_FOREVER))
			break;
		sender->sent++;
	}
	return NULL;
}

/* Reads the user's answers. The other threads use its turn. */
static void *receive_answers(void *argument)
{
	struct kup_record record;
	kup_u8 buffer[16];
	int error;

	do {
		error = kup_turn_receive(argument, buffer, sizeof(buffer), &record, KUP_FOREVER);
		if (error == -EDEADLK)
			sched_yield();
	} while (!error || error == -EDEADLK);
	return NULL;
}

static int serve_senders(struct kup_channel *channel)
{
	struct sender senders[SENDERS] = { 0 };
	struct kup_turn turn;
	pthread_t receiver;
	kup_u32 i;

	kup_turn_begin(&turn, channel);
	pthread_create(&receiver, NULL, receive_answers, &turn);
	for (i = 0; i < SENDERS; i++) {
		senders[i].turn = &turn;
		senders[i].number = i;
		pthread_create(&senders[i].thread, NULL, send_in_turn, &senders[i]);
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	kup_channel_close(channel);
	pthread_join(receiver, NULL);
	return 0;
}

/* The user answers each message by a message, a pass, or after a while. */
static int answer(struct kup_user_turn *player, kup_u32 *state)
{
	if (dice(state) % 8 == 0)
		sleep_ms(1);
	if (dice(state) % 2)
		return kup_user_turn_pass(player, 0, PATIENCE_MS);
	return kup_user_turn_send(player, 9, "answer", 6, 0, PATIENCE_MS);
}

static void test_senders(void)
{
	const struct kup_ops ops = { .serve = serve_senders };
	struct kup_device *device = make_device(&config, &ops);
	struct kup_user_turn player = { 0 };
	struct kup_user_message message;
	kup_u32 next[SENDERS] = { 0 }, wrong = 0, state = dice_seed(70), got = 0;
	int error = join(&player, 0);

	while (!error && !(error = kup_user_turn_receive(&player, &message, PATIENCE_MS))) {
		kup_u32 words[2];

		if (message.length == sizeof(words)) {
			memcpy(words, message.data, sizeof(words));
			got++;
			wrong += words[0] >= SENDERS || words[1] != next[words[0]]++;
		} else {
			wrong++;
		}
		if (answer(&player, &state) == -EPIPE)
			continue; /* what is left to read */
	}
	check(error == -EPIPE && !wrong && got == SENDERS * PER_SENDER,
	      "kup_turn_send() in several threads takes turns, and sends each message",
	      "%s, %u of %u, %u wrong", strerror(-error), got, SENDERS * PER_SENDER, wrong);
	kup_user_channel_close(player.channel);
	kup_device_destroy(device);
}

/* ---- A reservation that is discarded, while other threads wait ---- */

static int discard_result, receive_result;

static void *wait_for_turn(void *argument)
{
	discard_result = kup_turn_send(argument, 1, "mine", 4, 0, 5000 * KUP_MS);
	return NULL;
}

static void *wait_for_record(void *argument)
{
	struct kup_record record;

	receive_result = kup_turn_peek(argument, &record, 5000 * KUP_MS);
	return NULL;
}

static int serve_discard(struct kup_channel *channel)
{
	struct kup_reservation reservation;
	pthread_t sender, receiver;
	struct kup_turn turn;

	kup_turn_begin(&turn, channel);
	if (kup_turn_reserve(&turn, 8, 0, KUP_FOREVER, &reservation))
		return 0;
	pthread_create(&receiver, NULL, wait_for_record, &turn);
	sleep_ms(20);
	kup_turn_discard(&turn, &reservation);
	pthread_join(receiver, NULL);
	if (kup_turn_reserve(&turn, 8, 0, KUP_FOREVER, &reservation))
		return 0;
	pthread_create(&sender, NULL, wait_for_turn, &turn);
	sleep_ms(20);
	kup_turn_discard(&turn, &reservation);
	pthread_join(sender, NULL);
	return 0;
}

static void test_discard(void)
{
	const struct kup_ops ops = { .serve = serve_discard };
	struct kup_device *device = make_device(&config, &ops);
	struct kup_user_message message = { 0 };
	struct kup_user_turn player = { 0 };
	int error = join(&player, 0);

	if (!error)
		error = kup_user_turn_receive(&player, &message, PATIENCE_MS);
	kup_device_destroy(device);
	check(!error && message.length == 4 && discard_result == 0,
	      "kup_turn_discard() hands the turn to a thread that waits for it", "%s, %s",
	      strerror(-error), strerror(-discard_result));
	check(receive_result == -EDEADLK,
	      "kup_turn_peek() fails when a discarded reservation leaves the turn with the kernel",
	      "%s", strerror(-receive_result));
	kup_user_channel_close(player.channel);
}

/* ---- Threads that drive a channel without serve: what a user that has left had sent ---- */

static struct kup_channel *driven;
static kup_u32 rest_seen;
static int rest_error;

static int attach_driven(struct kup_channel *channel)
{
	kup_channel_get(channel);
	__atomic_store_n(&driven, channel, __ATOMIC_RELEASE);
	return 0;
}

static void *read_rest(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_record record;
	kup_u8 buffer[64];

	while (!(rest_error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER)))
		rest_seen++;
	kup_channel_put(channel);
	return NULL;
}

static void test_rest(void)
{
	const struct kup_ops ops = { .attach = attach_driven };
	struct kup_config stream = config;
	struct kup_device *device;
	pthread_t thread;
	kup_u32 i, before, wrong = 0;

	stream.mode = KUP_MODE_STREAM;
	device = make_device(&stream, &ops);
	for (i = 0; i < 50; i++) {
		struct kup_user_channel *channel;

		if (kup_user_channel_open("host:turns", 0, PATIENCE_MS, &channel))
			break;
		before = rest_seen;
		kup_user_send(channel, 1, "one", 3, PATIENCE_MS);
		pthread_create(&thread, NULL, read_rest, driven);
		kup_user_send(channel, 1, "two", 3, PATIENCE_MS);
		kup_user_channel_close(channel);
		pthread_join(thread, NULL);
		wrong += rest_seen != before + 2 || rest_error != -EPIPE;
	}
	check(!wrong && i == 50, "kup_turn_peek() returns what a user has sent before it left",
	      "%u times not, %s", wrong, strerror(-rest_error));
	kup_device_destroy(device);
}

/* ---- All at once ---- */

static kup_u32 stop;

static int serve_turns(struct kup_channel *channel)
{
	struct kup_record record;
	struct kup_turn turn;
	kup_u8 buffer[300];
	int error = 0;

	kup_turn_begin(&turn, channel);
	while (!error) {
		error = kup_turn_receive(&turn, buffer, sizeof(buffer), &record, KUP_FOREVER);
		if (error == -EDEADLK || (!error && record.control))
			error = kup_turn_pass(&turn, 0, KUP_FOREVER);
		else if (!error)
			error = kup_turn_send(&turn, record.type, buffer, record.length, 0,
					      KUP_FOREVER);
	}
	return 0;
}

static int play(struct kup_user_turn *player, kup_u32 *state)
{
	struct kup_user_message message;
	kup_u32 round, rounds = dice(state) % 40;
	int error = 0;

	if (dice(state) % 2)
		kup_user_channel_set_spin(player->channel, dice(state) % 2 ? 0 : 1000);
	for (round = 0; round < rounds && !error; round++) {
		error = dice(state) % 3
				? kup_user_turn_send(player, round, "hello", 5, KUP_USER_TURN_DROP,
						     PATIENCE_MS)
				: kup_user_turn_pass(player, KUP_USER_TURN_DROP, PATIENCE_MS);
		if (!error && dice(state) % 4)
			error = kup_user_turn_receive(player, &message, PATIENCE_MS);
	}
	return error == -EPIPE ? 0 : error;
}

struct guest {
	pthread_t thread;
	kup_u32 number, rounds;
	int error;
};

static void *come_and_go(void *argument)
{
	struct guest *guest = argument;
	kup_u32 state = dice_seed(800 + guest->number);

	while (!kup_load(&stop) && !guest->error) {
		struct kup_user_turn player = { 0 };

		if (join(&player, KUP_CHANNEL_ANY)) {
			sched_yield();
			continue;
		}
		guest->error = play(&player, &state);
		guest->rounds++;
		storm_step();
		kup_user_channel_close(player.channel);
	}
	return NULL;
}

static void test_storm(void)
{
	const struct kup_ops ops = { .serve = serve_turns };
	struct guest guests[3] = { 0 };
	kup_u32 i, rounds = 0;
	int error = 0;

	storm_begin();
	kup_store(&stop, 0);
	for (i = 0; i < 3; i++) {
		guests[i].number = i;
		pthread_create(&guests[i].thread, NULL, come_and_go, &guests[i]);
	}
	while (storm_goes_on(30)) {
		struct kup_device *device = make_device(&config, &ops);

		storm_pause(30);
		kup_device_destroy(device);
	}
	kup_store(&stop, 1);
	for (i = 0; i < 3; i++) {
		pthread_join(guests[i].thread, NULL);
		rounds += guests[i].rounds;
		error = guests[i].error ? guests[i].error : error;
	}
	check(!error && rounds >= 30,
	      "kup_turn_send() and users work while their device comes and goes", "%s after %u",
	      strerror(-error), rounds);
	fprintf(stderr, "# %u games in turns\n", rounds);
}

void turn_cases(void)
{
	test_discard();
	test_senders();
	test_rest();
	test_storm();
}
