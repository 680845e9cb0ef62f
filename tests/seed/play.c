/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program as it was written for KUP's predecessor, on its user API alone: plays with pingpong.c,
 * in every way that the old tests did and some that they did not. Prints "ok SENTENCE" or "not ok
 * SENTENCE".
 *
 *   play [PREFIX [MODULE]]     the devices are PREFIXpingpong0 and PREFIXpingpong1, with 3
 *                              channels of 4 pages; MODULE is opened first, by its path: on the
 *                              host driver that loads it
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kup.h"

#include "../lib/patience.h"

#define CHANNELS 3
#define DEVICES 2
#define PAGES 4

static const char *prefix = "";
static int failures;

static void check(int good, const char *sentence)
{
	printf("%s %s\n", good ? "ok" : "not ok", sentence);
	fflush(stdout);
	failures += !good;
}

/* As in pingpong.c: the API returns no lengths. */
struct message {
	unsigned int length;
	char text[];
};

static void *open_device(int number)
{
	char name[128];

	snprintf(name, sizeof(name), "%spingpong%d", prefix, number);
	return kernproxy_open(name);
}

/* ---- One exchange ---- */

static int send_bytes(void *channel, char first, unsigned int length, int flags)
{
	struct message *message = malloc(sizeof(*message) + length);
	int error;

	message->length = length;
	memset(message->text, first, length);
	error = kernproxy_send(channel, message, sizeof(*message) + length, flags);
	free(message);
	return error;
}

static int is_bytes(const struct message *message, char first, unsigned int length)
{
	unsigned int i;

	if (!message || message->length != length)
		return 0;
	for (i = 0; i < length; i++)
		if (message->text[i] != first)
			return 0;
	return 1;
}

/* The kernel begins; then `rounds` there and back. */
static int play(void *channel, int number, int rounds)
{
	struct message *hello = kernproxy_receive(channel, 0);
	int i;

	if (!hello || strncmp(hello->text, "hello ", 6) != 0 || hello->text[6] != '0' + number)
		return 0;
	for (i = 0; i < rounds; i++) {
		unsigned int length = 1 + (unsigned int)(i * 37 % 4000);
		char first = (char)('A' + i % 20);

		if (send_bytes(channel, first, length, 0))
			return 0;
		if (!is_bytes(kernproxy_receive(channel, 0), (char)(first + 1), length))
			return 0;
	}
	return 1;
}

static int bye(void *channel)
{
	static const struct {
		unsigned int length;
		char text[4];
	} message = { 4, "bye" };

	return kernproxy_send(channel, (void *)&message, sizeof(message), 0);
}

/* ---- Cases ---- */

static void test_single(void)
{
	void *device = open_device(0);
	void *channel = device ? kernproxy_channel(device, 0, PAGES) : NULL;

	check(device != NULL && kernproxy_error(device) == 0, "a device opens");
	check(channel != NULL, "kernproxy_channel() attaches a channel");
	check(play(channel, 0, 500),
	      "kernproxy_send() and _receive() carry messages of all sizes, in turns");
	check(kernproxy_receive(channel, 0) == kernproxy_receive(channel, 0),
	      "kernproxy_receive() at the process's own turn returns the same message again");
	check(bye(channel) == 0, "kernproxy_send() sends the last message");
	kernproxy_close(channel);
	kernproxy_close(device);
}

struct player {
	pthread_t thread;
	int device, channel, good;
};

static void *play_alone(void *argument)
{
	struct player *player = argument;
	void *device = open_device(player->device);
	void *channel = kernproxy_channel(device, (size_t)player->channel, 1);

	player->good = channel && play(channel, player->channel, 300) && bye(channel) == 0;
	kernproxy_close(device);
	return NULL;
}

static void test_many(void)
{
	struct player players[DEVICES * CHANNELS];
	int i, good = 0;

	for (i = 0; i < DEVICES * CHANNELS; i++) {
		players[i] = (struct player){ .device = i / CHANNELS, .channel = i % CHANNELS };
		pthread_create(&players[i].thread, NULL, play_alone, &players[i]);
	}
	for (i = 0; i < DEVICES * CHANNELS; i++) {
		pthread_join(players[i].thread, NULL);
		good += players[i].good;
	}
	check(good == DEVICES * CHANNELS,
	      "kernproxy_channel() gives channels of several devices, which play at once");
}

static void test_non_blocking(void)
{
	void *device = open_device(1);
	void *channel = kernproxy_channel(device, 1, 1);
	struct message *message = NULL;
	int i, good = 1;

	while (!message) {
		message = kernproxy_receive(channel, KP_NB);
		good &= message || kernproxy_error(channel) == EKU_NOTREADY;
	}
	check(good,
	      "kernproxy_receive() with KP_NB fails with EKU_NOTREADY until there is a message");
	for (i = 0, good = 1; i < 200 && good; i++) {
		good = send_bytes(channel, 'a', 10, KP_NB) == 0;
		while (good && !(message = kernproxy_receive(channel, KP_NB)))
			good = kernproxy_error(channel) == EKU_NOTREADY;
		good = good && is_bytes(message, 'b', 10);
	}
	check(good, "kernproxy_send() and _receive() with KP_NB play a whole game");
	/* After that the kernel keeps its turn. */
	bye(channel);
	check(kernproxy_send(channel, "", 1, KP_NB) == -1 &&
		      kernproxy_error(channel) == EKU_NOTREADY &&
		      !kernproxy_receive(channel, KP_NB) && kernproxy_errno == EKU_NOTREADY,
	      "kernproxy_send() and _receive() with KP_NB fail with EKU_NOTREADY at the kernel's "
	      "turn");
	kernproxy_close(channel);
	kernproxy_close(device);
}

static void test_large(void)
{
	const size_t most = PAGES * (size_t)getpagesize();
	const unsigned int length = (unsigned int)(most - sizeof(struct message));
	void *device = open_device(0);
	void *channel = kernproxy_channel(device, 2, PAGES);
	int i, good = 1;

	kernproxy_receive(channel, 0);
	for (i = 0; i < 50 && good; i++)
		good = send_bytes(channel, 'x', length, 0) == 0 &&
		       is_bytes(kernproxy_receive(channel, 0), 'y', length);
	check(good, "kernproxy_send() and _receive() carry the largest messages");
	check(send_bytes(channel, 'x', length + 1, 0) == -1 && kernproxy_error(channel) == EMSGSIZE,
	      "kernproxy_send() refuses a message that is too long with EMSGSIZE");
	check(send_bytes(channel, 'x', 3, 0) == 0 &&
		      is_bytes(kernproxy_receive(channel, 0), 'y', 3),
	      "kernproxy_send() sends nothing of a message that it refused");
	bye(channel);
	kernproxy_close(channel);
	kernproxy_close(device);
}

static void test_pass(void)
{
	static const struct {
		unsigned int length;
		char text[5];
	} pass = { 5, "pass" };
	void *device = open_device(0);
	void *channel = kernproxy_channel(device, 1, 1);
	char *nothing;
	int i, good = 1;

	kernproxy_receive(channel, 0);
	for (i = 0; i < 2000 && good; i++) {
		good = kernproxy_send(channel, (void *)&pass, sizeof(pass), 0) == 0;
		nothing = good ? kernproxy_receive(channel, 0) : NULL;
		good = nothing && *nothing == 0;
	}
	check(good, "kernproxy_send() without data passes a byte of zero, and gives the turn");
	/* Without receiving what the kernel has passed. */
	for (i = 0; i < 5000 && good; i++)
		good = kernproxy_send(channel, (void *)&pass, sizeof(pass), 0) == 0;
	check(good, "kernproxy_send() has room when passes are not received");
	check(send_bytes(channel, 'a', 3, 0) == 0, "kernproxy_send() works after those passes");
	check(is_bytes(kernproxy_receive(channel, 0), 'b', 3),
	      "kernproxy_receive() gets the right answer after those passes");
	bye(channel);
	kernproxy_close(channel);
	kernproxy_close(device);
}

static void *attach_late(void *device)
{
	/* Waits until the other thread closes it. */
	return kernproxy_channel(device, 0, 1);
}

static void test_waiting(void)
{
	const struct timespec while_ = { .tv_nsec = 100000000 };
	void *device = open_device(1), *first = kernproxy_channel(device, 0, 1);
	void *other = open_device(1), *second = NULL;
	pthread_t thread;
	int good = play(first, 0, 3);

	pthread_create(&thread, NULL, attach_late, other);
	nanosleep(&while_, NULL);
	bye(first);
	kernproxy_close(first);
	pthread_join(thread, &second);
	check(good && second, "kernproxy_channel() waits until the channel is free");
	check(play(second, 0, 3), "kernproxy_channel() gives the next user a new game");
	bye(second);
	kernproxy_close(other);
	kernproxy_close(device);
}

static void test_errors(void)
{
	void *device = open_device(0);
	char name[128];

	snprintf(name, sizeof(name), "%snothing-of-that-name", prefix);
	check(kernproxy_open(name) == NULL && kernproxy_errno == ENOENT,
	      "kernproxy_open() of a device that does not exist fails with ENOENT");
	check(kernproxy_open("/dev/null") == NULL && kernproxy_errno == ENOTTY,
	      "kernproxy_open() of a file that is no device fails with ENOTTY");
	check(kernproxy_channel(device, CHANNELS, 1) == NULL && kernproxy_error(device) == EINVAL,
	      "kernproxy_channel() refuses a number behind the last channel with EINVAL");
	check(kernproxy_channel(device, 0, 1000) == NULL && kernproxy_error(device) == EINVAL,
	      "kernproxy_channel() refuses a size that the device does not have with EINVAL");
	check(kernproxy_receive(device, 0) == NULL && kernproxy_error(device) == EINVAL,
	      "kernproxy_receive() on a device fails with EINVAL");
	check(kernproxy_send(device, "x", 1, 0) == -1 && kernproxy_errno == EINVAL,
	      "kernproxy_send() on a device fails with EINVAL");
	kernproxy_close(device);
	kernproxy_close(NULL);
}

int main(int count, char **arguments)
{
	if (count > 1)
		prefix = arguments[1];
	alarm(patience(600));
	if (count > 2)
		kernproxy_close(kernproxy_open(arguments[2]));
	test_single();
	test_many();
	test_non_blocking();
	test_large();
	test_pass();
	test_waiting();
	test_errors();
	return failures != 0;
}
