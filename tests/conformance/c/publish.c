/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publication, written from the contract's text: headers that head does not cover, users that die
 * within a record, heads that the kernel's side finds without a kick, and when each side publishes
 * its tail.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* How many records the kernel's side has released. */
static uint64_t taken(const struct peer *peer)
{
	return __atomic_load_n(&peer->kernel->to_kernel_records, __ATOMIC_ACQUIRE);
}

static uint32_t kernel_tail(const struct peer *peer)
{
	return word_get(&peer->kernel->to_kernel_tail.value);
}

static bool breaks(const struct peer *peer)
{
	return EVENTUALLY(PATIENCE_MS, peer_state(peer) == KUP_STATE_BROKEN);
}

/* The smallest record, which the echo client ignores. */
#define SPACE KUP_RECORD_HEADER

static uint32_t put(struct peer *peer, uint32_t flags)
{
	return peer_write(peer, flags, ECHO_SAMPLE, NULL, 0);
}

static uint32_t put_pause(struct peer *peer, uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };

	return peer_write(peer, 0, ECHO_PAUSE, &pause, sizeof(pause));
}

/*
 * The second record of the kernel's side is a pause that ends with the user. Before the kernel's
 * side sleeps there, it publishes the tail behind the first record.
 */
static void occupy(struct peer *peer)
{
	uint32_t first = put(peer, UNFINISHED), pause = put_pause(peer, 60000);

	peer_finish(peer, first);
	need(EVENTUALLY(PATIENCE_MS, kernel_tail(peer) == pause), "the kernel's side pauses");
}

/* ---- Headers that head does not cover ---- */

/* Finished records all over the ring. The one at the cursor is written last. */
static void forge(struct peer *peer, uint32_t header, uint32_t head)
{
	for (uint32_t at = peer->attach.to_kernel_bytes; at > 0; at -= SPACE) {
		peer_header(peer, at - SPACE)[1] = ECHO_SAMPLE;
		if (at == SPACE)
			peer_set_head(peer, head);
		word_set(peer_header(peer, at - SPACE), header);
	}
}

/* `covered`: by head, in eighths of the ring. `event`: of the producer, in sixteenths. */
static void test_forged_ring(uint32_t flags, uint32_t covered, uint32_t event, const char *sentence)
{
	struct peer peer;
	uint32_t eighth;
	uint64_t most;
	bool broken;

	peer_need(&peer, ANY);
	eighth = peer.attach.to_kernel_bytes / 8;
	most = (covered + 1) * eighth / SPACE;
	word_set(&peer.user->to_kernel_producer_event.value, event * eighth / 2);
	forge(&peer, flags | KUP_RECORD_READY, covered * eighth);
	peer_kick(&peer);
	broken = breaks(&peer);
	check(broken && peer.kernel->error == KUP_ERROR_HEAD && taken(&peer) <= most, sentence,
	      "state %u, error %u, %llu records of %llu", peer_state(&peer), peer.kernel->error,
	      (long long)taken(&peer), (long long)most);
	peer_stop_wait(&peer);
	peer_need(&peer, peer.attach.channel);
	check(peer_echo(&peer, 3, 30) == NULL,
	      "close() ends the kernel thread of a ring of forged records", "no");
	peer_stop_wait(&peer);
}

static void test_forged_rings(void)
{
	test_forged_ring(0, 0, 0,
			 "the kernel's side reads at most an eighth of a ring of forged records");
	test_forged_ring(
		KUP_RECORD_DISCARD, 0, 0,
		"the kernel's side reads at most an eighth of a ring of forged, discarded records");
	test_forged_ring(
		0, 3, 0,
		"the kernel's side reads at most an eighth of the forged records behind head");
	test_forged_ring(
		0, 0, 1,
		"the kernel's side reads no more of them if the user sleeps for room within them");
}

static void test_forged_record(void)
{
	struct peer peer;

	peer_need(&peer, ANY);
	occupy(&peer);
	put(&peer, 0);
	peer_set_head(&peer, peer.head - SPACE);
	peer_kick(&peer);
	check(peer_state(&peer) == KUP_STATE_OPEN,
	      "the kernel's side ignores a header behind head that it has not read", "error %u",
	      peer.kernel->error);
	peer_stop_wait(&peer);
	peer_need(&peer, ANY);
	put(&peer, 0);
	peer_set_head(&peer, 0);
	peer_kick(&peer);
	check(breaks(&peer) && peer.kernel->error == KUP_ERROR_HEAD,
	      "the kernel's side breaks the channel at one forged record", "state %u",
	      peer_state(&peer));
	peer_stop_wait(&peer);
}

/* ---- Heads that the kernel's side finds without a kick ---- */

/* Moves head during a pause. Returns whether the pause was long enough. */
static bool set_head_asleep(struct peer *peer, uint32_t by, uint32_t pause)
{
	uint64_t began = now_ms();
	uint32_t first = put(peer, UNFINISHED);

	put_pause(peer, pause);
	peer_finish(peer, first);
	peer_set_head(peer, peer->head + by);
	return now_ms() - began < pause;
}

/* The kernel's side checks head before it sleeps: here after a pause, for a record. */
static void test_head_asleep(uint32_t by, const char *sentence)
{
	struct peer peer;

	peer_need(&peer, ANY);
	for (uint32_t pause = 50; !set_head_asleep(&peer, by, pause); pause *= 4) {
		need(pause <= LONGEST_PAUSE_MS / 4, "a head can be moved during a pause");
		peer_stop_wait(&peer);
		peer_need(&peer, ANY);
	}
	check(breaks(&peer) && peer.kernel->error == KUP_ERROR_HEAD, sentence, "state %u, error %u",
	      peer_state(&peer), peer.kernel->error);
	peer_stop_wait(&peer);
}

static void test_heads_asleep(void)
{
	test_head_asleep(-8u,
			 "the kernel's side finds a head behind its cursor before the next sleep");
	test_head_asleep(
		4, "the kernel's side finds a head that is not aligned before the next sleep");
	test_head_asleep(0x80000000u,
			 "the kernel's side finds a head beyond the ring before the next sleep");
}

/* ---- Users that die within a record ---- */

static void die_before_head(struct peer *peer)
{
	put(peer, 0);
	word_set(peer_header(peer, peer->head + SPACE), 0);
}

static void die_before_header(struct peer *peer)
{
	put(peer, 0);
	put(peer, UNFINISHED);
	put(peer, 0);
}

static void die_with_record_behind_head(struct peer *peer)
{
	put(peer, 0);
	peer_set_head(peer, put(peer, 0));
}

static void die_with_head_inside(struct peer *peer)
{
	uint32_t from;

	put(peer, 0);
	from = peer_write(peer, 0, ECHO_SAMPLE, NULL, 40);
	peer_set_head(peer, from + 24);
}

static void die_with_head_behind(struct peer *peer)
{
	put(peer, 0);
	peer_set_head(peer, 0);
}

static void die_with_head_beyond(struct peer *peer)
{
	put(peer, 0);
	peer_set_head(peer, peer->head + peer->attach.to_kernel_bytes);
}

static const struct death {
	const char *what;
	void (*die)(struct peer *peer);
	uint32_t read; /* how many of the records behind the pause */
	uint32_t error;
} deaths[] = {
	{ "the kernel's side reads the earlier records when a user dies between sentinel and head",
	  die_before_head, 1, KUP_ERROR_NONE },
	{ "the kernel's side reads the earlier records when a user dies between head and header",
	  die_before_header, 1, KUP_ERROR_NONE },
	{ "the kernel's side does not read a finished record behind the last head",
	  die_with_record_behind_head, 1, KUP_ERROR_NONE },
	{ "the kernel's side breaks the channel at a record that reaches beyond the last head",
	  die_with_head_inside, 1, KUP_ERROR_LENGTH },
	{ "the kernel's side reads no more when the last head is behind its cursor",
	  die_with_head_behind, 0, KUP_ERROR_HEAD },
	{ "the kernel's side reads no more when the last head is beyond the ring",
	  die_with_head_beyond, 0, KUP_ERROR_HEAD },
};

static void try_death(const struct death *death)
{
	struct kup_stats before, after;
	struct peer peer, next;
	bool gone;
	int fd = echo_open();

	stats_get(fd, 3, &before);
	peer_need(&peer, 3);
	occupy(&peer);
	death->die(&peer);
	kup_user_close(peer.fd);
	gone = EVENTUALLY(PATIENCE_MS,
			  stats_get(fd, 3, &after) == 0 && after.state == KUP_STATE_FREE);
	after.to_kernel_records -= before.to_kernel_records;
	/* occupy() sent two records. */
	check(gone && after.to_kernel_records == 2 + death->read &&
		      peer.kernel->error == death->error,
	      death->what, "state %u, %llu records, error %u", after.state,
	      (long long)after.to_kernel_records, peer.kernel->error);
	peer_unmap(&peer);
	peer_need(&next, 3);
	check(peer_echo(&next, 1, 100) == NULL, "the kernel's side serves the next owner", "no");
	peer_stop_wait(&next);
	kup_user_close(fd);
}

/* ---- A user that publishes no tail ---- */

/* Reads without publishing a tail, and returns how many records there are. */
static uint32_t read_silently(struct peer *peer)
{
	struct record record;
	uint32_t count = 0;

	for (; peer_look(peer, &record); count++)
		peer->tail += record.space;
	return count;
}

/* Publishes the tail, with the wake-up. */
static void publish(struct peer *peer)
{
	uint32_t before = word_get(&peer->user->to_user_tail.value);

	word_set(&peer->user->to_user_tail.value, peer->tail);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (word_get(&peer->kernel->to_user_producer_event.value) - before - 1 <
	    peer->tail - before)
		peer_kick(peer);
}

/* A payload length whose records fill a ring so that no other record fits behind them. */
static uint32_t filling_length(uint32_t ring)
{
	uint32_t length = 1000;

	while ((ring - KUP_RECORD_HEADER) % KUP_RECORD_SPACE(length) >= KUP_RECORD_HEADER)
		length += KUP_RECORD_ALIGN;
	return length;
}

static void test_silent_reader(struct peer *witness)
{
	struct echo_produce produce = { .context = ECHO_TRYING };
	struct kup_gap gap = { 0 };
	struct record record;
	struct peer peer;
	uint32_t fits, read;

	peer_need(&peer, ANY);
	produce.length = filling_length(peer.attach.to_user_bytes);
	fits = (peer.attach.to_user_bytes - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(produce.length);
	produce.count = 3 * fits;
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	check(EVENTUALLY(PATIENCE_MS, peer.kernel->dropped_no_space == 2 * fits),
	      "the kernel's side sends what the ring takes to a user that publishes no tail",
	      "%llu lost", (long long)peer.kernel->dropped_no_space);
	read = read_silently(&peer);
	check(read == fits && peer_state(&peer) == KUP_STATE_OPEN && !peer_echo(witness, 5, 500),
	      "the kernel's side serves other users beside one that publishes no tail",
	      "%u of %u, state %u", read, fits, peer_state(&peer));
	publish(&peer);
	if (peer_receive(&peer, &record) == 0 && record_is(&record, KUP_CONTROL_GAP))
		memcpy(&gap, record.data, sizeof(gap));
	check(gap.records == 2 * fits && gap.bytes == gap.records * produce.length,
	      "the kernel's side reports the rest as lost when the user publishes its tail", "%llu",
	      (long long)gap.records);
	peer_release(&peer, &record);
	check(peer_receive(&peer, &record) == 0 && record.type == ECHO_PRODUCE,
	      "the kernel's side continues after the loss", "state %u", peer_state(&peer));
	peer_stop_wait(&peer);
}

/* ---- When the kernel's side publishes its tail ---- */

/* The kernel's side sleeps for room while it holds a record. It has released the ones before. */
static void test_sleep_for_room(void)
{
	struct echo_produce produce = { .count = 1000, .length = 1000, .context = ECHO_WAITING };
	struct peer peer;
	uint32_t first, last;

	peer_need(&peer, ANY);
	first = put(&peer, UNFINISHED);
	put(&peer, 0);
	last = peer_write(&peer, 0, ECHO_PRODUCE, &produce, sizeof(produce));
	peer_finish(&peer, first);
	check(EVENTUALLY(PATIENCE_MS, kernel_tail(&peer) == last),
	      "the kernel's side publishes its tail before it sleeps for room", "%u, not %u",
	      kernel_tail(&peer), last);
	peer_stop_wait(&peer);
}

/*
 * A pause in which the kernel's side does not sleep on the channel, while a record is readable.
 * Returns the tail during the pause, or ~0 if the pause was over before this thread could look.
 */
static uint32_t tail_in_pause(uint32_t records, uint32_t event, uint32_t at_least)
{
	struct peer peer;
	uint32_t first, pause, tail;

	peer_need(&peer, ANY);
	first = put(&peer, UNFINISHED);
	for (uint32_t i = 1; i < records; i++)
		put(&peer, 0);
	pause = put_pause(&peer, 1500);
	word_set(&peer.user->to_kernel_producer_event.value, event);
	peer_finish(&peer, first);
	EVENTUALLY(PATIENCE_MS, taken(&peer) >= records);
	EVENTUALLY(PATIENCE_MS, (tail = kernel_tail(&peer)) >= at_least || taken(&peer) > records);
	tail = taken(&peer) > records ? ~0u : tail;
	printf("# the pause begins at %u, and the tail is %u there\n", pause, tail);
	peer_stop_wait(&peer);
	return tail;
}

static void check_tail(uint32_t records, uint32_t event, uint32_t at_least, const char *sentence)
{
	uint32_t tail = ~0u;

	for (int attempt = 0; attempt < 10 && tail == ~0u; attempt++)
		tail = tail_in_pause(records, event, at_least);
	check(tail != ~0u && tail >= at_least, sentence, "%u, not %u", tail, at_least);
}

static void test_busy_reader(void)
{
	struct peer peer;
	uint32_t eighth;

	reload_stubborn();
	peer_need(&peer, ANY);
	eighth = peer.attach.to_kernel_bytes / 8;
	peer_stop_wait(&peer);
	/* The event position of a user that does not sleep lies behind. */
	check_tail(
		eighth / SPACE + 10, 0, eighth,
		"the kernel's side publishes its tail when an eighth of the ring is unpublished");
	check_tail(10, 5 * SPACE, 5 * SPACE,
		   "the kernel's side publishes its tail when a user sleeps for room");
	need_unload();
	reload();
}

int main(int count, char **arguments)
{
	struct peer witness;

	begin(count, arguments, 120);
	peer_need(&witness, 0);
	test_forged_rings();
	test_forged_record();
	test_heads_asleep();
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		try_death(&deaths[i]);
	test_silent_reader(&witness);
	test_sleep_for_room();
	peer_stop_wait(&witness);
	test_busy_reader();
	return finish();
}
