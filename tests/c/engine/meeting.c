/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps with ends, with broadcasts, and with records that are too short for them. */
#include <string.h>

#include "bare.h"

static const struct kup_config config = { .name = "meeting",
					  .channels = 2,
					  .to_user_pages = 1,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN };

/* ---- The C API's side ---- */

struct met {
	struct bare bare; /* its channel is the C API's */
	struct kup_user_channel *user;
};

static int begin(struct met *met, kup_u32 stamps)
{
	struct kup_config with = config;
	int error;

	with.stamps = stamps;
	if (bare_begin(&met->bare, &with))
		return -EIO;
	error = kup_user_channel_open("host:meeting", KUP_CHANNEL_ANY, PATIENCE_MS, &met->user);
	check(!error, "a channel can be opened", "%d", error);
	if (error)
		bare_end(&met->bare);
	else
		bare_switch(&met->bare);
	return error;
}

static void end(struct met *met)
{
	kup_user_channel_close(met->user);
	bare_end(&met->bare);
}

static int receive_now(struct met *met)
{
	struct kup_user_message message;

	return kup_user_receive(met->user, &message, 0);
}

/* As a kernel's side of another version could. */
static void send_control(struct met *met, kup_u32 kind, kup_u32 length)
{
	struct kup_reservation room;

	if (kup_try_reserve(met->bare.channel, length, &room) == 0)
		kup_commit_control(met->bare.channel, &room, kind, length);
}

static void test_end(kup_u32 stamps, const char *sentence)
{
	int first, ended, second, after, sent;
	struct met met;

	if (begin(&met, stamps))
		return;
	kup_try_send(met.bare.channel, 1, "one", 3);
	ended = kup_end(met.bare.channel, 0);
	first = receive_now(&met);
	second = receive_now(&met);
	after = receive_now(&met);
	sent = kup_user_send(met.user, 1, "answer", 6, 0);
	check(!ended && !first && second == -ENODATA && after == -EAGAIN && !sent, sentence,
	      "%d, %d, %d, %d, %d", ended, first, second, after, sent);
	end(&met);
}

static void test_behind_end(kup_u32 stamps, const char *sentence)
{
	int first, second, third;
	struct met met;

	if (begin(&met, stamps))
		return;
	send_control(&met, KUP_CONTROL_END, 0);
	kup_try_send(met.bare.channel, 1, "late", 4);
	first = receive_now(&met);
	second = receive_now(&met);
	kup_try_send(met.bare.channel, 1, "later", 5);
	third = receive_now(&met);
	check(first == -ENODATA && second == -EPROTO && third == -EPROTO, sentence, "%d, %d, %d",
	      first, second, third);
	end(&met);
}

static void test_end_payload(kup_u32 stamps, const char *sentence)
{
	int first, second;
	struct met met;

	if (begin(&met, stamps))
		return;
	send_control(&met, KUP_CONTROL_END, 1);
	first = receive_now(&met);
	second = receive_now(&met);
	check(first == -EPROTO && second == -EPROTO, sentence, "%d, %d", first, second);
	end(&met);
}

/* A kernel's side that forgets the stamps; a good message lies behind. */
static void test_short(kup_u32 flags, kup_u32 length, const char *sentence)
{
	const struct kup_producer *out;
	int first, second, third;
	kup_u32 *header;
	struct met met;

	if (begin(&met, 1))
		return;
	out = &met.bare.channel->out;
	header = (kup_u32 *)(void *)(out->data + out->head);
	kup_try_send(met.bare.channel, KUP_CONTROL_END, "12345678", 8);
	kup_try_send(met.bare.channel, 1, "good", 4);
	kup_store(header, KUP_RECORD_READY | flags | length);
	/* What is left of the first record. */
	kup_store(header + KUP_RECORD_SPACE(length) / 4,
		  KUP_RECORD_READY | KUP_RECORD_DISCARD |
			  (KUP_RECORD_SPACE(24) - KUP_RECORD_SPACE(length) - KUP_RECORD_HEADER));
	first = receive_now(&met);
	second = receive_now(&met);
	third = kup_user_send(met.user, 1, "x", 1, 0);
	check(first == -EPROTO && second == -EPROTO && third == -EPROTO, sentence, "%d, %d, %d",
	      first, second, third);
	end(&met);
}

/* ---- The kernel's side ---- */

static void test_user_end(void)
{
	struct kup_config stamped = config;
	struct kup_record record;
	struct bare bare;
	int good, lie;

	stamped.stamps = 1;
	if (bare_begin(&bare, &stamped))
		return;
	user_put(&bare.user, KUP_RECORD_CONTROL, KUP_CONTROL_END, 0);
	good = kup_try_peek(bare.channel, &record);
	bare_end(&bare);
	if (bare_begin(&bare, &stamped))
		return;
	user_put(&bare.user, KUP_RECORD_CONTROL, KUP_CONTROL_END, sizeof(struct kup_stamp));
	lie = kup_try_peek(bare.channel, &record);
	check(good == -ENODATA && lie == -EPROTO && bare.user.kernel->error == KUP_ERROR_END,
	      "kup_try_peek() expects no stamp in the END of a user", "%d, %d, error %u", good, lie,
	      bare.user.kernel->error);
	bare_end(&bare);
}

/* ---- Broadcasts ---- */

/* What one user has read, whose numbers all have to follow. */
struct numbers {
	kup_u32 next, wrong, lost, messages;
};

static void read_all(struct user *user, struct numbers *numbers)
{
	struct kup_record record;
	struct kup_stamp stamp;
	struct kup_gap gap = { .records = 1 };

	while (kup_consumer_peek(&user->in, &record) == KUP_RING_OK) {
		memcpy(&stamp, record.data, sizeof(stamp));
		if (record.control == KUP_CONTROL_GAP) {
			memcpy(&gap, (const kup_u8 *)record.data + sizeof(stamp), sizeof(gap));
			numbers->lost += (kup_u32)gap.records;
		} else {
			gap.records = 1;
			numbers->messages++;
		}
		numbers->wrong += stamp.sequence != numbers->next;
		numbers->next = stamp.sequence + (kup_u32)gap.records;
		user_release(user, &record);
	}
}

static void test_broadcast(void)
{
	static const struct kup_ops none;
	struct numbers fast = { 0 }, slow = { 0 };
	struct kup_config stamped = config;
	struct kup_device *device;
	struct user users[2];
	kup_u32 i;

	stamped.stamps = 1;
	device = make_device(&stamped, &none);
	user_attach(&users[0], "meeting", KUP_CHANNEL_ANY);
	for (i = 0; i < 7; i++)
		kup_broadcast(device, 1, "early", 5);
	read_all(&users[0], &fast);
	user_attach(&users[1], "meeting", KUP_CHANNEL_ANY);
	for (i = 0; i < 1000; i++) {
		kup_broadcast(device, 1, "12345678", 8);
		read_all(&users[0], &fast);
	}
	read_all(&users[1], &slow);
	kup_broadcast(device, 1, "last", 4);
	read_all(&users[0], &fast);
	read_all(&users[1], &slow);
	check(!fast.wrong && !fast.lost && fast.messages == 1008 && fast.next == 1008,
	      "kup_broadcast() numbers the messages of a fast reader from its own first one",
	      "%u wrong, %u lost, %u, next %u", fast.wrong, fast.lost, fast.messages, fast.next);
	check(!slow.wrong && slow.lost > 0 && slow.messages + slow.lost == 1001 &&
		      slow.next == 1001,
	      "kup_broadcast() numbers the losses of a slow reader, too",
	      "%u wrong, %u lost, %u, next %u", slow.wrong, slow.lost, slow.messages, slow.next);
	user_close(&users[0]);
	user_close(&users[1]);
	kup_device_destroy(device);
}

/* The first channel has ended, the second one has not. */
static void test_broadcast_end(void)
{
	struct kup_record record;
	struct user other;
	struct bare bare;
	kup_u32 gaps = 0;
	int sent;

	if (bare_begin(&bare, &config))
		return;
	if (!user_attach(&other, "meeting", KUP_CHANNEL_ANY)) {
		kup_end(bare.channel, 0);
		sent = kup_broadcast(bare.device, 1, "x", 1);
		while (kup_consumer_peek(&bare.user.in, &record) == KUP_RING_OK) {
			gaps += record.control != KUP_CONTROL_END;
			user_release(&bare.user, &record);
		}
		check(sent == 1 && !gaps && !bare.channel->counters.dropped_no_space,
		      "kup_broadcast() leaves out a channel whose direction has ended", "%d, %u",
		      sent, gaps);
		user_close(&other);
		bare_switch(&bare);
	}
	bare_end(&bare);
}

void meeting_cases(void)
{
	test_end(0, "kup_user_receive() returns -ENODATA once behind what was sent");
	test_end(1, "kup_user_receive() returns -ENODATA once at an END with a stamp");
	test_behind_end(0, "kup_user_receive() breaks the channel at a message behind an END");
	test_behind_end(1, "kup_user_receive() breaks the channel at a message behind an END with "
			   "a stamp");
	test_end_payload(0, "kup_user_receive() breaks the channel at an END with a payload");
	test_end_payload(1, "kup_user_receive() breaks the channel at an END with a stamp and a "
			    "payload");
	test_short(0, 0,
		   "kup_user_receive() breaks the channel at an empty record without a stamp");
	test_short(0, 15, "kup_user_receive() breaks the channel at a record of half a stamp");
	test_short(KUP_RECORD_CONTROL, 8,
		   "kup_user_receive() breaks the channel at an END that is shorter than a stamp");
	test_user_end();
	test_broadcast();
	test_broadcast_end();
}
