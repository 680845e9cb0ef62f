/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping and waking in both directions: poll, event positions, and how many calls they may cost.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* ---- poll ---- */

static bool test_poll_bits(uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };
	struct peer peer;
	uint64_t began;
	bool in_time;
	struct record record;
	uint8_t bytes[4096] = { 0 };
	uint32_t sent = 0;

	peer_need(&peer, ANY);
	check(peer_poll(&peer, POLLIN | POLLOUT, 0) == POLLOUT,
	      "kup_user_wait() on a fresh channel reports room and no record", "%x",
	      peer_poll(&peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&peer, POLLIN, 100) == 0,
	      "kup_user_wait() for a record on an idle channel times out", "no");
	peer_send(&peer, 1, "x", 1);
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() returns when a record is readable", "no");
	check(peer_poll(&peer, POLLIN, 0) == POLLIN,
	      "kup_user_wait() reports the record again while it is there", "no");
	need(peer_receive(&peer, &record) == 0, "the record is there");
	peer_release(&peer, &record);
	check(peer_poll(&peer, POLLIN, 0) == 0,
	      "kup_user_wait() reports nothing when the record is consumed", "no");
	began = now_ms();
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	while (peer_room(&peer, KUP_RECORD_SPACE(sizeof(bytes)))) {
		peer_write(&peer, 0, 2, bytes, sizeof(bytes));
		sent++;
	}
	word_set(&peer.user->to_kernel_producer_event.value,
		 peer.head + KUP_RECORD_SPACE(sizeof(bytes)) + KUP_RECORD_HEADER -
			 peer.attach.to_kernel_bytes);
	peer_kick(&peer);
	check(peer_poll(&peer, POLLOUT, 0) == 0,
	      "kup_user_wait() reports no room when the ring is full", "it reports room");
	in_time = now_ms() - began < milliseconds;
	check(peer_poll(&peer, POLLOUT, PATIENCE_MS) == POLLOUT &&
		      peer_room(&peer, KUP_RECORD_SPACE(sizeof(bytes))),
	      "kup_user_wait() returns when tail has reached the position that was asked for",
	      "no");
	while (sent > 0 && peer_receive(&peer, &record) == 0) {
		peer_release(&peer, &record);
		sent--;
	}
	check(sent == 0, "the kernel's side echoes all that filled the ring",
	      "%u records are missing", sent);
	peer_stop_wait(&peer);
	return in_time;
}

/* ---- Lost wake-ups ---- */

/* Round trips with sleeps of random length on both sides. */
static void test_round_trips(uint32_t rounds)
{
	struct peer peer;
	struct kup_stats before, after;
	const char *why = NULL;
	uint32_t round;

	peer_need(&peer, ANY);
	stats_get(peer.fd, peer.attach.channel, &before);
	for (round = 0; round < rounds && why == NULL; round++) {
		peer.spins = dice(3) * dice(500);
		dawdle();
		why = peer_echo(&peer, round, dice(200));
	}
	stats_get(peer.fd, peer.attach.channel, &after);
	check(why == NULL,
	      "kup_user_wait() loses no wake-up in thousands of round trips with random pauses",
	      "round %u: %s", round, why);
	check(after.kicks - before.kicks == peer.kicks && after.polls - before.polls >= peer.polls,
	      "STATS counts each KICK and poll", "%llu kicks of %llu, %llu polls of %llu",
	      (long long)(after.kicks - before.kicks), (long long)peer.kicks,
	      (long long)(after.polls - before.polls), (long long)peer.polls);
	check(peer.kicks <= (after.sleeps - before.sleeps) * 11 / 10 + 10,
	      "KICK is needed once per sleep of the kernel's side at most",
	      "%llu kicks, %llu sleeps", (long long)peer.kicks,
	      (long long)(after.sleeps - before.sleeps));
	check(after.wakeups - before.wakeups <= peer.announced + 2,
	      "STATS counts one wake-up per sleep of the user at most",
	      "%llu wake-ups, %llu sleeps", (long long)(after.wakeups - before.wakeups),
	      (long long)peer.announced);
	check(peer.idle_wakes <= 2, "kup_user_wait() does not return without an event",
	      "%llu times", (long long)peer.idle_wakes);
	printf("# %llu polls, %llu kicks, %llu sleeps\n", (long long)peer.polls,
	       (long long)peer.kicks, (long long)(after.sleeps - before.sleeps));
	peer_stop_wait(&peer);
}

/* The kernel's side has to wait for room, and the user for records, alternately. */
static void test_kernel_waits_for_room(uint32_t count)
{
	const struct echo_produce produce = { .count = count,
					      .length = 3000,
					      .context = ECHO_WAITING };
	struct peer peer;
	struct record record;
	uint64_t expected = 0;
	int error;

	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	while ((error = peer_receive(&peer, &record)) == 0 && record.type == ECHO_SAMPLE) {
		struct echo_sample sample;

		memcpy(&sample, record.data, sizeof(sample));
		if (sample.number != expected ||
		    sample.checksum != echo_checksum((uint32_t)sample.number,
						     record.data + sizeof(sample),
						     record.length - (uint32_t)sizeof(sample)))
			break;
		expected++;
		if (dice(4) == 0)
			dawdle();
		peer.spins = dice(100);
		peer_release(&peer, &record);
	}
	check(error == 0 && record.type == ECHO_PRODUCE && expected == count,
	      "the kernel's side waits for room without losing a wake-up or a record",
	      "%llu of %u, error %d, state %u", (long long)expected, count, error,
	      peer_state(&peer));
	peer_stop_wait(&peer);
}

/* The user has to wait for room: the kernel's side is slower, for it sends each record back. */
static void test_user_waits_for_room(uint32_t count)
{
	struct peer peer;
	struct echo_report report = { 0 };
	struct record record;
	uint8_t bytes[8000] = { 0 };
	int error = 0;

	peer_need(&peer, ANY);
	for (uint32_t number = 0; number < count && error == 0; number++) {
		uint32_t length = (uint32_t)sizeof(struct echo_sample) + dice(7000);
		struct echo_sample sample = { .number = number };

		memset(bytes + sizeof(sample), (int)number, length - sizeof(sample));
		sample.checksum = echo_checksum(number, bytes + sizeof(sample),
						length - (uint32_t)sizeof(sample));
		memcpy(bytes, &sample, sizeof(sample));
		if (dice(30) == 0)
			dawdle();
		error = peer_send(&peer, ECHO_SAMPLE, bytes, length);
	}
	peer_send(&peer, ECHO_REPORT, NULL, 0);
	if (peer_receive(&peer, &record) == 0 && record.type == ECHO_REPORT)
		memcpy(&report, record.data, sizeof(report));
	check(error == 0 && report.records == count && report.damaged == 0 &&
		      report.out_of_order == 0,
	      "kup_user_wait() for room loses no wake-up and no record", "%s, %llu of %u arrived",
	      error_name(error), (long long)report.records, count);
	printf("# %llu polls, %llu kicks\n", (long long)peer.polls, (long long)peer.kicks);
	peer_stop_wait(&peer);
}

/* A user that waits until the whole ring is empty must not be woken for each record. */
static bool test_one_wake_up(uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };
	const uint8_t bytes[1000] = { 0 };
	struct kup_stats before, after;
	struct peer peer;
	uint32_t records = 0;
	uint64_t began;
	bool in_time;

	peer_need(&peer, ANY);
	began = now_ms();
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	for (; peer_room(&peer, KUP_RECORD_SPACE(sizeof(bytes))); records++)
		peer_write(&peer, 0, ECHO_SAMPLE, bytes, sizeof(bytes));
	word_set(&peer.user->to_kernel_producer_event.value, peer.head);
	peer_wake(&peer, 0);
	peer_kick(&peer);
	stats_get(peer.fd, peer.attach.channel, &before);
	in_time = now_ms() - began < milliseconds;
	check(peer_poll(&peer, POLLOUT, PATIENCE_MS) == POLLOUT &&
		      word_get(&peer.kernel->to_kernel_tail.value) == peer.head,
	      "kup_user_wait() for an empty ring returns when it is empty", "no");
	stats_get(peer.fd, peer.attach.channel, &after);
	check(after.wakeups - before.wakeups <= 2,
	      "kup_user_wait() for an empty ring costs one wake-up", "%llu wake-ups for %u records",
	      (long long)(after.wakeups - before.wakeups), records);
	peer_stop_wait(&peer);
	return in_time;
}

/* ---- Out of order ---- */

static void test_shuffle(void)
{
	const struct echo_pause pause = { .milliseconds = 200 };
	struct peer peer;
	struct record record;
	bool fine = true;
	uint64_t start;

	peer_need(&peer, ANY);
	start = now_ms();
	peer_send(&peer, ECHO_SHUFFLE, &pause, sizeof(pause));
	check(EVENTUALLY(PATIENCE_MS, word_get(&peer.kernel->to_user_head.value) != 0) &&
		      !peer_look(&peer, &record),
	      "the kernel's side publishes no record behind one that is not finished", "no");
	check(peer_poll(&peer, POLLIN, 0) == 0,
	      "kup_user_wait() does not report a record behind one that is not finished", "no");
	fine = peer_receive(&peer, &record) == 0 && record.length == 1 && record.data[0] == '1';
	check(fine && now_ms() - start >= 150,
	      "kup_user_wait() returns when the first record is finished", "no");
	if (fine)
		peer_release(&peer, &record);
	check(peer_receive(&peer, &record) == 0 && record.length == 1 && record.data[0] == '3',
	      "the kernel's side skips the discarded second record", "no");
	peer_stop_wait(&peer);
}

/* ---- Producers that must not sleep ---- */

static void test_gaps(uint32_t context, const char *sentence)
{
	struct echo_produce produce = { .length = 1000, .context = context };
	struct peer peer;
	struct record record;
	struct echo_produced produced = { 0 };
	uint64_t seen = 0, lost = 0, next = 0, wrong = 0;
	int error;

	peer_need(&peer, ANY);
	/* Three times what the ring holds, so that most records are lost. */
	produce.count = peer.attach.to_user_bytes / 1000 * 3;
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	EVENTUALLY(PATIENCE_MS, peer.kernel->dropped_no_space > 0);
	while ((error = peer_receive(&peer, &record)) == 0 && record.type != ECHO_PRODUCE) {
		if (record_is(&record, KUP_CONTROL_GAP)) {
			struct kup_gap gap;

			memcpy(&gap, record.data, sizeof(gap));
			lost += gap.records;
			next += gap.records;
			wrong += gap.bytes != gap.records * 1000;
		} else {
			wrong += *(const kup_u64 *)record.data != next++;
			seen++;
		}
		peer_release(&peer, &record);
	}
	if (error == 0 && record.length == sizeof(produced))
		memcpy(&produced, record.data, sizeof(produced));
	check(error == 0 && seen == produced.sent && lost == produced.lost &&
		      seen + lost == produce.count && lost > 0 && wrong == 0,
	      sentence, "%llu seen of %llu, %llu lost of %llu, %llu odd ones, error %d",
	      (long long)seen, (long long)produced.sent, (long long)lost, (long long)produced.lost,
	      (long long)wrong, error);
	check(EVENTUALLY(PATIENCE_MS, peer.kernel->dropped_no_space == lost),
	      "the kernel page counts the lost records", "%llu, not %llu",
	      (long long)peer.kernel->dropped_no_space, (long long)lost);
	peer_stop_wait(&peer);
}

/* While the user does not read, the test knows in advance what fits and what is lost. */
static void test_exact_losses(uint32_t context, uint32_t length, const char *sentence)
{
	struct echo_produce produce = { .count = 300, .length = length, .context = context };
	struct echo_produced produced = { 0 };
	struct kup_gap gap = { 0 }, part;
	struct peer peer;
	struct record record;
	uint64_t fits, seen = 0;
	bool too_long, fine;

	peer_need(&peer, ANY);
	too_long = length > KUP_MAX_PAYLOAD(peer.attach.to_user_bytes);
	fits = too_long
		       ? 0
		       : (peer.attach.to_user_bytes - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(length);
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	fine = EVENTUALLY(PATIENCE_MS,
			  peer.kernel->dropped_no_space + peer.kernel->dropped_too_long ==
				  produce.count - fits) &&
	       (too_long ? peer.kernel->dropped_no_space : peer.kernel->dropped_too_long) == 0;
	while (peer_receive(&peer, &record) == 0 && record.type == ECHO_SAMPLE) {
		fine = fine && *(const kup_u64 *)record.data == seen++;
		peer_release(&peer, &record);
	}
	/*
	 * Then the GAP record, and right behind it the record that has found room. If the kernel's
	 * side takes the command before the kick for it is over, the kick may put a GAP record
	 * earlier.
	 */
	while (fine && record_is(&record, KUP_CONTROL_GAP) && record.length == sizeof(gap)) {
		memcpy(&part, record.data, sizeof(part));
		gap.records += part.records;
		gap.bytes += part.bytes;
		peer_release(&peer, &record);
		fine = peer_receive(&peer, &record) == 0;
	}
	fine = fine && gap.records > 0 && record.type == ECHO_PRODUCE;
	memcpy(&produced, record.data, sizeof(produced));
	check(fine && seen == fits && gap.records == produce.count - fits &&
		      gap.bytes == gap.records * length && produced.sent == fits &&
		      produced.lost == gap.records,
	      sentence, "%llu of %llu fit, %llu records and %llu bytes are missing, %llu reported",
	      (long long)seen, (long long)fits, (long long)gap.records, (long long)gap.bytes,
	      (long long)produced.lost);
	peer_stop_wait(&peer);
}

static void test_all_exact_losses(void)
{
	const uint32_t contexts[] = { ECHO_INTERRUPT, ECHO_DEFERRED, ECHO_TRYING };

	for (int i = 0; i < 3; i++) {
		test_exact_losses(contexts[i], 1000,
				  "kup_try_send() fills a ring that is not read, and one GAP "
				  "record reports the rest");
		/*
		 * These records would fill the ring to the last byte, where the sentinel has to be.
		 */
		test_exact_losses(contexts[i], 1024 - KUP_RECORD_HEADER,
				  "kup_try_send() loses a last record that leaves no room for the "
				  "next header");
		test_exact_losses(contexts[i], 1u << 20,
				  "kup_try_send() loses messages that are too long, reports them "
				  "and counts them apart");
	}
}

/* ---- A busy channel ---- */

static void test_busy_costs_nothing(void)
{
	const struct echo_produce produce = { .count = 20000,
					      .length = 100,
					      .context = ECHO_WAITING };
	struct peer peer;
	struct kup_stats before, after;
	struct record record;
	uint64_t samples = 0, sleeps;

	peer_need(&peer, ANY);
	stats_get(peer.fd, peer.attach.channel, &before);
	peer.spins = 0xffffffffu;
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	while (peer_receive(&peer, &record) == 0 && record.type == ECHO_SAMPLE) {
		samples++;
		peer_release(&peer, &record);
	}
	stats_get(peer.fd, peer.attach.channel, &after);
	sleeps = after.sleeps - before.sleeps;
	check(samples == 20000 && after.polls == before.polls &&
		      after.ioctls - before.ioctls <= peer.kicks + 1 && peer.kicks <= sleeps + 2,
	      "a user that does not sleep calls only to wake the kernel's side",
	      "%llu samples, %llu polls, %llu ioctls, %llu kicks, %llu sleeps", (long long)samples,
	      (long long)(after.polls - before.polls), (long long)(after.ioctls - before.ioctls),
	      (long long)peer.kicks, (long long)sleeps);
	check(after.wakeups - before.wakeups <= 1,
	      "STATS counts no wake-up of a user that does not sleep", "%llu times",
	      (long long)(after.wakeups - before.wakeups));
	printf("# %llu kicks, %llu sleeps for 20000 records\n", (long long)peer.kicks,
	       (long long)sleeps);
	peer_stop_wait(&peer);
}

/* Plain poll, without an event position. */
static void test_poll_alone(uint32_t rounds)
{
	struct peer peer;
	struct record record;
	uint32_t got = 0;

	peer_need(&peer, ANY);
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		word_set(&peer.user->to_user_consumer_event.value, peer.tail - 8);
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		dawdle();
		if (peer_poll(&peer, POLLIN, PATIENCE_MS) != POLLIN || !peer_soon(&peer, &record))
			break;
		peer_release(&peer, &record);
		got++;
	}
	check(got == rounds, "kup_user_wait() arms a wake-up without an event position",
	      "record %u of %u was not reported", got, rounds);
	peer_stop_wait(&peer);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 90);
	test_in_pause(300, test_poll_bits);
	test_round_trips(5000);
	test_kernel_waits_for_room(3000);
	test_user_waits_for_room(3000);
	test_in_pause(100, test_one_wake_up);
	test_shuffle();
	test_gaps(ECHO_INTERRUPT,
		  "kup_try_send() in an interrupt handler reports its losses by GAP records");
	test_gaps(ECHO_DEFERRED, "kup_try_send() in a softirq reports its losses by GAP records");
	test_gaps(ECHO_TRYING, "kup_try_send() in a thread reports its losses by GAP records");
	test_all_exact_losses();
	test_busy_costs_nothing();
	test_poll_alone(3000);
	return finish();
}
