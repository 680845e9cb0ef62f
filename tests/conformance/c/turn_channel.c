/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns by kup_user_turn.h's calls alone: each result that the header documents. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "channels.h"
#include "kup_user_turn.h"

typedef struct kup_user_turn turn_t;

/* After the kernel's first turn, which it passes. */
static turn_t start(void)
{
	message_t message;
	turn_t turn;

	need(kup_user_turn_begin(&turn, open_channel()) == 0, "a channel has turns");
	need(kup_user_turn_receive(&turn, &message, PATIENCE) == 0 &&
		     message.control == KUP_CONTROL_PASS && message.length == 0 &&
		     message.data == NULL,
	     "the kernel passes its first turn");
	return turn;
}

static void stop(turn_t *turn)
{
	kup_user_channel_close(turn->channel);
}

static int pause_kernel(turn_t *turn, uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };

	return kup_user_turn_send(turn, ECHO_PAUSE, &pause, sizeof(pause), 0, PATIENCE);
}

static int send_to(turn_t *turn, uint32_t type, const char *text, double timeout_ms)
{
	return kup_user_turn_send(turn, type, text, (uint32_t)strlen(text), 0, timeout_ms);
}

/* Receives exactly this message. */
static bool gets(turn_t *turn, uint32_t type, const void *data, uint32_t length)
{
	message_t message;

	return kup_user_turn_receive(turn, &message, PATIENCE) == 0 && message.type == type &&
	       message.length == length && message.control == 0 &&
	       memcmp(message.data, data, length) == 0;
}

static bool echoes(turn_t *turn, uint32_t type, const void *data, uint32_t length)
{
	return kup_user_turn_send(turn, type, data, length, 0, PATIENCE) == 0 &&
	       gets(turn, type, data, length);
}

/* ---- Whose turn it is ---- */

static void test_streams(void)
{
	channel_t *channel = open_channel();
	turn_t turn;

	refused(kup_user_turn_begin(&turn, channel), EINVAL,
		"kup_user_turn_begin() refuses a stream channel with EINVAL");
	kup_user_channel_close(channel);
}

static void test_own_turn(void)
{
	static uint8_t bytes[20000];
	turn_t turn = start();
	message_t message;
	uint32_t i;

	check(kup_user_turn_is_mine(&turn) == 1,
	      "kup_user_turn_is_mine() is 1 after the kernel's PASS record", "no");
	refused(kup_user_turn_receive(&turn, &message, 0), EDEADLK,
		"kup_user_turn_receive() at the user's own turn returns EDEADLK");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EDEADLK,
		"kup_user_turn_receive() at the user's own turn does not wait");
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (i = 0; i < 300; i++)
		if (!echoes(&turn, i, bytes, i * 37 % (uint32_t)sizeof(bytes)))
			break;
	check(i == 300, "kup_user_turn_send() and _receive() carry messages in turns",
	      "not message %u", i);
	refused(kup_user_turn_send(&turn, 1, bytes, UINT32_MAX, 0, 0), EMSGSIZE,
		"kup_user_turn_send() refuses a message that is too long with EMSGSIZE");
	refused(kup_user_turn_send(&turn, 1, bytes, 1, 2, 0), EINVAL,
		"kup_user_turn_send() refuses an unknown flag with EINVAL");
	check(kup_user_turn_is_mine(&turn) == 1,
	      "kup_user_turn_send() keeps the turn when it refuses", "no");
	stop(&turn);
}

static bool test_kernels_turn(uint32_t pause)
{
	turn_t turn = start();
	uint64_t began = now_ms();
	message_t message;
	bool in_time;

	worked(pause_kernel(&turn, pause), "kup_user_turn_send() gives the turn");
	check(kup_user_turn_is_mine(&turn) == 0,
	      "kup_user_turn_is_mine() is 0 at the kernel's turn", "no");
	refused(send_to(&turn, 1, "x", 0), EAGAIN,
		"kup_user_turn_send() at the kernel's turn without a time-out returns EAGAIN");
	refused(kup_user_turn_pass(&turn, 0, 0), EAGAIN,
		"kup_user_turn_pass() at the kernel's turn returns EAGAIN");
	refused(send_to(&turn, 1, "x", 20), ETIMEDOUT,
		"kup_user_turn_send() at the kernel's turn returns ETIMEDOUT after its time-out");
	refused(kup_user_turn_receive(&turn, &message, 0), EAGAIN,
		"kup_user_turn_receive() at the kernel's turn without a time-out returns EAGAIN");
	refused(kup_user_turn_receive(&turn, &message, 20), ETIMEDOUT,
		"kup_user_turn_receive() at the kernel's turn returns ETIMEDOUT after its "
		"time-out");
	in_time = now_ms() - began < pause;
	if (in_time) {
		worked(send_to(&turn, 8, "x", FOREVER), "kup_user_turn_send() waits for the turn");
		check(gets(&turn, 8, "x", 1),
		      "kup_user_turn_send() drops a PASS record that was not received", "no");
	}
	stop(&turn);
	return in_time;
}

static void test_looking(void)
{
	turn_t turn = start();
	message_t message;

	worked(kup_user_turn_pass(&turn, 0, 0), "kup_user_turn_pass() gives the turn");
	check(EVENTUALLY(PATIENCE_MS, kup_user_turn_is_mine(&turn) == 1),
	      "kup_user_turn_is_mine() is 1 before the record that gives the turn is received",
	      "no");
	check(kup_user_turn_receive(&turn, &message, 0) == 0 &&
		      message.control == KUP_CONTROL_PASS && message.length == 0,
	      "kup_user_turn_receive() gets that record", "control %u", message.control);
	stop(&turn);
}

/* ---- What was not received ---- */

static void wait_turn(turn_t *turn)
{
	need(EVENTUALLY(PATIENCE_MS, kup_user_turn_is_mine(turn)), "the turn comes back");
}

static void test_unread(void)
{
	turn_t turn = start();
	room_t room;

	worked(send_to(&turn, 1, "first", 0), "kup_user_turn_send() sends the first message");
	refused(send_to(&turn, 2, "second", FOREVER), ENOTEMPTY,
		"kup_user_turn_send() refuses to drop a message that was not received with "
		"ENOTEMPTY");
	refused(send_to(&turn, 2, "second", 0), ENOTEMPTY,
		"kup_user_turn_send() refuses to drop that message again");
	refused(kup_user_turn_pass(&turn, 0, 0), ENOTEMPTY,
		"kup_user_turn_pass() refuses to drop that message with ENOTEMPTY");
	refused(kup_user_turn_reserve(&turn, 8, 0, 0, &room), ENOTEMPTY,
		"kup_user_turn_reserve() refuses to drop that message with ENOTEMPTY");
	check(gets(&turn, 1, "first", 5),
	      "kup_user_turn_receive() gets the message that was not dropped", "no");
	worked(send_to(&turn, 3, "third", 0),
	       "kup_user_turn_send() works when the message was received");
	wait_turn(&turn);
	worked(kup_user_turn_send(&turn, 4, "fourth", 6, KUP_USER_TURN_DROP, 0),
	       "kup_user_turn_send() with KUP_USER_TURN_DROP drops a message that was not "
	       "received");
	check(gets(&turn, 4, "fourth", 6), "kup_user_turn_receive() gets the answer after the drop",
	      "no");
	worked(send_to(&turn, 5, "fifth", 0), "kup_user_turn_send() sends the fifth message");
	wait_turn(&turn);
	worked(kup_user_turn_reserve(&turn, 8, KUP_USER_TURN_DROP, 0, &room),
	       "kup_user_turn_reserve() accepts KUP_USER_TURN_DROP");
	kup_user_turn_discard(&turn, &room);
	check(gets(&turn, 5, "fifth", 5), "kup_user_turn_reserve() drops nothing before its commit",
	      "no");
	stop(&turn);
}

/*
 * A message stays valid until this side gives the turn, so it can be sent back from where it lies.
 */
static void test_validity(void)
{
	turn_t turn = start();
	message_t message;
	room_t room;

	worked(send_to(&turn, 1, "stays", 0), "kup_user_turn_send() sends the message that stays");
	need(kup_user_turn_receive(&turn, &message, PATIENCE) == 0, "it is received");
	need(kup_user_turn_reserve(&turn, 100, 0, PATIENCE, &room) == 0, "an answer is reserved");
	memset(room.data, 0, 100);
	check(memcmp(message.data, "stays", 5) == 0,
	      "kup_user_turn_reserve() keeps the received message valid", "no");
	memcpy(room.data, message.data, 5);
	worked(kup_user_turn_commit(&turn, &room, 2, 5), "kup_user_turn_commit() sends the answer");
	need(kup_user_turn_receive(&turn, &message, PATIENCE) == 0, "it is received");
	worked(kup_user_turn_send(&turn, 3, message.data, message.length, 0, 0),
	       "kup_user_turn_send() sends a message back from where it lies");
	check(gets(&turn, 3, "stays", 5),
	      "kup_user_turn_receive() gets the message that was sent back", "no");
	stop(&turn);
}

/* ---- Reservations ---- */

static void test_reservations(void)
{
	turn_t turn = start();
	message_t message;
	room_t room, other;
	uint32_t i;

	for (i = 0; i < 300; i++) {
		if (kup_user_turn_reserve(&turn, i, 0, PATIENCE, &room))
			break;
		kup_user_turn_discard(&turn, &room);
	}
	check(i == 300 && kup_user_turn_is_mine(&turn), "kup_user_turn_discard() keeps the turn",
	      "%u", i);
	worked(kup_user_turn_reserve(&turn, 10, 0, PATIENCE, &room),
	       "kup_user_turn_reserve() gives a reservation at the user's turn");
	refused(kup_user_turn_reserve(&turn, 10, 0, FOREVER, &other), EBUSY,
		"kup_user_turn_reserve() refuses a second reservation with EBUSY");
	refused(send_to(&turn, 1, "x", FOREVER), EBUSY,
		"kup_user_turn_send() is refused with EBUSY while a reservation is open");
	refused(kup_user_turn_pass(&turn, 0, FOREVER), EBUSY,
		"kup_user_turn_pass() is refused with EBUSY while a reservation is open");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EDEADLK,
		"kup_user_turn_receive() returns EDEADLK while a reservation is open");
	memcpy(room.data, "reserved", 8);
	worked(kup_user_turn_commit(&turn, &room, 6, 8), "kup_user_turn_commit() gives the turn");
	check(room.data == NULL && gets(&turn, 6, "reserved", 8),
	      "kup_user_turn_commit() sends the message with the turn", "no");
	worked(kup_user_turn_reserve(&turn, 8, 0, PATIENCE, &room),
	       "kup_user_turn_reserve() gives another reservation");
	memcpy(room.data, "complete", 8);
	kup_user_turn_commit(&turn, &room, 7, 1000);
	check(gets(&turn, 7, "complete", 8),
	      "kup_user_turn_commit() sends no more than was reserved", "no");
	stop(&turn);
}

static void test_passes(void)
{
	turn_t turn = start();
	message_t message;
	uint32_t i;

	for (i = 0; i < 300; i++)
		if (kup_user_turn_pass(&turn, 0, PATIENCE) ||
		    kup_user_turn_receive(&turn, &message, PATIENCE) ||
		    message.control != KUP_CONTROL_PASS)
			break;
	check(i == 300, "kup_user_turn_pass() and _receive() exchange passes", "not pass %u", i);
	/* Ten times what the ring takes. */
	for (i = 0; i < 5000; i++)
		if (kup_user_turn_pass(&turn, 0, PATIENCE))
			break;
	check(i == 5000, "kup_user_turn_pass() does not fill the ring when passes are not received",
	      "pass %u", i);
	stop(&turn);
}

/* The longest messages that both rings take: the ring has to be empty each time. */
static void test_longest(void)
{
	static uint8_t bytes[1 << 20];
	turn_t turn = start();
	uint32_t length = kup_user_max_message(turn.channel), i;

	need(length <= sizeof(bytes), "the ring is small");
	for (i = 0; i < 300; i++) {
		memset(bytes, (int)i, length);
		if (!echoes(&turn, i, bytes, length))
			break;
	}
	check(i == 300,
	      "kup_user_turn_send() has room for a message that fills the ring in each turn",
	      "not message %u", i);
	stop(&turn);
}

/* ---- Event loops ---- */

static bool test_preparing(uint32_t pause)
{
	turn_t turn = start();
	uint64_t began = now_ms();
	message_t message;
	int own = kup_user_turn_prepare_wait(&turn), others;
	bool in_time;

	pause_kernel(&turn, pause);
	others = kup_user_turn_prepare_wait(&turn);
	in_time = now_ms() - began < pause;
	check(own == POLLIN && others == 0,
	      "kup_user_turn_prepare_wait() at the user's own turn returns POLLIN", "%d, %d", own,
	      others);
	check(kup_user_wait(kup_user_channel_file(turn.channel), POLLIN, PATIENCE) == POLLIN &&
		      kup_user_turn_prepare_wait(&turn) == POLLIN,
	      "kup_user_turn_prepare_wait() returns POLLIN when kup_user_wait() has reported the "
	      "turn",
	      "no");
	worked(kup_user_turn_receive(&turn, &message, 0),
	       "kup_user_turn_receive() gets the record that gives the turn");
	stop(&turn);
	return in_time;
}

/* ---- The end ---- */

static void test_kernel_closes(void)
{
	turn_t turn = start();
	message_t message;

	kup_user_turn_send(&turn, ECHO_CLOSE, NULL, 0, 0, 0);
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EPIPE,
		"kup_user_turn_receive() returns EPIPE when the kernel's side has closed");
	refused(send_to(&turn, 1, "x", FOREVER), EPIPE,
		"kup_user_turn_send() returns EPIPE when the kernel's side has closed");
	refused(kup_user_turn_pass(&turn, 0, FOREVER), EPIPE,
		"kup_user_turn_pass() returns EPIPE when the kernel's side has closed");
	check(kup_user_turn_is_mine(&turn) == 0 && kup_user_turn_prepare_wait(&turn) == POLLIN,
	      "kup_user_turn_prepare_wait() returns POLLIN when the kernel's side has closed",
	      "there is");
	stop(&turn);
}

struct waiting {
	pthread_t thread;
	turn_t turn;
	int (*wait)(turn_t *turn);
	int result;
};

static int wait_receive(turn_t *turn)
{
	message_t message;

	return kup_user_turn_receive(turn, &message, FOREVER);
}

static int wait_send(turn_t *turn)
{
	return send_to(turn, 1, "x", FOREVER);
}

static int wait_pass(turn_t *turn)
{
	return kup_user_turn_pass(turn, 0, INFINITY);
}

static int wait_reserve(turn_t *turn)
{
	room_t room;

	return kup_user_turn_reserve(turn, 1, 0, NAN, &room);
}

static void *run_wait(void *argument)
{
	struct waiting *waiting = argument;

	waiting->result = waiting->wait(&waiting->turn);
	return NULL;
}

/* The device goes while the kernel's side has the turn and is asleep. */
static void destroy_under(int (*wait)(turn_t *turn), const char *sentence)
{
	struct waiting waiting = { .wait = wait };
	message_t message;

	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	waiting.turn = start();
	/* Ends with the device. */
	pause_kernel(&waiting.turn, LONGEST_PAUSE_MS);
	pthread_create(&waiting.thread, NULL, run_wait, &waiting);
	sleep_ms(100);
	need_unload();
	pthread_join(waiting.thread, NULL);
	refused(waiting.result, EPIPE, sentence);
	refused(kup_user_turn_receive(&waiting.turn, &message, 0), EPIPE,
		"kup_user_turn_receive() returns EPIPE again after the device went");
	stop(&waiting.turn);
}

/*
 * At the user's own turn the end of the channel takes precedence over EDEADLK. What was not
 * received comes before the end.
 */
static void test_destroyed_at_own_turn(void)
{
	message_t message;
	turn_t turn;
	room_t room;

	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	turn = start();
	worked(send_to(&turn, 1, "last", 0), "kup_user_turn_send() sends the last message");
	wait_turn(&turn);
	need(kup_user_turn_reserve(&turn, 8, KUP_USER_TURN_DROP, 0, &room) == 0, "a reservation");
	need_unload();
	check(gets(&turn, 1, "last", 4),
	      "kup_user_turn_receive() gets after the end what had come before", "no");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EPIPE,
		"kup_user_turn_receive() then returns EPIPE");
	refused(kup_user_turn_commit(&turn, &room, 1, 8), EPIPE,
		"kup_user_turn_commit() after the end sends nothing and returns EPIPE");
	refused(send_to(&turn, 1, "x", 0), EPIPE,
		"kup_user_turn_send() after the end returns EPIPE");
	stop(&turn);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 100);
	test_streams();
	need_unload();
	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	test_own_turn();
	test_in_pause(200, test_kernels_turn);
	test_looking();
	test_unread();
	test_validity();
	test_reservations();
	test_in_pause(300, test_preparing);
	test_kernel_closes();
	need_unload();
	need(module_load("mode=2 to_user_pages=1 to_kernel_pages=1") == 0,
	     "the echo client can be loaded with small rings");
	test_passes();
	test_longest();
	need_unload();
	destroy_under(wait_receive,
		      "kup_user_turn_receive() that waits ends with EPIPE when the device goes");
	destroy_under(wait_send,
		      "kup_user_turn_send() that waits ends with EPIPE when the device goes");
	destroy_under(wait_pass,
		      "kup_user_turn_pass() that waits ends with EPIPE when the device goes");
	destroy_under(wait_reserve,
		      "kup_user_turn_reserve() that waits ends with EPIPE when the device goes");
	test_destroyed_at_own_turn();
	reload();
	return finish();
}
