/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns by kup_user_turn.h's calls alone: each result that it documents. */
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

/* Receives this very message. */
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
		"a stream channel has no turns: EINVAL");
	kup_user_channel_close(channel);
}

static void test_own_turn(void)
{
	static uint8_t bytes[20000];
	turn_t turn = start();
	message_t message;
	uint32_t i;

	check(kup_user_turn_is_mine(&turn) == 1, "after the kernel's pass it is the user's turn",
	      "no");
	refused(kup_user_turn_receive(&turn, &message, 0), EDEADLK,
		"at one's own turn nothing can come: EDEADLK");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EDEADLK, "without waiting for it");
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (i = 0; i < 1000; i++)
		if (!echoes(&turn, i, bytes, i * 37 % (uint32_t)sizeof(bytes)))
			break;
	check(i == 1000, "messages go there and back in turns", "not message %u", i);
	refused(kup_user_turn_send(&turn, 1, bytes, UINT32_MAX, 0, 0), EMSGSIZE,
		"one that is too long is EMSGSIZE");
	refused(kup_user_turn_send(&turn, 1, bytes, 1, 2, 0), EINVAL, "an unknown flag is EINVAL");
	check(kup_user_turn_is_mine(&turn) == 1, "and neither gives the turn", "they do");
	stop(&turn);
}

static void test_kernels_turn(void)
{
	turn_t turn = start();
	message_t message;

	worked(pause_kernel(&turn, 200), "a message gives the turn");
	check(kup_user_turn_is_mine(&turn) == 0, "so it is the kernel's", "no");
	refused(send_to(&turn, 1, "x", 0), EAGAIN, "sending is EAGAIN then");
	refused(kup_user_turn_pass(&turn, 0, 0), EAGAIN, "passing, too");
	refused(send_to(&turn, 1, "x", 20), ETIMEDOUT, "ETIMEDOUT after a while");
	refused(kup_user_turn_receive(&turn, &message, 0), EAGAIN, "receiving is EAGAIN");
	refused(kup_user_turn_receive(&turn, &message, 20), ETIMEDOUT, "and ETIMEDOUT");
	worked(send_to(&turn, 8, "x", FOREVER), "sending waits for the turn");
	check(gets(&turn, 8, "x", 1), "and a pass that was not received is no obstacle", "it is");
	stop(&turn);
}

static void test_looking(void)
{
	turn_t turn = start();
	message_t message;

	worked(kup_user_turn_pass(&turn, 0, 0), "a pass gives the turn");
	check(EVENTUALLY(PATIENCE_MS, kup_user_turn_is_mine(&turn) == 1),
	      "the record that gives the turn is seen before it is received", "no");
	check(kup_user_turn_receive(&turn, &message, 0) == 0 &&
		      message.control == KUP_CONTROL_PASS && message.length == 0,
	      "and is still there to receive", "control %u", message.control);
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

	worked(send_to(&turn, 1, "first", 0), "a message is sent");
	refused(send_to(&turn, 2, "second", FOREVER), ENOTEMPTY,
		"a send over a message that was not received is ENOTEMPTY");
	refused(send_to(&turn, 2, "second", 0), ENOTEMPTY, "however often");
	refused(kup_user_turn_pass(&turn, 0, 0), ENOTEMPTY, "a pass, too");
	refused(kup_user_turn_reserve(&turn, 8, 0, 0, &room), ENOTEMPTY, "and a reservation");
	check(gets(&turn, 1, "first", 5), "the message stays to be received", "no");
	worked(send_to(&turn, 3, "third", 0), "and then sending works");
	wait_turn(&turn);
	worked(kup_user_turn_send(&turn, 4, "fourth", 6, KUP_USER_TURN_DROP, 0),
	       "KUP_USER_TURN_DROP drops a message that was not received");
	check(gets(&turn, 4, "fourth", 6), "so the answer is the next to receive", "no");
	worked(send_to(&turn, 5, "fifth", 0), "a message is sent");
	wait_turn(&turn);
	worked(kup_user_turn_reserve(&turn, 8, KUP_USER_TURN_DROP, 0, &room),
	       "a reservation may drop it, too");
	kup_user_turn_discard(&turn, &room);
	check(gets(&turn, 5, "fifth", 5), "but does so when it is committed", "no");
	stop(&turn);
}

/* A message stays until this side gives the turn; so it can be sent back from where it lies. */
static void test_validity(void)
{
	turn_t turn = start();
	message_t message;
	room_t room;

	worked(send_to(&turn, 1, "stays", 0), "a message is sent");
	need(kup_user_turn_receive(&turn, &message, PATIENCE) == 0, "it is received");
	need(kup_user_turn_reserve(&turn, 100, 0, PATIENCE, &room) == 0, "an answer is reserved");
	memset(room.data, 0, 100);
	check(memcmp(message.data, "stays", 5) == 0,
	      "a message is valid while the answer is written", "no");
	memcpy(room.data, message.data, 5);
	worked(kup_user_turn_commit(&turn, &room, 2, 5), "which is committed");
	need(kup_user_turn_receive(&turn, &message, PATIENCE) == 0, "it is received");
	worked(kup_user_turn_send(&turn, 3, message.data, message.length, 0, 0),
	       "a message can be sent back from where it lies");
	check(gets(&turn, 3, "stays", 5), "and arrives", "no");
	stop(&turn);
}

/* ---- Reservations ---- */

static void test_reservations(void)
{
	turn_t turn = start();
	message_t message;
	room_t room, other;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		if (kup_user_turn_reserve(&turn, i, 0, PATIENCE, &room))
			break;
		kup_user_turn_discard(&turn, &room);
	}
	check(i == 1000 && kup_user_turn_is_mine(&turn), "a discarded reservation keeps the turn",
	      "%u", i);
	worked(kup_user_turn_reserve(&turn, 10, 0, PATIENCE, &room), "a reservation takes it");
	refused(kup_user_turn_reserve(&turn, 10, 0, FOREVER, &other), EBUSY,
		"so another one is EBUSY");
	refused(send_to(&turn, 1, "x", FOREVER), EBUSY, "a send, too");
	refused(kup_user_turn_pass(&turn, 0, FOREVER), EBUSY, "and a pass");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EDEADLK,
		"and nothing can come before its commit");
	memcpy(room.data, "reserved", 8);
	worked(kup_user_turn_commit(&turn, &room, 6, 8), "which gives the turn");
	check(room.data == NULL && gets(&turn, 6, "reserved", 8), "with the message", "no");
	worked(kup_user_turn_reserve(&turn, 8, 0, PATIENCE, &room), "a reservation");
	memcpy(room.data, "complete", 8);
	kup_user_turn_commit(&turn, &room, 7, 1000);
	check(gets(&turn, 7, "complete", 8), "no more is sent than was reserved", "no");
	stop(&turn);
}

static void test_passes(void)
{
	turn_t turn = start();
	message_t message;
	uint32_t i;

	for (i = 0; i < 1000; i++)
		if (kup_user_turn_pass(&turn, 0, PATIENCE) ||
		    kup_user_turn_receive(&turn, &message, PATIENCE) ||
		    message.control != KUP_CONTROL_PASS)
			break;
	check(i == 1000, "passes go there and back", "not pass %u", i);
	/* Ten times what the ring takes. */
	for (i = 0; i < 5000; i++)
		if (kup_user_turn_pass(&turn, 0, PATIENCE))
			break;
	check(i == 5000, "passes that are not received fill nothing up", "pass %u", i);
	stop(&turn);
}

/* The longest messages that both rings take: each time the ring has to be empty. */
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
	check(i == 300, "a message that fills the ring has room in each turn", "not message %u", i);
	stop(&turn);
}

/* ---- Event loops ---- */

static void test_preparing(void)
{
	turn_t turn = start();
	message_t message;
	int own = kup_user_turn_prepare_wait(&turn), others;

	pause_kernel(&turn, 300);
	others = kup_user_turn_prepare_wait(&turn);
	check(own == POLLIN && others == 0, "at one's own turn a program has nothing to wait for",
	      "%d, %d", own, others);
	check(kup_user_wait(kup_user_channel_file(turn.channel), POLLIN, PATIENCE) == POLLIN &&
		      kup_user_turn_prepare_wait(&turn) == POLLIN,
	      "the turn is waited for as a record is, by POLLIN", "no");
	worked(kup_user_turn_receive(&turn, &message, 0), "which is the record that gives it");
	stop(&turn);
}

/* ---- The end ---- */

static void test_kernel_closes(void)
{
	turn_t turn = start();
	message_t message;

	kup_user_turn_send(&turn, ECHO_CLOSE, NULL, 0, 0, 0);
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EPIPE,
		"when the kernel's side has closed receiving is EPIPE");
	refused(send_to(&turn, 1, "x", FOREVER), EPIPE, "sending, too");
	refused(kup_user_turn_pass(&turn, 0, FOREVER), EPIPE, "passing, too");
	check(kup_user_turn_is_mine(&turn) == 0 && kup_user_turn_prepare_wait(&turn) == POLLIN,
	      "and there is no turn to wait for", "there is");
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

/* The kernel's side has the turn, and is asleep; then the device goes. */
static void destroy_under(int (*wait)(turn_t *turn), const char *sentence)
{
	struct waiting waiting = { .wait = wait };
	message_t message;

	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	waiting.turn = start();
	pause_kernel(&waiting.turn, 300);
	pthread_create(&waiting.thread, NULL, run_wait, &waiting);
	sleep_ms(100);
	need_unload();
	pthread_join(waiting.thread, NULL);
	refused(waiting.result, EPIPE, sentence);
	refused(kup_user_turn_receive(&waiting.turn, &message, 0), EPIPE, "again and again");
	stop(&waiting.turn);
}

/* At one's own turn the end comes before EDEADLK, and what was not received before the end. */
static void test_destroyed_at_own_turn(void)
{
	message_t message;
	turn_t turn;
	room_t room;

	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	turn = start();
	worked(send_to(&turn, 1, "last", 0), "a message is sent");
	wait_turn(&turn);
	need(kup_user_turn_reserve(&turn, 8, KUP_USER_TURN_DROP, 0, &room) == 0, "a reservation");
	need_unload();
	check(gets(&turn, 1, "last", 4), "what had come is received after the end", "no");
	refused(kup_user_turn_receive(&turn, &message, FOREVER), EPIPE, "then receiving is EPIPE");
	refused(kup_user_turn_commit(&turn, &room, 1, 8), EPIPE,
		"a commit after the end sends nothing: EPIPE");
	refused(send_to(&turn, 1, "x", 0), EPIPE, "so does a send");
	stop(&turn);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 100);
	test_streams();
	need_unload();
	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	test_own_turn();
	test_kernels_turn();
	test_looking();
	test_unread();
	test_validity();
	test_reservations();
	test_preparing();
	test_kernel_closes();
	need_unload();
	need(module_load("mode=2 to_user_pages=1 to_kernel_pages=1") == 0, "with small rings, too");
	test_passes();
	test_longest();
	need_unload();
	destroy_under(wait_receive, "a receive that waits ends with EPIPE");
	destroy_under(wait_send, "so does a send");
	destroy_under(wait_pass, "a pass");
	destroy_under(wait_reserve, "and a reservation");
	test_destroyed_at_own_turn();
	reload();
	return finish();
}
