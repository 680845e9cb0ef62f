/* SPDX-License-Identifier: BSD-3-Clause */
/* kup_user_call.h before a kernel that the test plays, which also breaks the rules of calls. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kup_user_call.h"
#include "world.h"

#define FRAME ((uint32_t)sizeof(struct kup_call))

static int failures;
static struct kup_user_channel *channel;
static struct kup_user_calls *calls;
static uint32_t read_at; /* the kernel's cursor in the ring to it */

static void check(bool good, const char *sentence)
{
	printf("%s %s\n", good ? "ok" : "not ok", sentence);
	failures += !good;
}

static void begin(void)
{
	make_world(KUP_MODE_CALL, PAGE, PAGE);
	read_at = 0;
	if (kup_user_channel_open("/dev/calls", KUP_CHANNEL_ANY, 0, &channel) != 0 ||
	    kup_user_calls_begin(channel, &calls) != 0)
		check(false, "a channel with calls is opened");
	kup_user_channel_set_spin(channel, 0);
}

static void end(void)
{
	kup_user_calls_end(calls);
	kup_user_channel_close(channel);
	end_world();
}

/* ---- The kernel ---- */

static void send(uint64_t id, uint32_t kind, uint32_t status, uint32_t method, uint32_t length)
{
	const struct kup_call frame = { id, kind, status };
	uint8_t *at = world.in + ((world.kernel->to_user_head.value + 8) & (PAGE - 1));

	memcpy(at, &frame, sizeof(frame));
	memset(at + FRAME, 0x33, length);
	send_record(FRAME + length, method);
}

/* Reads the user's next record. */
static struct kup_call read_next(uint32_t *type, uint32_t *length)
{
	const struct kup_record_header *header = (const void *)(world.out + (read_at & (PAGE - 1)));
	struct kup_call frame;

	*length = (header->length_flags & KUP_RECORD_LENGTH) - FRAME;
	*type = header->type;
	memcpy(&frame, header + 1, sizeof(frame));
	read_at += KUP_RECORD_SPACE(*length + FRAME);
	world.kernel->to_kernel_tail.value = read_at;
	return frame;
}

static bool next_is(uint64_t id, uint32_t kind, uint32_t status, uint32_t length)
{
	uint32_t type, got;
	struct kup_call frame = read_next(&type, &got);

	return frame.id == id && frame.kind == kind && frame.status == status && got == length;
}

/* ---- Calls of the user ---- */

static void test_calls(void)
{
	struct kup_user_call_event event;
	uint32_t type, length;
	uint64_t first, second;
	struct kup_call frame;
	int one = 1, two = 2;
	bool good;

	begin();
	kup_user_call_start(calls, 7, "hello", 5, &one, &first);
	kup_user_call_start(calls, 8, NULL, 0, &two, &second);
	frame = read_next(&type, &length);
	check(frame.id == first && frame.kind == KUP_CALL_REQUEST && !frame.status && type == 7 &&
		      length == 5 && first % KUP_CALLS != second % KUP_CALLS,
	      "kup_user_call_start() sends a request in a slot of its own");
	send(second, KUP_CALL_REPLY, 9, 0, 3);
	send(first, KUP_CALL_REPLY, 0, 0, 0);
	good = kup_user_calls_next(calls, &event, 0) == 0 && event.id == second &&
	       event.context == &two && event.status == 9 && event.length == 3 && !event.error;
	good = good && kup_user_calls_next(calls, &event, 0) == 0 && event.context == &one;
	check(good && kup_user_calls_next(calls, &event, 0) == -EAGAIN,
	      "kup_user_calls_next() returns each reply with its call's context");
	send(first, KUP_CALL_REPLY, 0, 0, 0);
	send(1ull << 60, KUP_CALL_REPLY, 0, 0, 0);
	send(5, KUP_CALL_CANCEL, 0, 0, 0);
	send(5, KUP_CALL_OPTIONAL | 3, 0, 0, 0);
	check(kup_user_calls_next(calls, &event, 0) == -EAGAIN &&
		      kup_user_calls_ignored(calls) == 4,
	      "kup_user_calls_next() ignores and counts frames that belong to no call");
	read_next(&type, &length);
	kup_user_call_start(calls, 1, NULL, 0, NULL, &first);
	read_next(&type, &length);
	good = kup_user_call_cancel(calls, first) == 0 && next_is(first, KUP_CALL_CANCEL, 0, 0);
	send(first, KUP_CALL_REPLY, 0, 0, 4);
	check(good && kup_user_call_cancel(calls, first) == -ENOENT &&
		      kup_user_calls_next(calls, &event, 0) == -EAGAIN,
	      "kup_user_call_cancel() ends a call, whose reply is no event");
	check(kup_user_call_start(calls, KUP_TYPE_RESERVED, NULL, 0, NULL, &first) == -EINVAL &&
		      kup_user_call_start(calls, 1, NULL, PAGE, NULL, &first) == -EMSGSIZE,
	      "kup_user_call_start() refuses what can't be asked");
	end();
}

static void test_limits(void)
{
	static const uint8_t bytes[PAGE];
	struct kup_user_call_event event;
	uint32_t i, type, length;
	uint64_t id, last = 0;

	begin();
	for (i = 0; kup_user_call_start(calls, 1, NULL, 0, NULL, &id) == 0; i++) {
		read_next(&type, &length);
		last = id;
	}
	check(i == KUP_CALLS, "kup_user_call_start() is -EAGAIN while KUP_CALLS calls are open");
	kup_user_call_cancel(calls, last);
	check(kup_user_call_start(calls, 1, NULL, 0, NULL, &id) == -EAGAIN,
	      "a call that was cancelled keeps its slot until its reply");
	send(last, KUP_CALL_REPLY, 0, 0, 0);
	check(kup_user_calls_next(calls, &event, 0) == -EAGAIN &&
		      kup_user_call_start(calls, 1, bytes, 2000, NULL, &id) == 0,
	      "and frees it then");
	send(id, KUP_CALL_REPLY, 0, 0, 0);
	kup_user_calls_next(calls, &event, 0);
	check(kup_user_call_start(calls, 1, bytes, 1500, NULL, &id) == -EAGAIN,
	      "kup_user_call_start() leaves a quarter of the ring free");
	send(1, KUP_CALL_REQUEST, 0, 1, 0);
	kup_user_calls_next(calls, &event, 0);
	check(kup_user_reply(calls, 1, 0, bytes, 1500) == 0, "which replies may use");
	end();
}

/* ---- Requests of the kernel ---- */

static void test_requests(void)
{
	static const uint8_t bytes[PAGE];
	struct kup_user_call_event event;
	uint64_t high = 0xaabbccdd00000000ull;
	bool good;
	int i;

	begin();
	send(high + 3, KUP_CALL_REQUEST, 0, 12, 30);
	good = kup_user_calls_next(calls, &event, 0) == 0 && event.kind == KUP_CALL_REQUEST &&
	       event.method == 12 && event.length == 30 &&
	       ((const uint8_t *)event.data)[29] == 0x33;
	check(good && kup_user_reply(calls, high + 3, 5, "abc", 3) == 0 &&
		      next_is(high + 3, KUP_CALL_REPLY, 5, 3),
	      "kup_user_reply() answers the kernel's id");
	check(kup_user_reply(calls, high + 3, 0, NULL, 0) == -ENOENT &&
		      kup_user_reply_status(calls, 3, 0) == -ENOENT,
	      "kup_user_reply() answers each request once");
	send(4, KUP_CALL_REQUEST, 0, KUP_TYPE_RESERVED, 0);
	check(kup_user_calls_next(calls, &event, 0) == -EAGAIN &&
		      next_is(4, KUP_CALL_REPLY, KUP_STATUS_NO_METHOD, 0),
	      "a method of KUP's gets KUP_STATUS_NO_METHOD");
	for (i = 0; i < 4; i++) {
		send((uint64_t)i, KUP_CALL_REQUEST, 0, 1, 0);
		kup_user_calls_next(calls, &event, 0);
	}
	check(kup_user_reply(calls, 0, 0, bytes, PAGE) == -EMSGSIZE &&
		      kup_user_reply(calls, 0, 0, bytes, 3000) == 0 &&
		      kup_user_reply(calls, 1, 0, bytes, 2000) == -EAGAIN &&
		      kup_user_reply(calls, 1, 0, bytes, 1020) == 0,
	      "kup_user_reply() leaves a request open that has no room");
	check(kup_user_reply_status(calls, 2, 6) == 0 && kup_user_reply_status(calls, 3, 7) == 0 &&
		      kup_user_calls_prepare_wait(calls, 0) == (POLLIN | POLLOUT),
	      "kup_user_reply_status() succeeds without room");
	good = next_is(0, KUP_CALL_REPLY, 0, 3000) && next_is(1, KUP_CALL_REPLY, 0, 1020);
	check(good && kup_user_calls_next(calls, &event, 0) == -EAGAIN &&
		      next_is(2, KUP_CALL_REPLY, 6, 0) && next_is(3, KUP_CALL_REPLY, 7, 0),
	      "and is sent when there is room");
	end();
}

/* ---- Ends, and lies ---- */

static void test_end(void)
{
	struct kup_user_call_event event;
	uint32_t replies = 0, cancels = 0;
	uint64_t id;
	int error;

	begin();
	for (int i = 0; i < 5; i++)
		kup_user_call_start(calls, 1, NULL, 0, NULL, &id);
	kup_user_call_cancel(calls, id);
	for (uint64_t i = 0; i < 3; i++) {
		send(i, KUP_CALL_REQUEST, 0, 1, 0);
		kup_user_calls_next(calls, &event, 0);
	}
	world.kernel->state = KUP_STATE_CLOSED;
	while ((error = kup_user_calls_next(calls, &event, -1)) == 0) {
		replies += event.kind == KUP_CALL_REPLY && event.error == -EPIPE;
		cancels += event.kind == KUP_CALL_CANCEL;
	}
	check(error == -EPIPE && replies == 4 && cancels == 3,
	      "kup_user_calls_next() ends each call and each request once when the channel ends");
	check(kup_user_call_start(calls, 1, NULL, 0, NULL, &id) == -EPIPE &&
		      kup_user_reply(calls, 1, 0, NULL, 0) == -EPIPE &&
		      kup_user_calls_prepare_wait(calls, 0) == 0,
	      "and nothing can be sent");
	end();
}

static void test_lies(void)
{
	static const struct {
		const char *sentence;
		uint64_t id;
		uint32_t kind, status, length;
	} lies[] = {
		{ "an unknown kind breaks the channel", 1, 4, 0, 0 },
		{ "the kind 0 does", 1, 0, 0, 0 },
		{ "a request with a status does", 1, KUP_CALL_REQUEST, 1, 0 },
		{ "a request in a slot that is in use does", 63 + KUP_CALLS, KUP_CALL_REQUEST, 0,
		  0 },
		{ "a cancel with data does", 1, KUP_CALL_CANCEL, 0, 1 },
		{ "a cancel with a status does", 1, KUP_CALL_CANCEL, 1, 0 },
	};
	struct kup_user_call_event event;
	uint64_t id;
	bool good;

	for (size_t i = 0; i <= sizeof(lies) / sizeof(lies[0]); i++) {
		begin();
		kup_user_call_start(calls, 1, NULL, 0, NULL, &id);
		send(63, KUP_CALL_REQUEST, 0, 1, 0);
		kup_user_calls_next(calls, &event, 0);
		if (i < sizeof(lies) / sizeof(lies[0]))
			send(lies[i].id, lies[i].kind, lies[i].status, 1, lies[i].length);
		else
			send_record(FRAME - 1, 0);
		good = kup_user_calls_next(calls, &event, 0) == 0 && event.error == -EPROTO &&
		       event.id == id;
		good = good && kup_user_calls_next(calls, &event, 0) == 0 &&
		       event.kind == KUP_CALL_CANCEL && event.id == 63;
		good = good && kup_user_calls_next(calls, &event, -1) == -EPROTO &&
		       kup_user_call_start(calls, 1, NULL, 0, NULL, &id) == -EPROTO &&
		       kup_user_reply(calls, 63, 0, NULL, 0) == -EPROTO;
		check(good, i < sizeof(lies) / sizeof(lies[0]) ? lies[i].sentence
							       : "a frame that is too short does");
		end();
	}
}

int main(void)
{
	test_calls();
	test_limits();
	test_requests();
	test_end();
	test_lies();
	return failures > 0;
}
