/* SPDX-License-Identifier: BSD-3-Clause */
/* Directions that end while the other direction goes on. */
#include <string.h>

#include "bare.h"

static const struct kup_config config = {
	.name = "end", .to_user_pages = 1, .to_kernel_pages = 1, .spin_us = KUP_NO_SPIN
};

static int receive_now(struct bare *bare, struct kup_record *record)
{
	static char buffer[4096];

	return kup_receive(bare->channel, buffer, sizeof(buffer), record, 0);
}

/* ---- The user's END ---- */

static void test_received(void)
{
	struct kup_record record;
	struct bare bare;
	int first, end, after, sent, gone;

	if (bare_begin(&bare, &config))
		return;
	user_put(&bare.user, 0, 5, 8);
	user_put(&bare.user, KUP_RECORD_CONTROL, KUP_CONTROL_END, 0);
	first = receive_now(&bare, &record);
	end = receive_now(&bare, &record);
	after = receive_now(&bare, &record);
	sent = kup_send(bare.channel, 1, "answer", 6, 0);
	check(first == 0 && end == -ENODATA && after == -EAGAIN && sent == 0,
	      "kup_receive() returns -ENODATA once behind what was sent, and sends go on",
	      "%d, %d, %d, %d", first, end, after, sent);
	check(bare.channel->counters.to_kernel_records == 1,
	      "kup_receive() does not count the END as a message", "%u",
	      (kup_u32)bare.channel->counters.to_kernel_records);
	user_close(&bare.user);
	gone = receive_now(&bare, &record);
	check(gone == -EPIPE, "kup_receive() returns -EPIPE when the user is gone behind its END",
	      "%d", gone);
	kup_channel_put(bare.channel);
	kup_device_destroy(bare.device);
}

static int call_peek(struct call *call)
{
	struct kup_record record;

	return kup_peek(call->bare->channel, &record, KUP_FOREVER);
}

static void test_wakes(void)
{
	struct call call = { 0 };
	struct bare bare;
	kup_u32 from;
	int slept, error;

	if (bare_begin(&bare, &config))
		return;
	call_start(&call, &bare, call_peek);
	slept = bare_sleeps(&bare, 1);
	from = user_put(&bare.user, KUP_RECORD_CONTROL, KUP_CONTROL_END, 0);
	if (user_is_asked(&bare.user, from))
		kup_user_kick(bare.user.file);
	call_is_done(&call);
	error = call_finish(&call);
	check(slept && error == -ENODATA, "kup_peek() that sleeps is woken by the user's END", "%d",
	      error);
	bare_end(&bare);
}

static void test_lies(void)
{
	static const struct {
		kup_u32 flags, type, length;
		const char *sentence;
	} lies[] = {
		{ 0, 1, 8, "kup_try_peek() breaks the channel at a record behind an END" },
		{ KUP_RECORD_CONTROL, KUP_CONTROL_END, 0,
		  "kup_try_peek() breaks the channel at a second END" },
	};
	struct kup_record record;
	struct bare bare;
	kup_u32 i;
	int end, late;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (bare_begin(&bare, &config))
			return;
		user_put(&bare.user, KUP_RECORD_CONTROL, KUP_CONTROL_END, 0);
		user_put(&bare.user, lies[i].flags, lies[i].type, lies[i].length);
		end = kup_try_peek(bare.channel, &record);
		late = kup_try_peek(bare.channel, &record);
		check(end == -ENODATA && late == -EPROTO &&
			      bare.user.kernel->error == KUP_ERROR_END,
		      lies[i].sentence, "%d, %d, error %u", end, late, bare.user.kernel->error);
		bare_end(&bare);
	}
}

/* ---- The kernel's END ---- */

static void test_sent(void)
{
	struct kup_reservation room = { 0 }, other;
	struct kup_record record;
	struct bare bare;
	kup_u32 kinds = 0;
	int again, late, lossy, reserved, got;

	if (bare_begin(&bare, &config))
		return;
	kup_try_reserve(bare.channel, 8, &room);
	check(kup_end(bare.channel, 0) == 0, "kup_end() ends behind an open reservation", "no");
	again = kup_end(bare.channel, 0);
	late = kup_send(bare.channel, 0, "x", 1, 0);
	lossy = kup_try_send(bare.channel, 0, "x", 1);
	reserved = kup_try_reserve(bare.channel, 8, &other);
	check(again == -ESHUTDOWN && late == -ESHUTDOWN && lossy == -ESHUTDOWN &&
		      reserved == -ESHUTDOWN,
	      "kup_end() makes each later send, and a second kup_end, return -ESHUTDOWN",
	      "%d, %d, %d, %d", again, late, lossy, reserved);
	kup_commit(bare.channel, &room, 7, 8);
	while (kup_consumer_peek(&bare.user.in, &record) == KUP_RING_OK) {
		kinds = kinds * 10 + (record.control ? record.control : record.type);
		user_release(&bare.user, &record);
	}
	check(kinds == 73 && bare.channel->counters.to_user_records == 1,
	      "kup_end() sends one END behind the messages, which is not counted", "%u", kinds);
	user_put(&bare.user, 0, 5, 8);
	got = receive_now(&bare, &record);
	check(got == 0 && record.type == 5 && !kup_ended(bare.channel),
	      "kup_receive() goes on after kup_end()", "%d", got);
	bare_end(&bare);
}

static int call_end(struct call *call)
{
	return kup_end(call->bare->channel, KUP_FOREVER);
}

/* The user reads on: messages, the report of the losses, the END. */
static void test_full(void)
{
	struct call call = { 0 };
	struct kup_record record;
	struct bare bare;
	kup_u32 gaps = 0, ends = 0, behind = 0;
	int full, slept, error;

	if (bare_begin(&bare, &config))
		return;
	while (kup_try_send(bare.channel, 0, "12345678", 8) == 0)
		;
	while (kup_send(bare.channel, 0, "", 0, 0) == 0)
		;
	full = kup_end(bare.channel, 0);
	call_start(&call, &bare, call_end);
	slept = bare_sleeps(&bare, 1);
	while (ends == 0 && user_receive(&bare.user, &record) == 0) {
		gaps += record.control == KUP_CONTROL_GAP;
		ends += record.control == KUP_CONTROL_END;
		behind += ends > 0 && record.control != KUP_CONTROL_END;
		user_release(&bare.user, &record);
	}
	error = call_finish(&call);
	check(full == -EAGAIN && slept && !error && gaps == 1 && ends == 1 && !behind,
	      "kup_end() waits for room, and reports losses before the END",
	      "%d, %d, %u gaps, %u ends", full, error, gaps, ends);
	bare_end(&bare);
}

static void test_refused(void)
{
	struct kup_attach attach = { .abi_version = KUP_ABI_VERSION, .channel = KUP_CHANNEL_ANY };
	struct kup_config turns = config;
	struct bare bare;
	int error;

	turns.mode = KUP_MODE_TURN;
	if (bare_begin(&bare, &turns))
		return;
	error = kup_end(bare.channel, 0);
	check(error == -EINVAL, "kup_end() refuses a turn channel with -EINVAL", "%d", error);
	bare_end(&bare);
	if (bare_begin(&bare, &config))
		return;
	/* An old process, which does not know the feature. */
	user_close(&bare.user);
	bare.user.file = user_open("end");
	error = kup_user_attach(bare.user.file, &attach);
	bare_switch(&bare);
	if (!error)
		error = kup_end(bare.channel, 0);
	check(error == -EOPNOTSUPP,
	      "kup_end() returns -EOPNOTSUPP if the process does not understand it", "%d", error);
	kup_user_close(bare.user.file);
	kup_channel_put(bare.channel);
	kup_device_destroy(bare.device);
}

void direction_cases(void)
{
	test_received();
	test_wakes();
	test_lies();
	test_sent();
	test_full();
	test_refused();
}
