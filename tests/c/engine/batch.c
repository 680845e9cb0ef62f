/* SPDX-License-Identifier: BSD-3-Clause */
/* Several messages in one call, in both directions. */
#include <string.h>

#include "bare.h"

static const struct kup_config config = { .name = "batches",
					  .channels = 2,
					  .to_user_pages = 1,
					  .to_kernel_pages = 1,
					  .spin_us = KUP_NO_SPIN };

#define MANY 100

static kup_u8 bytes[4096];
static struct kup_message messages[MANY];

/* The message's type is its number. */
static void number_messages(kup_u32 length)
{
	kup_u32 i;

	for (i = 0; i < MANY; i++)
		messages[i] = (struct kup_message){ bytes, length, i };
}

/* Reads all that is there. Returns the number of messages whose types continue from `next`. */
static kup_u32 read_on(struct user *user, kup_u32 next)
{
	struct kup_record record;
	kup_u32 count = 0;

	while (kup_consumer_peek(&user->in, &record) == KUP_RING_OK) {
		count += !record.control && record.type == next + count;
		kup_consumer_release(&user->in, &record);
	}
	return count;
}

static kup_u64 lost(const struct bare *bare)
{
	const struct kup_counters *counters = &bare->channel->counters;

	return counters->dropped_no_space + counters->dropped_too_long;
}

static void test_one_wake_up(void)
{
	struct bare bare;
	kup_u64 before, after;
	int sent;

	if (bare_begin(&bare, &config))
		return;
	number_messages(8);
	kup_consumer_announce(&bare.user.in, 0);
	before = kup_load64(&bare.channel->counters.wakeups);
	sent = kup_send_batch(bare.channel, messages, 64, 0);
	after = kup_load64(&bare.channel->counters.wakeups);
	check(sent == 64 && after - before == 1 && read_on(&bare.user, 0) == 64 &&
		      bare.channel->counters.to_user_records == 64 &&
		      bare.channel->counters.to_user_payload == 64 * 8,
	      "kup_send_batch() sends 64 messages in order, with one wake-up",
	      "%d sent, %u wake-ups", sent, (kup_u32)(after - before));
	check(kup_send_batch(bare.channel, messages, 0, 0) == 0,
	      "kup_send_batch() of no messages is 0", "no");
	bare_end(&bare);
}

static void test_all_sizes(void)
{
	static const kup_u32 lengths[] = { 0, 1, 1024, 1025, 0, 600, 7 };
	struct kup_record record;
	struct bare bare;
	kup_u32 i, good = 0, count = sizeof(lengths) / sizeof(lengths[0]);
	int sent;

	if (bare_begin(&bare, &config))
		return;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (kup_u8)(i * 7);
	for (i = 0; i < count; i++)
		messages[i] = (struct kup_message){ lengths[i] ? bytes + i : NULL, lengths[i], i };
	sent = kup_send_batch(bare.channel, messages, count, 0);
	for (i = 0; i < count && kup_consumer_peek(&bare.user.in, &record) == KUP_RING_OK; i++) {
		good += record.type == i && record.length == lengths[i] &&
			(lengths[i] == 0 || memcmp(record.data, bytes + i, lengths[i]) == 0);
		kup_consumer_release(&bare.user.in, &record);
	}
	check(sent == (int)count && good == count,
	      "kup_send_batch() sends messages of all sizes, long ones among them", "%d, %u good",
	      sent, good);
	bare_end(&bare);
}

static void test_no_room(void)
{
	const int fit = (int)((4096 - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(100));
	struct bare bare;
	int sent, again, rest;

	if (bare_begin(&bare, &config))
		return;
	number_messages(100);
	sent = kup_send_batch(bare.channel, messages, MANY, 0);
	again = kup_send_batch(bare.channel, messages + sent, 1, 0);
	check(sent == fit && again == -EAGAIN && read_on(&bare.user, 0) == (kup_u32)fit,
	      "kup_send_batch() without room returns how many it has sent", "%d, then %s", sent,
	      strerror(-again));
	rest = kup_send_batch(bare.channel, messages + fit, 10, 0);
	check(rest == 10 && lost(&bare) == 0 && read_on(&bare.user, (kup_u32)fit) == 10,
	      "kup_send_batch() loses nothing, and goes on later", "%d, %u lost", rest,
	      (kup_u32)lost(&bare));
	bare_end(&bare);
}

static void test_too_long(void)
{
	struct bare bare;
	int sent, again;

	if (bare_begin(&bare, &config))
		return;
	number_messages(8);
	messages[3].length = kup_max_payload(bare.channel) + 1;
	sent = kup_send_batch(bare.channel, messages, 10, KUP_FOREVER);
	again = kup_send_batch(bare.channel, messages + 3, 7, KUP_FOREVER);
	check(sent == 3 && again == -EMSGSIZE && read_on(&bare.user, 0) == 3 && lost(&bare) == 0,
	      "kup_send_batch() stops at a message that is too long", "%d, then %d", sent, again);
	bare_end(&bare);
}

static void test_lossy(void)
{
	const kup_u32 fit = (4096 - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(100);
	struct kup_record record;
	struct kup_gap gap = { 0 };
	struct bare bare;
	int sent, full, next;

	if (bare_begin(&bare, &config))
		return;
	number_messages(100);
	messages[0].length = 4096;
	sent = kup_try_send_batch(bare.channel, messages, MANY);
	full = kup_try_send_batch(bare.channel, messages + 1, 2);
	check(sent == (int)fit && full == -EAGAIN && read_on(&bare.user, 1) == fit &&
		      bare.channel->counters.dropped_too_long == 1 &&
		      bare.channel->counters.dropped_no_space == MANY - 1 - fit + 2,
	      "kup_try_send_batch() counts each message that it loses", "%d, %d, %u lost", sent,
	      full, (kup_u32)lost(&bare));
	next = kup_try_send_batch(bare.channel, messages + 1, 2);
	if (kup_consumer_peek(&bare.user.in, &record) == KUP_RING_OK && record.control) {
		memcpy(&gap, record.data, sizeof(gap));
		kup_consumer_release(&bare.user.in, &record);
	}
	check(next == 2 && gap.records == MANY - 1 - fit + 2 && read_on(&bare.user, 1) == 2,
	      "kup_try_send_batch() reports the losses before the next message", "%d, %u", next,
	      (kup_u32)gap.records);
	bare_end(&bare);
}

/* A loss in the middle of a batch: what follows and fits comes behind the report. */
static void test_gap_inside(void)
{
	struct kup_record record;
	struct bare bare;
	kup_u32 order = 0;
	int sent;

	if (bare_begin(&bare, &config))
		return;
	/* All three are short, so they are sent under one lock; the second one has no room. */
	number_messages(1000);
	messages[1].length = 64;
	messages[2].length = 1024;
	messages[3].length = 8;
	kup_send_batch(bare.channel, messages + 4, 3, 0);
	sent = kup_try_send_batch(bare.channel, messages + 1, 3);
	while (kup_consumer_peek(&bare.user.in, &record) == KUP_RING_OK) {
		order = order * 10 + (record.control ? 9 : record.type);
		kup_consumer_release(&bare.user.in, &record);
	}
	check(sent == 2 && order == 456193,
	      "kup_try_send_batch() reports a loss between the messages around it", "%d, %u", sent,
	      order);
	bare_end(&bare);
}

static void test_behind_open(void)
{
	struct kup_reservation room;
	struct bare bare;
	kup_u32 early, later;
	int sent;

	if (bare_begin(&bare, &config))
		return;
	number_messages(8);
	kup_try_reserve(bare.channel, 8, &room);
	sent = kup_send_batch(bare.channel, messages + 1, 63, 0);
	early = read_on(&bare.user, 0);
	kup_commit(bare.channel, &room, 0, 8);
	later = read_on(&bare.user, 0);
	check(sent == 63 && early == 0 && later == 64,
	      "kup_send_batch() sends behind a reservation that is open", "%d, %u, %u", sent, early,
	      later);
	bare_end(&bare);
}

/* ---- Waiting ---- */

static int call_batch(struct call *call)
{
	return kup_send_batch(call->bare->channel, messages, MANY, KUP_FOREVER);
}

static int call_batch_briefly(struct call *call)
{
	return kup_send_batch(call->bare->channel, messages, MANY, KUP_MS);
}

static void test_waiting(void)
{
	struct call call = { 0 };
	struct kup_record record;
	struct bare bare;
	kup_u32 got = 0;
	int sent, slept;

	if (bare_begin(&bare, &config))
		return;
	number_messages(100);
	call_start(&call, &bare, call_batch);
	slept = bare_sleeps(&bare, 1);
	while (got < MANY && user_receive(&bare.user, &record) == 0 && record.type == got) {
		user_release(&bare.user, &record);
		got++;
	}
	sent = call_finish(&call);
	check(slept && sent == MANY && got == MANY,
	      "kup_send_batch() waits for room until all are sent", "%d sent, %u read", sent, got);
	bare_end(&bare);
}

static void test_partial(int (*make)(struct call *call), int closes, const char *sentence)
{
	const int fit = (int)((4096 - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(100));
	struct call call = { 0 };
	struct bare bare;
	int sent;

	if (bare_begin(&bare, &config))
		return;
	number_messages(100);
	call_start(&call, &bare, make);
	bare_sleeps(&bare, 1);
	if (closes)
		kup_channel_close(bare.channel);
	sent = call_is_done(&call) ? call_finish(&call) : -EBUSY;
	check(sent == fit && read_on(&bare.user, 0) == (kup_u32)fit, sentence, "%d", sent);
	bare_end(&bare);
}

/* ---- Storms: batches against a peer that falls asleep between them ---- */

#define STORM_MOST 80

static void fill_numbers(struct kup_message *batch, kup_u32 *numbers, kup_u32 count, kup_u32 next)
{
	kup_u32 i;

	for (i = 0; i < count; i++) {
		numbers[i] = next + i;
		batch[i] = (struct kup_message){ &numbers[i], sizeof(numbers[i]), 1 };
	}
}

static void *storm_send(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_message batch[STORM_MOST];
	kup_u32 numbers[STORM_MOST], next = 0, state = dice_seed(401), count;
	int sent;

	while (!kup_ended(channel)) {
		count = dice(&state) % STORM_MOST + 1;
		fill_numbers(batch, numbers, count, next);
		sent = kup_send_batch(channel, batch, count, dice(&state) % 2 ? KUP_FOREVER : 0);
		next += sent > 0 ? (kup_u32)sent : 0;
		if (dice(&state) % 4 == 0)
			kup_pause(channel, dice(&state) % 200 * KUP_US);
	}
	return NULL;
}

static void test_storm_to_user(void)
{
	struct kup_record record;
	struct bare bare;
	pthread_t thread;
	kup_u32 next = 0;
	int error = 0;

	if (bare_begin(&bare, &config))
		return;
	storm_begin();
	pthread_create(&thread, NULL, storm_send, bare.channel);
	while (!error && storm_goes_on(500)) {
		error = user_receive(&bare.user, &record);
		if (!error && *(const kup_u32 *)record.data != next++)
			error = -EBADMSG;
		if (!error)
			user_release(&bare.user, &record);
		storm_step();
	}
	kup_channel_close(bare.channel);
	pthread_join(thread, NULL);
	check(!error && next >= 500, "a user that sleeps between batches misses none",
	      "%s after %u", strerror(-error), next);
	bare_end(&bare);
}

static void *storm_receive(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_record record;
	kup_u32 next = 0, number;
	int error;

	while (!(error = kup_receive(channel, &number, sizeof(number), &record, KUP_FOREVER))) {
		if (number != next++) {
			kup_channel_close(channel);
			return (void *)1;
		}
		storm_step();
	}
	return NULL;
}

/* Sends until the storm is over; 0 or a negative errno. */
static int storm_send_user(struct kup_user_channel *user)
{
	struct kup_user_outgoing batch[STORM_MOST];
	kup_u32 numbers[STORM_MOST], next = 0, state = dice_seed(402), count, i;
	int sent = 0;

	while ((sent >= 0 || sent == -EAGAIN) && storm_goes_on(500)) {
		count = dice(&state) % STORM_MOST + 1;
		for (i = 0; i < count; i++) {
			numbers[i] = next + i;
			batch[i] = (struct kup_user_outgoing){ &numbers[i], sizeof(next), 1 };
		}
		sent = kup_user_send_batch(user, batch, count, dice(&state) % 2 ? PATIENCE_MS : 0);
		next += sent > 0 ? (kup_u32)sent : 0;
		if (dice(&state) % 16 == 0)
			sleep_ms(1);
	}
	return sent >= 0 || sent == -EAGAIN ? 0 : sent;
}

static void test_storm_to_kernel(void)
{
	struct kup_user_channel *user;
	struct bare bare;
	pthread_t thread;
	void *wrong = NULL;
	int error;

	if (bare_begin(&bare, &config))
		return;
	error = kup_user_channel_open("host:batches", KUP_CHANNEL_ANY, PATIENCE_MS, &user);
	if (!error) {
		bare_switch(&bare);
		storm_begin();
		pthread_create(&thread, NULL, storm_receive, bare.channel);
		error = storm_send_user(user);
		kup_user_channel_close(user);
		pthread_join(thread, &wrong);
	}
	check(!error && !wrong && storm_steps() >= 500,
	      "a kernel that sleeps between the user's batches misses none", "%s, %u records",
	      strerror(-error), storm_steps());
	bare_end(&bare);
}

void batch_cases(void)
{
	test_one_wake_up();
	test_all_sizes();
	test_no_room();
	test_too_long();
	test_lossy();
	test_gap_inside();
	test_behind_open();
	test_waiting();
	test_partial(call_batch, 1,
		     "kup_send_batch() of a channel that ends returns how many it has sent");
	test_partial(call_batch_briefly, 0,
		     "kup_send_batch() returns how many it has sent when its timeout passes");
	test_storm_to_user();
	test_storm_to_kernel();
}
