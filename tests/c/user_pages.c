/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C API on pages with random words. Between the calls of a program all words that the other
 * side may write, and some that it may not, get random values or those of an honest kernel. Each
 * call must end, messages must lie inside their ring, and nothing outside may be touched.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/patience.h"
#include "kup_1/kup.h"
#include "kup_user_call.h"
#include "kup_user_turn.h"
#include "world.h"

#define STEPS 100
/* After this many wake-ups a call finds its channel over; it need not end before. */
#define PATIENCE 20

static struct {
	uint64_t state;
	uint32_t honesty; /* one of this many scribbles is a random value */
	unsigned int waits;
} dice;

static struct {
	unsigned long messages, sends, refusals;
} seen;

static uint32_t roll(uint32_t sides)
{
	dice.state = dice.state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice.state >> 33) % sides;
}

/* ---- Odd values ---- */

static kup_u32 *any_word(void)
{
	switch (roll(10)) {
	case 0:
	case 1:
		return &world.kernel->to_user_head.value;
	case 2:
		return &world.kernel->to_kernel_tail.value;
	case 3:
		return &world.kernel->to_user_producer_event.value;
	case 4:
		return &world.kernel->to_kernel_consumer_event.value;
	case 5:
		return &world.user->to_user_tail.value;
	case 6:
		return &world.user->to_kernel_head.value;
	case 7:
		return (kup_u32 *)(void *)(world.out + (roll(world.info.to_kernel_bytes) & ~7u));
	default:
		return (kup_u32 *)(void *)(world.in + (roll(world.info.to_user_bytes) & ~7u));
	}
}

/* A frame that makes sense most of the time. */
static void send_frame(void)
{
	struct kup_call frame = { .id = roll(64), .kind = 1 + roll(3) };

	if (roll(4) == 0)
		frame.id |= (uint64_t)roll(3) << 32;
	memcpy(world.in + (world.kernel->to_user_head.value & (world.info.to_user_bytes - 1)) + 8,
	       &frame, sizeof(frame));
	send_record(sizeof(frame) + (roll(4) ? 0 : roll(90)), 1);
}

/*
 * What an honest kernel does: receives all, and sends a record when the user has received its last
 * one.
 */
static void behave(void)
{
	kup_u32 head = world.kernel->to_user_head.value;

	world.kernel->to_kernel_tail.value = world.user->to_kernel_head.value;
	if (head != world.user->to_user_tail.value || head % KUP_RECORD_ALIGN)
		return;
	if (world.info.mode == KUP_MODE_TURN && roll(4) == 0)
		send_record(KUP_RECORD_CONTROL, KUP_CONTROL_PASS);
	else if (world.info.mode == KUP_MODE_CALL)
		send_frame();
	else
		send_record(roll(100), 1);
}

static void scribble(void)
{
	uint32_t words = roll(6);

	if (roll(dice.honesty) > 0) {
		behave();
		return;
	}
	while (words-- > 0) {
		kup_u32 *word = any_word();

		switch (roll(6)) {
		case 0:
			*word = roll(UINT32_MAX);
			break;
		case 1:
			*word += 8;
			break;
		case 2:
			*word = roll(2 * world.info.to_user_bytes) & ~7u;
			break;
		case 3:
			*word += 1;
			break;
		case 4:
			*word = KUP_RECORD_READY | 16;
			break;
		default:
			*word = roll(64) | roll(32) << 27;
		}
	}
}

static void scribble_while_waiting(void)
{
	scribble();
	if (++dice.waits > PATIENCE)
		world.kernel->state = roll(2) ? KUP_STATE_CLOSED : KUP_STATE_BROKEN;
}

static void make_odd_world(uint64_t seed)
{
	uint32_t to_user, to_kernel, mode;

	dice.state = seed * 7919 + 1;
	dice.honesty = 1 + roll(30);
	dice.waits = 0;
	to_user = PAGE << roll(3);
	to_kernel = PAGE << roll(3);
	mode = KUP_MODE_STREAM + roll(3);
	make_world(mode, to_user, to_kernel);
	world.on_wait = scribble_while_waiting;
}

/* ---- Programs ---- */

/*
 * The whole message can be read, and lies inside the ring; one that wraps continues in the second
 * mapping.
 */
static void look_at(const struct kup_user_message *message)
{
	const uint8_t *data = message->data;
	volatile uint8_t sum = 0;

	seen.messages++;
	if (!data)
		return;
	if (data < world.in || data + message->length > world.out ||
	    message->length > world.info.to_user_bytes) {
		printf("not ok kup_user_receive() returns a message inside its ring: %u bytes at "
		       "%td of %u\n",
		       message->length, data - world.in, world.info.to_user_bytes);
		exit(1);
	}
	for (uint32_t i = 0; i < message->length; i++)
		sum += data[i];
}

static void send_something(struct kup_user_channel *channel)
{
	static const uint8_t bytes[5 * PAGE];

	if (kup_user_send(channel, 1, bytes, roll(sizeof(bytes)), roll(2)) == 0)
		seen.sends++;
	else
		seen.refusals++;
}

static void settle(struct kup_user_channel *channel, struct kup_user_reservation *room)
{
	memset(room->data, 4, room->length);
	if (roll(2))
		kup_user_commit(channel, room, 1, roll(5 * PAGE));
	else
		kup_user_discard(channel, room);
}

static void use_channel(void)
{
	struct kup_user_reservation room = { 0 };
	struct kup_user_message message;
	struct kup_user_channel *channel;

	if (kup_user_channel_open("/dev/pages", KUP_CHANNEL_ANY, 0, &channel) != 0)
		abort();
	kup_user_channel_set_spin(channel, 0);
	for (int step = 0; step < STEPS; step++) {
		scribble();
		switch (roll(7)) {
		case 0:
		case 1:
			if (kup_user_receive(channel, &message, roll(2)) == 0)
				look_at(&message);
			break;
		case 2:
			send_something(channel);
			break;
		case 3:
			if (!room.data)
				kup_user_reserve(channel, roll(5 * PAGE), roll(2), &room);
			break;
		case 4:
			if (room.data)
				settle(channel, &room);
			break;
		case 5:
			kup_user_prepare_wait(channel, POLLIN | POLLOUT, roll(PAGE));
			break;
		default:
			kup_user_release(channel);
		}
	}
	kup_user_channel_close(channel);
}

static void settle_turn(struct kup_user_turn *turn, struct kup_user_reservation *room)
{
	memset(room->data, 4, room->length);
	if (roll(2))
		kup_user_turn_commit(turn, room, 1, roll(5 * PAGE));
	else
		kup_user_turn_discard(turn, room);
}

static void count(int32_t error)
{
	if (error)
		seen.refusals++;
	else
		seen.sends++;
}

static void use_turn(struct kup_user_turn *turn, struct kup_user_reservation *room)
{
	static const uint8_t bytes[5 * PAGE];
	struct kup_user_message message;

	switch (roll(6)) {
	case 0:
		if (kup_user_turn_receive(turn, &message, roll(2)) == 0)
			look_at(&message);
		break;
	case 1:
		count(kup_user_turn_send(turn, 1, bytes, roll(sizeof(bytes)), roll(2), roll(2)));
		break;
	case 2:
		count(kup_user_turn_pass(turn, roll(2), roll(2)));
		break;
	case 3:
		if (!room->data)
			kup_user_turn_reserve(turn, roll(5 * PAGE), roll(2), roll(2), room);
		break;
	case 4:
		if (room->data)
			settle_turn(turn, room);
		break;
	default:
		kup_user_turn_prepare_wait(turn);
		kup_user_turn_is_mine(turn);
	}
}

static void use_turns(void)
{
	struct kup_user_reservation room = { 0 };
	struct kup_user_channel *channel;
	struct kup_user_turn turn;

	if (kup_user_channel_open("/dev/pages", KUP_CHANNEL_ANY, 0, &channel) != 0 ||
	    kup_user_turn_begin(&turn, channel) != 0)
		abort();
	kup_user_channel_set_spin(channel, 0);
	for (int step = 0; step < STEPS; step++) {
		scribble();
		use_turn(&turn, &room);
	}
	kup_user_channel_close(channel);
}

static void use_call(struct kup_user_calls *calls, uint64_t *id)
{
	static uint8_t bytes[5 * PAGE];
	struct kup_user_call_event event;
	struct kup_user_message message;
	struct kup_user_answer answer = { bytes, roll(PAGE), 0, 0 };

	switch (roll(7)) {
	case 0:
	case 1:
		if (kup_user_calls_next(calls, &event, roll(2)) != 0)
			break;
		message = (struct kup_user_message){ event.data, event.length, 0, 0 };
		look_at(&message);
		if (event.kind == KUP_CALL_REQUEST)
			*id = event.id;
		break;
	case 2:
		count(kup_user_call_start(calls, roll(9), bytes, roll(sizeof(bytes)), NULL, id));
		break;
	case 3:
		kup_user_call_cancel(calls, *id);
		break;
	case 4:
		count(kup_user_reply(calls, *id, 0, bytes, roll(sizeof(bytes))));
		break;
	case 5:
		kup_user_call(calls, 1, bytes, roll(PAGE), &answer, roll(2));
		break;
	default:
		kup_user_reply_status(calls, *id, 1);
		kup_user_calls_prepare_wait(calls, (int)roll(2));
	}
}

static void use_calls(void)
{
	struct kup_user_channel *channel;
	struct kup_user_calls *calls;
	uint64_t id = 0;

	if (kup_user_channel_open("/dev/pages", KUP_CHANNEL_ANY, 0, &channel) != 0 ||
	    kup_user_calls_begin(channel, &calls) != 0)
		abort();
	kup_user_channel_set_spin(channel, 0);
	for (int step = 0; step < STEPS; step++) {
		scribble();
		use_call(calls, &id);
	}
	kup_user_calls_end(calls);
	kup_user_channel_close(channel);
}

static void use_kernproxy(void)
{
	static uint8_t bytes[PAGE + 1];
	void *device = kernproxy_open("/dev/pages");
	/* In a ring of one page there is no room for a message of a page. */
	void *channel = kernproxy_channel(device, roll(4), 1);

	for (int step = 0; step < STEPS && channel; step++) {
		uint8_t *message;

		scribble();
		if (roll(2)) {
			message = kernproxy_receive(channel, roll(2) ? KP_NB : 0);
			/*
			 * The caller may read and write a page there, for each length that was
			 * sent.
			 */
			if (message)
				memset(message, 1, PAGE);
			seen.messages += message != NULL;
		} else if (kernproxy_send(channel, bytes, roll(sizeof(bytes) + 1), roll(2)) == 0) {
			seen.sends++;
		} else {
			seen.refusals++;
		}
	}
	kernproxy_close(device);
}

int main(int count, char **arguments)
{
	unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 0) : 3000;
	unsigned long seed = count > 2 ? strtoul(arguments[2], NULL, 0) : 1;

	/* Ends a call that hangs. */
	alarm(patience(600 + (unsigned int)(rounds / 10)));
	for (unsigned long round = 0; round < rounds; round++) {
		make_odd_world(seed + round);
		if (world.info.mode == KUP_MODE_STREAM)
			use_channel();
		else if (world.info.mode == KUP_MODE_CALL)
			use_calls();
		else if (roll(2))
			use_kernproxy();
		else
			use_turns();
		end_world();
	}
	fprintf(stderr, "# %lu messages, %lu sends, %lu refusals\n", seen.messages, seen.sends,
		seen.refusals);
	if (!seen.messages || !seen.sends || !seen.refusals)
		printf("not ok kup_user_send() and _receive() work and fail on pages with random "
		       "words\n");
	else
		printf("ok kup_user_send() and _receive() survive pages with random words\n");
	return !seen.messages || !seen.sends || !seen.refusals;
}
