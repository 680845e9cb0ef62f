/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Stamps: times and numbers of records that many threads send at once, in each way of sending, and
 * what is lost meanwhile. Every number is added up.
 */
#include <string.h>

#include "bare.h"

static const struct kup_config config = { .name = "stamped",
					  .to_user_pages = 2,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN,
					  .stamps = 1 };

#define SENDERS 4
#define RECORDS 4000

struct stamped {
	struct bare bare;
	kup_u32 next;  /* the number of the next record */
	kup_u32 wrong; /* numbers or times that do not follow */
	kup_u32 holes; /* numbers that are missing without a gap */
	kup_u64 time;  /* of the newest record */
	kup_u64 got, lost, short_ones;
	kup_u32 over;	   /* atomic: the number of senders that are done */
	kup_u32 discarded; /* atomic */
};

/* Adds one record to the sums. */
static void add(struct stamped *stamped, const struct kup_record *record)
{
	struct kup_stamp stamp;
	struct kup_gap gap = { 0 };
	kup_u32 rest = record->length - (kup_u32)sizeof(stamp);

	if (record->length < sizeof(stamp) ||
	    (record->control == KUP_CONTROL_GAP && rest < sizeof(gap))) {
		stamped->short_ones++;
		return;
	}
	memcpy(&stamp, record->data, sizeof(stamp));
	stamped->wrong += stamp.sequence - stamped->next > 0x7fffffff;
	stamped->wrong += stamp.time_ns < stamped->time;
	stamped->holes += stamp.sequence - stamped->next;
	stamped->time = stamp.time_ns;
	if (record->control) {
		memcpy(&gap, (const kup_u8 *)record->data + sizeof(stamp), sizeof(gap));
		stamped->lost += gap.records;
	} else {
		stamped->got++;
	}
	stamped->next = stamp.sequence + (record->control ? (kup_u32)gap.records : 1);
}

static void read_all(struct stamped *stamped)
{
	struct kup_consumer *in = &stamped->bare.user.in;
	struct kup_record record;

	while (kup_consumer_peek(in, &record) == KUP_RING_OK) {
		add(stamped, &record);
		kup_consumer_release(in, &record);
	}
}

static void send_reserved(struct stamped *stamped, kup_u32 length, int discards)
{
	struct kup_reservation room;

	if (kup_try_reserve(stamped->bare.channel, length, &room))
		return;
	memset(room.data, 0x55, length);
	if (discards) {
		kup_discard(stamped->bare.channel, &room);
		__atomic_fetch_add(&stamped->discarded, 1, __ATOMIC_RELAXED);
	} else {
		kup_commit(stamped->bare.channel, &room, 1, length / 2);
	}
}

static void *send_many(void *argument)
{
	static const kup_u8 bytes[2000];
	const struct kup_message three[] = { { bytes, 10, 1 }, { bytes, 0, 1 }, { bytes, 33, 1 } };
	struct stamped *stamped = argument;
	struct kup_channel *channel = stamped->bare.channel;
	kup_u32 i, state = dice_seed(77);

	for (i = 0; i < RECORDS; i++) {
		kup_u32 way = dice(&state) % 8, length = dice(&state) % 100;

		if (way == 0)
			kup_try_send_batch(channel, three, 3);
		else if (way <= 2)
			send_reserved(stamped, length, way == 2);
		else if (way == 3)
			kup_try_send(channel, 1, bytes, 1200 + length);
		else
			kup_try_send(channel, 1, bytes, length);
	}
	__atomic_fetch_add(&stamped->over, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_many(void)
{
	struct stamped stamped;
	pthread_t threads[SENDERS];
	kup_u64 sent, lost;
	kup_u32 i;

	memset(&stamped, 0, sizeof(stamped));
	if (bare_begin(&stamped.bare, &config))
		return;
	for (i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_many, &stamped);
	check(EVENTUALLY(kup_load64(&stamped.bare.channel->counters.dropped_no_space)),
	      "kup_try_send() by four threads fills a ring that is not read", "it doesn't");
	while (kup_load(&stamped.over) < SENDERS)
		read_all(&stamped);
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	read_all(&stamped);
	/* Numbers that were discarded at the end are missing before this record. */
	kup_try_send(stamped.bare.channel, 1, "x", 1);
	read_all(&stamped);
	sent = stamped.bare.channel->counters.to_user_records;
	lost = stamped.bare.channel->counters.dropped_no_space;
	check(!stamped.wrong && !stamped.short_ones && stamped.holes == stamped.discarded &&
		      stamped.got == sent && stamped.lost == lost && lost > 0 &&
		      stamped.next == sent + lost + stamped.discarded,
	      "kup_try_send() by four threads numbers each record that was sent or lost",
	      "%u wrong, %u of %u holes, %lu of %lu sent, %lu of %lu lost, next %u", stamped.wrong,
	      stamped.holes, stamped.discarded, (unsigned long)stamped.got, (unsigned long)sent,
	      (unsigned long)stamped.lost, (unsigned long)lost, stamped.next);
	bare_end(&stamped.bare);
}

/* The longest message, and the GAP record before it, fit into an empty ring. */
static void test_longest(void)
{
	static const kup_u8 bytes[8192];
	struct stamped stamped;
	kup_u32 most;
	int too_long, fits;

	memset(&stamped, 0, sizeof(stamped));
	if (bare_begin(&stamped.bare, &config))
		return;
	most = kup_max_payload(stamped.bare.channel);
	too_long = kup_try_send(stamped.bare.channel, 1, bytes, most + 1);
	fits = kup_try_send(stamped.bare.channel, 1, bytes, most);
	read_all(&stamped);
	check(most == 8192 - KUP_RECORD_RESERVE - KUP_STAMP_RESERVE && too_long == -EMSGSIZE &&
		      !fits && stamped.got == 1 && stamped.lost == 1 && stamped.next == 2,
	      "kup_max_payload() leaves room for the stamps of a message and a GAP record",
	      "%u, %d, %d, %u", most, too_long, fits, stamped.next);
	bare_end(&stamped.bare);
}

static void test_accessor(void)
{
	struct kup_user_channel *user;
	struct kup_user_message message;
	struct bare bare;
	struct kup_config two = config;
	const struct kup_stamp *first, *second;
	kup_u64 before, sequences = 0;
	int error;

	two.channels = 2;
	if (bare_begin(&bare, &two))
		return;
	error = kup_user_channel_open("host:stamped", KUP_CHANNEL_ANY, PATIENCE_MS, &user);
	check(!error, "a channel with stamps can be opened", "%d", error);
	if (error) {
		bare_end(&bare);
		return;
	}
	bare_switch(&bare);
	before = os_now_ns();
	kup_try_send(bare.channel, 5, "first", 5);
	kup_try_send(bare.channel, 5, "second", 6);
	error = kup_user_receive(user, &message, 0);
	first = kup_user_message_stamp(user, &message);
	error |= error ? 0 : message.length != 5 || memcmp(message.data, "first", 5) != 0;
	error |= !first || first->sequence != 0 || first->time_ns < before;
	before = first ? first->time_ns : 0;
	error |= kup_user_receive(user, &message, 0);
	second = kup_user_message_stamp(user, &message);
	sequences = second ? second->sequence : 0;
	error |= sequences != 1 || second->time_ns < before || second->time_ns > os_now_ns();
	check(!error, "kup_user_message_stamp() returns the time and number of a message",
	      "%d, number %lu", error, (unsigned long)sequences);
	kup_user_channel_close(user);
	bare_end(&bare);
}

void stamps_cases(void)
{
	test_many();
	test_longest();
	test_accessor();
}
