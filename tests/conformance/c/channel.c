/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole channels, by kup_user.h's calls alone: each result that the header documents. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "channels.h"
#include "driver.h"
#include "kup_echo.h"

/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif

static int send_pause(channel_t *channel, uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };

	return kup_user_send(channel, ECHO_PAUSE, &pause, sizeof(pause), PATIENCE);
}

static bool echoes(channel_t *channel, uint32_t type, const void *data, uint32_t length)
{
	message_t message;

	return kup_user_send(channel, type, data, length, PATIENCE) == 0 &&
	       kup_user_receive(channel, &message, PATIENCE) == 0 && message.type == type &&
	       message.length == length && message.control == 0 &&
	       memcmp(message.data, data, length) == 0;
}

/* ---- Opening ---- */

struct opening {
	pthread_t thread;
	uint32_t number;
	int result;
	channel_t *channel;
};

static void *open_waiting(void *argument)
{
	struct opening *opening = argument;

	opening->result = kup_user_channel_open(path_of(ECHO_NAME), opening->number, FOREVER,
						&opening->channel);
	return NULL;
}

static void test_opening(void)
{
	struct opening opening = { .number = 3 };
	channel_t *channel, *other = NULL;
	uint64_t start;

	refused(kup_user_channel_open(path_of("kup/none"), 0, 0, &other), ENOENT,
		"kup_user_channel_open() refuses a device that does not exist with ENOENT");
	refused(kup_user_channel_open(path_of(ECHO_NAME), 1000, 0, &other), EINVAL,
		"kup_user_channel_open() refuses a number behind the last channel with EINVAL");
	worked(kup_user_channel_open(path_of(ECHO_NAME), 3, 0, &channel),
	       "kup_user_channel_open() opens channel 3");
	check(kup_user_channel_number(channel) == 3 &&
		      kup_user_channel_mode(channel) == KUP_MODE_STREAM &&
		      kup_user_channel_file(channel) >= 0 && kup_user_max_message(channel) > 1000,
	      "kup_user_channel_number(), _file() and kup_user_max_message() describe the channel",
	      "%u", kup_user_channel_number(channel));
	refused(kup_user_channel_open(path_of(ECHO_NAME), 3, 0, &other), EBUSY,
		"kup_user_channel_open() without a time-out refuses a taken channel with EBUSY");
	start = now_ms();
	refused(kup_user_channel_open(path_of(ECHO_NAME), 3, 100.5, &other), EBUSY,
		"kup_user_channel_open() refuses a taken channel with EBUSY after its time-out");
	check(now_ms() - start >= 90, "kup_user_channel_open() waits for its whole time-out",
	      "%llu ms", (long long)(now_ms() - start));
	pthread_create(&opening.thread, NULL, open_waiting, &opening);
	sleep_ms(50);
	kup_user_channel_close(channel);
	pthread_join(opening.thread, NULL);
	check(opening.result == 0 && echoes(opening.channel, 1, "x", 1),
	      "kup_user_channel_open() waits until the channel is free", "%s",
	      error_name(opening.result));
	kup_user_channel_close(opening.channel);
	kup_user_channel_close(NULL);
}

/* ---- Messages ---- */

static void test_echo(void)
{
	static uint8_t bytes[20000];
	channel_t *channel = open_channel();
	message_t message;
	uint32_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (i = 0; i < 3000; i++)
		if (!echoes(channel, i, bytes, i * 37 % (uint32_t)sizeof(bytes)))
			break;
	check(i == 3000, "kup_user_send() and kup_user_receive() carry messages of all sizes",
	      "not message %u", i);
	refused(kup_user_send(channel, 1, bytes, kup_user_max_message(channel) + 1, 0), EMSGSIZE,
		"kup_user_send() refuses a message that is one byte too long with EMSGSIZE");
	refused(kup_user_send(channel, 1, bytes, UINT32_MAX, 0), EMSGSIZE,
		"kup_user_send() refuses a length of UINT32_MAX with EMSGSIZE");
	refused(kup_user_receive(channel, &message, 0), EAGAIN,
		"kup_user_receive() of an empty ring without a time-out returns EAGAIN");
	refused(kup_user_receive(channel, &message, 20.5), ETIMEDOUT,
		"kup_user_receive() of an empty ring returns ETIMEDOUT after its time-out");
	kup_user_release(channel);
	kup_user_channel_set_spin(channel, 0);
	check(echoes(channel, 1, "sleeps", 6),
	      "kup_user_channel_set_spin() of 0 makes kup_user_receive() sleep at once", "no");
	kup_user_channel_set_spin(channel, 1e6);
	check(echoes(channel, 1, "", 0),
	      "kup_user_channel_set_spin() of a second makes kup_user_receive() spin", "no");
	kup_user_channel_close(channel);
}

static void test_reservations(void)
{
	channel_t *channel = open_channel();
	room_t first, second, third;
	message_t message;
	int good;

	good = kup_user_reserve(channel, 100, 0, &first) == 0 &&
	       kup_user_reserve(channel, 8, 0, &second) == 0 &&
	       kup_user_reserve(channel, 8, 0, &third) == 0 && first.length == 100;
	need(good, "three messages can be reserved");
	memcpy(second.data, "second", 6);
	kup_user_commit(channel, &second, 2, 6);
	refused(kup_user_receive(channel, &message, 20), ETIMEDOUT,
		"kup_user_receive() gets nothing while the first reservation is not committed");
	memcpy(first.data, "first", 5);
	kup_user_commit(channel, &first, 1, 5);
	kup_user_discard(channel, &third);
	good = kup_user_receive(channel, &message, PATIENCE) == 0 && message.type == 1 &&
	       message.length == 5 && memcmp(message.data, "first", 5) == 0 &&
	       kup_user_receive(channel, &message, PATIENCE) == 0 && message.type == 2;
	check(good && first.data == NULL, "kup_user_commit() keeps the order of the reservations",
	      "type %u", message.type);
	good = kup_user_reserve(channel, 8, 0, &first) == 0;
	kup_user_commit(channel, &first, 4, 1000);
	check(good && kup_user_receive(channel, &message, PATIENCE) == 0 && message.type == 4 &&
		      message.length == 8,
	      "kup_user_commit() sends no more than was reserved", "%u", message.length);
	kup_user_channel_close(channel);
}

/* Counted from the first reservation that is not finished. */
static void test_many_reservations(void)
{
	channel_t *channel = open_channel();
	room_t rooms[65];
	message_t message;
	uint32_t open = 0, received = 0;

	while (open < 64 && kup_user_reserve(channel, 8, 0, &rooms[open]) == 0)
		open++;
	check(open == 64, "kup_user_reserve() gives 64 reservations at once", "%u", open);
	refused(kup_user_reserve(channel, 8, FOREVER, &rooms[64]), EBUSY,
		"kup_user_reserve() refuses one more with EBUSY, also if it may wait");
	kup_user_commit(channel, &rooms[1], 1, 8);
	refused(kup_user_send(channel, 64, "8 bytes", 8, FOREVER), EBUSY,
		"kup_user_send() refuses a message with EBUSY when only a later reservation is "
		"finished");
	kup_user_commit(channel, &rooms[0], 0, 8);
	worked(kup_user_reserve(channel, 8, 0, &rooms[64]),
	       "kup_user_reserve() works when the first reservation is finished");
	for (open = 64; open >= 2; open--)
		kup_user_commit(channel, &rooms[open], open, 8);
	while (received <= 64 && kup_user_receive(channel, &message, PATIENCE) == 0 &&
	       message.type == received)
		received++;
	check(received == 65, "kup_user_commit() keeps the order of 65 reservations",
	      "not message %u", received);
	kup_user_channel_close(channel);
}

static bool test_full(uint32_t pause)
{
	static const uint8_t bytes[4096];
	channel_t *channel = open_channel();
	message_t message;
	uint32_t sent = 0, received = 0;
	uint64_t began = now_ms();
	bool in_time;
	int error;

	send_pause(channel, pause);
	while ((error = kup_user_send(channel, 1, bytes, sizeof(bytes), 0)) == 0)
		sent++;
	check(error == -EAGAIN && sent > 10,
	      "kup_user_send() into a full ring without a time-out returns EAGAIN", "%s after %u",
	      error_name(error), sent);
	refused(kup_user_send(channel, 1, bytes, sizeof(bytes), 30), ETIMEDOUT,
		"kup_user_send() into a full ring returns ETIMEDOUT after its time-out");
	in_time = now_ms() - began < pause;
	/* Otherwise the ring of the echoes may be full, too. */
	if (in_time) {
		worked(kup_user_send(channel, 1, bytes, sizeof(bytes), FOREVER),
		       "kup_user_send() waits for room");
		while (kup_user_receive(channel, &message, received <= sent ? PATIENCE : 0) == 0)
			received++;
		check(received == sent + 1, "kup_user_send() loses nothing when the ring is full",
		      "%u of %u", received, sent + 1);
	}
	kup_user_channel_close(channel);
	return in_time;
}

/* ---- Batches ---- */

#define BATCH 200

/* Messages whose types are their numbers, and whose bytes are their types. */
static void make_batch(struct kup_user_outgoing *batch, uint32_t *numbers)
{
	uint32_t i;

	for (i = 0; i < BATCH; i++) {
		numbers[i] = i;
		batch[i] = (struct kup_user_outgoing){ &numbers[i], sizeof(numbers[i]), i };
	}
}

/* Receives as many messages with the types from `next` on. Returns how many were right. */
static uint32_t receive_numbers(channel_t *channel, uint32_t next, uint32_t count)
{
	message_t message;
	uint32_t good = 0;

	while (good < count && kup_user_receive(channel, &message, PATIENCE) == 0 &&
	       message.type == next + good && message.length == sizeof(next) &&
	       *(const uint32_t *)message.data == next + good)
		good++;
	return good;
}

static void test_batches(void)
{
	struct kup_user_outgoing batch[BATCH];
	uint32_t numbers[BATCH], received;
	channel_t *channel = open_channel();
	room_t room;
	int sent, again;

	make_batch(batch, numbers);
	sent = kup_user_send_batch(channel, batch, BATCH, PATIENCE);
	received = receive_numbers(channel, 0, BATCH);
	check(sent == BATCH && received == BATCH,
	      "kup_user_send_batch() sends all messages in order", "%d sent, %u back", sent,
	      received);
	worked(kup_user_send_batch(channel, batch, 0, 0),
	       "kup_user_send_batch() of no messages returns 0");
	batch[3].length = kup_user_max_message(channel) + 1;
	sent = kup_user_send_batch(channel, batch, BATCH, PATIENCE);
	again = kup_user_send_batch(channel, batch + 3, 1, PATIENCE);
	check(sent == 3 && again == -EMSGSIZE && receive_numbers(channel, 0, 3) == 3,
	      "kup_user_send_batch() stops at a message that is too long", "%d, then %s", sent,
	      error_name(again));
	make_batch(batch, numbers);
	need(kup_user_reserve(channel, sizeof(numbers[0]), 0, &room) == 0, "one can be reserved");
	sent = kup_user_send_batch(channel, batch + 1, BATCH - 1, 0);
	again = kup_user_send_batch(channel, batch + 1 + sent, 1, PATIENCE);
	*(uint32_t *)room.data = 0;
	kup_user_commit(channel, &room, 0, sizeof(numbers[0]));
	received = receive_numbers(channel, 0, 64);
	check(sent == 63 && again == -EBUSY && received == 64,
	      "kup_user_send_batch() sends 63 messages behind one that is reserved",
	      "%d, then %s, %u back", sent, error_name(again), received);
	kup_user_channel_close(channel);
}

static bool test_full_batch(uint32_t pause)
{
	struct kup_user_outgoing batch[BATCH];
	uint32_t numbers[BATCH], sent = 0, i;
	channel_t *channel = open_channel();
	uint64_t began = now_ms();
	message_t message;
	bool in_time;
	int error;

	make_batch(batch, numbers);
	send_pause(channel, pause);
	while ((error = kup_user_send_batch(channel, batch + sent % BATCH, BATCH - sent % BATCH,
					    0)) > 0)
		sent += (uint32_t)error;
	check(error == -EAGAIN && sent > BATCH,
	      "kup_user_send_batch() into a full ring returns EAGAIN after a part", "%s after %u",
	      error_name(error), sent);
	refused(kup_user_send_batch(channel, batch, BATCH, 20), ETIMEDOUT,
		"kup_user_send_batch() returns ETIMEDOUT if no message has room in time");
	in_time = now_ms() - began < pause;
	for (i = 0; i < sent && kup_user_receive(channel, &message, PATIENCE) == 0; i++)
		if (message.type != i % BATCH)
			break;
	check(i == sent, "kup_user_receive() gets each of the messages that were sent once",
	      "not message %u", i);
	kup_user_channel_close(channel);
	return in_time;
}

static int prepare(channel_t *channel, int events)
{
	return kup_user_prepare_wait(channel, (uint32_t)events, 4096);
}

static bool test_preparing(uint32_t pause)
{
	static const uint8_t bytes[4096];
	channel_t *channel = open_channel();
	int idle = prepare(channel, POLLIN), both = prepare(channel, POLLIN | POLLOUT);
	uint64_t began;
	bool in_time;

	check(idle == 0 && both == POLLOUT,
	      "kup_user_prepare_wait() returns the events that are there already", "%d, %d", idle,
	      both);
	refused(prepare(channel, POLLHUP), EINVAL,
		"kup_user_prepare_wait() refuses other events with EINVAL");
	refused(kup_user_prepare_wait(channel, POLLOUT, UINT32_MAX), EMSGSIZE,
		"kup_user_prepare_wait() refuses room for more than the ring takes with EMSGSIZE");
	kup_user_send(channel, 1, "x", 1, PATIENCE);
	check(EVENTUALLY(PATIENCE_MS, prepare(channel, POLLIN | POLLOUT) == (POLLIN | POLLOUT)),
	      "kup_user_prepare_wait() returns POLLIN when a message is there", "no");
	need(kup_user_receive(channel, &(message_t){ 0 }, PATIENCE) == 0,
	     "kup_user_receive() gets the message");
	check(prepare(channel, POLLIN) == 0,
	      "kup_user_prepare_wait() returns 0 when the message was received", "no");
	began = now_ms();
	send_pause(channel, pause);
	/* After the pause the kernel's side may be as fast as this loop. */
	while (now_ms() - began < pause &&
	       kup_user_send(channel, ECHO_SAMPLE, bytes, sizeof(bytes), 0) == 0)
		;
	check(prepare(channel, POLLIN | POLLOUT) == 0,
	      "kup_user_prepare_wait() returns 0 when the ring is full", "no");
	in_time = now_ms() - began < pause;
	kup_user_send(channel, ECHO_CLOSE, NULL, 0, PATIENCE);
	check(EVENTUALLY(PATIENCE_MS, prepare(channel, POLLIN | POLLOUT) == (POLLIN | POLLOUT)),
	      "kup_user_prepare_wait() returns all events of a closed channel", "no");
	kup_user_channel_close(channel);
	return in_time;
}

static void test_gaps(void)
{
	struct echo_produce produce = { .count = 5000, .length = 1000, .context = ECHO_TRYING };
	struct echo_produced produced = { 0 };
	channel_t *channel = open_channel();
	message_t message;
	uint64_t lost = 0, seen = 0;
	struct kup_stats stats = { .channel = kup_user_channel_number(channel) };
	struct kup_gap gap;

	kup_user_send(channel, ECHO_PRODUCE, &produce, sizeof(produce), 0);
	/* Sends until the ring is full. */
	EVENTUALLY(PATIENCE_MS, kup_user_stats(kup_user_channel_file(channel), &stats) == 0 &&
					stats.dropped_no_space > 0);
	while (kup_user_receive(channel, &message, PATIENCE) == 0) {
		if (message.control == KUP_CONTROL_GAP && message.length == sizeof(gap)) {
			memcpy(&gap, message.data, sizeof(gap));
			lost += gap.records;
		} else if (message.type == ECHO_PRODUCE) {
			memcpy(&produced, message.data, sizeof(produced));
			break;
		} else {
			seen++;
		}
	}
	check(lost > 0 && seen == produced.sent && lost == produced.lost,
	      "kup_user_receive() reports in a GAP record how much was lost",
	      "%llu seen, %llu lost", (long long)seen, (long long)lost);
	kup_user_channel_close(channel);
}

#define MANY 30000

static void *send_many(void *argument)
{
	channel_t *channel = argument;
	uint32_t i;

	for (i = 0; i < MANY; i++)
		if (kup_user_send(channel, i, &i, sizeof(i) + i % 3, PATIENCE))
			break;
	return NULL;
}

static void test_two_threads(void)
{
	channel_t *channel = open_channel();
	message_t message;
	pthread_t thread;
	uint32_t i;

	kup_user_channel_split(channel);
	pthread_create(&thread, NULL, send_many, channel);
	for (i = 0; i < MANY; i++)
		if (kup_user_receive(channel, &message, PATIENCE) || message.type != i ||
		    message.length != sizeof(i) + i % 3)
			break;
	pthread_join(thread, NULL);
	check(i == MANY, "kup_user_send() works in one thread while another receives",
	      "not message %u", i);
	kup_user_channel_close(channel);
}

static void test_kernel_closes(void)
{
	channel_t *channel = open_channel();
	message_t message;

	kup_user_send(channel, 1, "last", 4, 0);
	kup_user_send(channel, ECHO_CLOSE, NULL, 0, 0);
	check(kup_user_receive(channel, &message, PATIENCE) == 0 && message.length == 4,
	      "kup_user_receive() gets what the kernel's side sent before it closed", "no");
	refused(kup_user_receive(channel, &message, FOREVER), EPIPE,
		"kup_user_receive() then returns EPIPE");
	refused(kup_user_receive(channel, &message, 0), EPIPE,
		"kup_user_receive() returns EPIPE again");
	refused(kup_user_send(channel, 1, "x", 1, FOREVER), EPIPE,
		"kup_user_send() returns EPIPE when the kernel's side has closed");
	kup_user_channel_close(channel);
}

/* The caller can overwrite a header that lies beside a reservation's bytes. */
static void test_broken(void)
{
	channel_t *channel = open_channel();
	message_t message;
	room_t first, second;

	need(kup_user_reserve(channel, 8, 0, &first) == 0 &&
		     kup_user_reserve(channel, 8, 0, &second) == 0,
	     "two messages can be reserved");
	((uint32_t *)second.data)[-2] = KUP_RECORD_LENGTH | KUP_RECORD_READY;
	kup_user_commit(channel, &first, 1, 8);
	check(kup_user_receive(channel, &message, PATIENCE) == 0,
	      "kup_user_receive() gets the echo of what was sent before the channel broke", "no");
	refused(kup_user_receive(channel, &message, PATIENCE), EPROTO,
		"kup_user_receive() of a broken channel returns EPROTO");
	refused(kup_user_send(channel, 1, "x", 1, 0), EPROTO,
		"kup_user_send() into a broken channel returns EPROTO");
	kup_user_channel_close(channel);
}

/* ---- The device goes while a thread waits ---- */

struct waiting {
	pthread_t thread;
	channel_t *channel;
	int (*wait)(channel_t *channel);
	int result;
};

static int wait_receive(channel_t *channel)
{
	message_t message;

	return kup_user_receive(channel, &message, FOREVER);
}

static int wait_send(channel_t *channel)
{
	static const uint8_t bytes[1000];
	int error;

	while (!(error = kup_user_send(channel, ECHO_SAMPLE, bytes, sizeof(bytes), FOREVER)))
		;
	return error;
}

static int wait_reserve(channel_t *channel)
{
	room_t room;
	int error;

	while (!(error = kup_user_reserve(channel, 1000, NAN, &room)))
		kup_user_commit(channel, &room, ECHO_SAMPLE, room.length);
	return error;
}

static void *run_wait(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = waiting->wait(waiting->channel);
	return NULL;
}

/* The kernel's side is asleep when the device goes. */
static void destroy_under(const char *parameters, int (*wait)(channel_t *channel),
			  const char *sentence)
{
	struct waiting waiting = { .wait = wait };

	need(module_load(parameters) == 0, "the echo client can be loaded");
	waiting.channel = open_channel();
	send_pause(waiting.channel, 300);
	pthread_create(&waiting.thread, NULL, run_wait, &waiting);
	sleep_ms(100);
	need_unload();
	pthread_join(waiting.thread, NULL);
	refused(waiting.result, EPIPE, sentence);
	kup_user_channel_close(waiting.channel);
}

/* How a wait for the only channel ends when the device goes after a time. */
static int opening_under(uint32_t milliseconds)
{
	struct opening opening = { .number = 0 };
	channel_t *channel;

	need(module_load("channels=1") == 0, "the echo client can be loaded");
	channel = open_channel();
	pthread_create(&opening.thread, NULL, open_waiting, &opening);
	sleep_ms(milliseconds);
	need_unload();
	pthread_join(opening.thread, NULL);
	kup_user_channel_close(channel);
	return opening.result;
}

static void test_destroyed(void)
{
	uint32_t milliseconds = 100;
	int result;

	destroy_under("", wait_receive,
		      "kup_user_receive() that waits ends with EPIPE when the device goes");
	destroy_under("to_kernel_pages=1", wait_send,
		      "kup_user_send() that waits for room ends with EPIPE when the device goes");
	destroy_under("to_kernel_pages=1", wait_reserve,
		      "kup_user_reserve() that waits ends with EPIPE when the device goes");
	/* The thread of a slow machine may find no device any more. */
	while ((result = opening_under(milliseconds)) == -ENOENT &&
	       milliseconds <= LONGEST_PAUSE_MS / 4)
		milliseconds *= 4;
	refused(result, ENODEV,
		"kup_user_channel_open() that waits ends with ENODEV when the device goes");
}

/* The echo client answers an END by its own, behind everything that it has echoed. */
static void test_end(void)
{
	channel_t *channel = open_channel();
	message_t message;
	room_t room, none;
	uint32_t got = 0;

	need(kup_user_reserve(channel, 4, 0, &room) == 0, "a message can be reserved");
	worked(kup_user_end(channel, PATIENCE), "kup_user_end() ends this side's direction");
	refused(kup_user_send(channel, 1, "x", 1, PATIENCE), ESHUTDOWN,
		"kup_user_send() after kup_user_end() returns ESHUTDOWN");
	refused(kup_user_reserve(channel, 1, 0, &none), ESHUTDOWN,
		"kup_user_reserve() after kup_user_end() returns ESHUTDOWN");
	refused(kup_user_end(channel, PATIENCE), ESHUTDOWN,
		"kup_user_end() for the second time returns ESHUTDOWN");
	kup_user_discard(channel, &room);
	kup_user_channel_close(channel);
	channel = open_channel();
	for (uint32_t i = 0; i < 3; i++)
		kup_user_send(channel, i, "data", 4, PATIENCE);
	kup_user_end(channel, PATIENCE);
	while (got < 3 && kup_user_receive(channel, &message, PATIENCE) == 0 &&
	       message.type == got && message.control == 0)
		got++;
	check(got == 3, "kup_user_receive() returns what comes after kup_user_end()", "%u", got);
	refused(kup_user_receive(channel, &message, PATIENCE), ENODATA,
		"kup_user_receive() returns ENODATA at the end of the kernel's direction");
	refused(kup_user_receive(channel, &message, 0), EAGAIN,
		"kup_user_receive() behind the end waits for the close");
	check(kup_user_ended(channel) == 0, "kup_user_ended() returns 0 for a direction's end",
	      "%d", kup_user_ended(channel));
	kup_user_channel_close(channel);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 200);
	test_opening();
	test_echo();
	test_reservations();
	test_many_reservations();
	test_in_pause(300, test_full);
	test_batches();
	test_in_pause(300, test_full_batch);
	test_in_pause(300, test_preparing);
	test_gaps();
	test_two_threads();
	test_end();
	test_kernel_closes();
	test_broken();
	need_unload();
	test_destroyed();
	reload();
	return finish();
}
