/* SPDX-License-Identifier: BSD-3-Clause */
/* kup_user_turn.h against a kernel that breaks the rules of turns. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kup_user_turn.h"
#include "world.h"

static int failures;

static void check(bool good, const char *sentence)
{
	printf("%s %s\n", good ? "ok" : "not ok", sentence);
	failures += !good;
}

static struct kup_user_turn begin(void)
{
	struct kup_user_channel *channel = NULL;
	struct kup_user_turn turn = { 0 };

	make_world(KUP_MODE_TURN, PAGE, PAGE);
	if (kup_user_channel_open("/dev/turns", KUP_CHANNEL_ANY, 0, &channel) != 0 ||
	    kup_user_turn_begin(&turn, channel) != 0)
		check(false, "a channel with turns is opened");
	kup_user_channel_set_spin(channel, 0);
	return turn;
}

static void end(struct kup_user_turn *turn)
{
	kup_user_channel_close(turn->channel);
	end_world();
}

static void pass_to_user(void)
{
	send_record(KUP_RECORD_CONTROL, KUP_CONTROL_PASS);
}

/* The user's newest record, by its position. */
static const struct kup_record_header *sent_at(uint32_t position)
{
	return (const void *)(world.out + position);
}

static void test_order(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_message message;
	struct kup_user_reservation room;
	bool kept;

	send_record(8, 1);
	kup_user_turn_receive(&turn, &message, 0);
	kup_user_turn_reserve(&turn, 16, 0, 0, &room);
	kept = world.user->to_user_tail.value == 0;
	kup_user_turn_commit(&turn, &room, 2, 16);
	check(kept && world.user->to_user_tail.value == 16 &&
		      sent_at(0)->length_flags == (KUP_RECORD_READY | 16) && sent_at(0)->type == 2,
	      "kup_user_turn_commit() releases the message with the turn, not before");
	pass_to_user();
	check(kup_user_turn_pass(&turn, 0, 0) == 0 && world.user->to_user_tail.value == 24 &&
		      sent_at(24)->length_flags == (KUP_RECORD_READY | KUP_RECORD_CONTROL) &&
		      sent_at(24)->type == KUP_CONTROL_PASS,
	      "kup_user_turn_pass() sends a PASS record without a payload");
	end(&turn);
}

/* Nothing is sent, and every later call fails. */
static void check_broken(struct kup_user_turn *turn, int error, const char *sentence)
{
	struct kup_user_message message;
	struct kup_user_reservation room;
	uint32_t head = world.user->to_kernel_head.value;
	bool all = kup_user_turn_receive(turn, &message, -1) == -EPROTO &&
		   kup_user_turn_send(turn, 1, "x", 1, KUP_USER_TURN_DROP, -1) == -EPROTO &&
		   kup_user_turn_pass(turn, KUP_USER_TURN_DROP, -1) == -EPROTO &&
		   kup_user_turn_reserve(turn, 1, 0, -1, &room) == -EPROTO &&
		   kup_user_turn_is_mine(turn) == 0 && kup_user_turn_prepare_wait(turn) == POLLIN;

	check(error == -EPROTO && all && world.user->to_kernel_head.value == head, sentence);
	end(turn);
}

static void test_second_record(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_message message;
	int error;

	send_record(8, 1);
	send_record(8, 2);
	kup_user_turn_receive(&turn, &message, 0);
	error = kup_user_turn_send(&turn, 1, "x", 1, 0, 0);
	check(world.user->to_kernel_head.value == 0,
	      "kup_user_turn_send() sends nothing to a kernel that has sent out of turn");
	check_broken(&turn, error, "kup_user_turn_send() fails with EPROTO at a second message");
}

static void test_late_record(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_reservation room;

	pass_to_user();
	kup_user_turn_reserve(&turn, 8, 0, 0, &room);
	send_record(KUP_RECORD_DISCARD, 0);
	pass_to_user();
	check_broken(
		&turn, kup_user_turn_commit(&turn, &room, 1, 8),
		"kup_user_turn_commit() fails with EPROTO at a pass behind a discarded record");
}

static void test_pass_with_payload(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_message message;

	send_record(KUP_RECORD_CONTROL | 8, KUP_CONTROL_PASS);
	check_broken(&turn, kup_user_turn_receive(&turn, &message, 0),
		     "kup_user_turn_receive() fails with EPROTO at a pass with a payload");
}

static void test_gap(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_message message;

	send_record(KUP_RECORD_CONTROL | sizeof(struct kup_gap), KUP_CONTROL_GAP);
	check_broken(&turn, kup_user_turn_receive(&turn, &message, 0),
		     "kup_user_turn_receive() fails with EPROTO at a GAP record");
}

/* Records that a later kernel may send to programs that do not know them. */
static void test_optional(void)
{
	struct kup_user_turn turn = begin();
	struct kup_user_message message = { 0 };

	send_record(KUP_RECORD_CONTROL | 8, KUP_CONTROL_OPTIONAL | 5);
	send_record(8, 3);
	check(kup_user_turn_receive(&turn, &message, 0) == 0 && message.type == 3 &&
		      message.control == 0,
	      "kup_user_turn_receive() skips optional control records");
	send_record(KUP_RECORD_CONTROL | 8, KUP_CONTROL_OPTIONAL | 5);
	check(kup_user_turn_send(&turn, 1, "x", 1, 0, 0) == 0,
	      "kup_user_turn_send() ignores an optional control record behind the message");
	end(&turn);
}

/* A record that is reserved out of turn, and not finished, does not give the turn. */
static void test_busy(void)
{
	struct kup_user_turn turn = begin();

	pass_to_user();
	send_record(UNFINISHED | 8, 1);
	check(kup_user_turn_send(&turn, 1, "x", 1, 0, 0) == 0,
	      "kup_user_turn_send() ignores a record that is not finished");
	end(&turn);
}

static void take_all(void)
{
	world.kernel->to_kernel_tail.value = world.user->to_kernel_head.value;
}

static void test_room(void)
{
	struct kup_user_turn turn = begin();
	static const char bytes[3000];
	struct kup_user_reservation room;
	int full;

	pass_to_user();
	kup_user_turn_reserve(&turn, 3000, 0, 0, &room);
	kup_user_turn_discard(&turn, &room);
	check(kup_user_turn_send(&turn, 1, bytes, sizeof(bytes), 0, 0) == -EAGAIN && turn.unread,
	      "kup_user_turn_send() that finds no room releases nothing");
	full = kup_user_turn_reserve(&turn, 3000, 0, 0, &room);
	world.on_wait = take_all;
	check(full == -EAGAIN && kup_user_turn_reserve(&turn, 3000, 0, 1e6, &room) == 0,
	      "kup_user_turn_reserve() waits until discarded room is free, or returns EAGAIN");
	end(&turn);
}

/* Once, at the first sleep. */
static void pass_late(void)
{
	pass_to_user();
	world.on_wait = NULL;
}

/* The call waits twice: for its turn, and for room. */
static void test_timeout(void)
{
	static const uint8_t bytes[3000];
	struct kup_user_turn turn = begin();
	struct kup_user_reservation room;
	double start = kup_user_now();
	int error;

	pass_to_user();
	kup_user_turn_send(&turn, 1, bytes, sizeof(bytes), 0, 0);
	world.on_wait = pass_late;
	error = kup_user_turn_reserve(&turn, 3000, 0, 20, &room);
	check(error == -ETIMEDOUT && turn.mine && kup_user_now() - start >= 20,
	      "kup_user_turn_reserve() returns ETIMEDOUT when there is a turn and no room");
	end(&turn);
}

int main(void)
{
	test_order();
	test_second_record();
	test_late_record();
	test_pass_with_payload();
	test_gap();
	test_optional();
	test_busy();
	test_room();
	test_timeout();
	return failures > 0;
}
