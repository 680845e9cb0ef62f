/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Event positions, written from the contract's text. A user that sleeps for more than one record is
 * woken once, when all of it is there or when no more can come. POLLIN reports the same condition.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* Records of eight bytes. */
#define SPACE KUP_RECORD_SPACE(8)

static uint64_t wakeups(const struct peer *peer)
{
	struct kup_stats stats;

	stats_get(peer->fd, peer->attach.channel, &stats);
	return stats.wakeups;
}

/* The user sleeps for the record that contains this position. */
static void announce(struct peer *peer, uint32_t position)
{
	word_set(&peer->user->to_user_consumer_event.value, position);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void send_echo(struct peer *peer)
{
	need(peer_send(peer, 1, "8 bytes", 8) == 0, "a record can be sent");
}

/* Waits until this many bytes lie behind the tail, and leaves them there. */
static bool comes(const struct peer *peer, uint32_t bytes)
{
	const kup_u32 *last = (const void *)(peer->in + (peer->tail + bytes - SPACE) %
								peer->attach.to_user_bytes);

	return EVENTUALLY(PATIENCE_MS, word_get(last) & KUP_RECORD_READY);
}

static void consume_all(struct peer *peer)
{
	struct record record;

	while (peer_look(peer, &record))
		peer_release(peer, &record);
}

/* ---- Wake-ups ---- */

static void test_inside(uint32_t offset, const char *sentence)
{
	struct peer peer;
	uint64_t before;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + offset);
	before = wakeups(&peer);
	send_echo(&peer);
	check(comes(&peer, SPACE) && EVENTUALLY(PATIENCE_MS, wakeups(&peer) == before + 1),
	      sentence, "%llu wake-ups", (long long)(wakeups(&peer) - before));
	peer_stop_wait(&peer);
}

/* When one record is there, the wake-up decision for the one before it is over. */
static void test_ahead(void)
{
	struct peer peer;
	uint64_t before, early;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + 3 * SPACE - KUP_RECORD_ALIGN);
	before = wakeups(&peer);
	send_echo(&peer);
	send_echo(&peer);
	comes(&peer, 2 * SPACE);
	early = wakeups(&peer) - before;
	send_echo(&peer);
	comes(&peer, 3 * SPACE);
	check(early == 0 && EVENTUALLY(PATIENCE_MS, wakeups(&peer) == before + 1),
	      "the third record wakes a user that sleeps for it", "%llu, then %llu",
	      (long long)early, (long long)(wakeups(&peer) - before));
	send_echo(&peer);
	send_echo(&peer);
	comes(&peer, 5 * SPACE);
	check(wakeups(&peer) == before + 1,
	      "the earlier records do not wake a user that sleeps for the third", "%llu wake-ups",
	      (long long)(wakeups(&peer) - before));
	peer_stop_wait(&peer);
}

/* ---- POLLIN ---- */

static void test_level(void)
{
	struct peer peer;
	struct record record;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + 3 * SPACE - KUP_RECORD_ALIGN);
	send_echo(&peer);
	send_echo(&peer);
	comes(&peer, 2 * SPACE);
	check(peer_poll(&peer, POLLIN, 0) == 0 && peer_poll(&peer, POLLIN, 20) == 0,
	      "kup_user_wait() reports no record while the user waits for more", "it does");
	announce(&peer, peer.tail);
	check(peer_poll(&peer, POLLIN, 0) == POLLIN,
	      "kup_user_wait() reports a record when the user waits for any", "no");
	announce(&peer, peer.tail + 3 * SPACE - KUP_RECORD_ALIGN);
	send_echo(&peer);
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN &&
		      word_get(&peer.kernel->to_user_head.value) == 3 * SPACE,
	      "kup_user_wait() reports the records when as much is there as the user waits for",
	      "%u bytes are there", word_get(&peer.kernel->to_user_head.value));
	need(peer_receive(&peer, &record) == 0, "a record");
	peer_release(&peer, &record);
	check(peer_poll(&peer, POLLIN, 0) == POLLIN,
	      "kup_user_wait() reports a later record when the event position has passed",
	      "it does");
	consume_all(&peer);
	check(peer_poll(&peer, POLLIN, 0) == 0,
	      "kup_user_wait() reports nothing when the ring is empty", "it isn't");
	peer_stop_wait(&peer);
}

/* Sends records one by one, with a pause before each. The poll sleeps all the time. */
static void test_asleep(void)
{
	const struct echo_pause pause = { .milliseconds = 20 };
	struct peer peer;
	uint64_t before;
	uint32_t head;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + 4 * SPACE - KUP_RECORD_ALIGN);
	before = wakeups(&peer);
	for (int i = 0; i < 4; i++) {
		peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
		send_echo(&peer);
	}
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() for four records returns", "it doesn't");
	head = word_get(&peer.kernel->to_user_head.value);
	check(head == 4 * SPACE && EVENTUALLY(PATIENCE_MS, wakeups(&peer) == before + 1),
	      "kup_user_wait() for four records ends with one wake-up, when they are there",
	      "%u bytes, %llu wake-ups", head, (long long)(wakeups(&peer) - before));
	peer_stop_wait(&peer);
}

/* ---- No more can come ---- */

/* The user waits for half a ring. The next record does not fit behind what is there. */
static void test_no_room(void)
{
	static const uint8_t bytes[4096 * 16];
	const struct echo_pause pause = { .milliseconds = 50 };
	struct record record;
	struct peer peer;
	uint32_t page, length;
	bool held;

	peer_need_sized(&peer, 1, 0);
	page = peer.attach.to_user_bytes;
	length = page / 2 - 64;
	announce(&peer, peer.tail + page / 2);
	peer_send(&peer, 1, bytes, length);
	need(EVENTUALLY(PATIENCE_MS, peer_look(&peer, &record)), "a record comes");
	held = peer_poll(&peer, POLLIN, 20) == 0;
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	peer_send(&peer, 2, bytes, page / 2 + 64);
	check(held && peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() for more ends when the kernel's side lacks room", "%d", held);
	peer_release(&peer, &record);
	check(peer_receive(&peer, &record) == 0 && record.type == 2,
	      "the kernel's side continues when there is room", "state %u", peer_state(&peer));
	peer_stop_wait(&peer);
}

static void test_close(void)
{
	struct peer peer;
	const struct echo_pause pause = { .milliseconds = 50 };

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + 4 * SPACE);
	send_echo(&peer);
	comes(&peer, SPACE);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == (POLLIN | POLLHUP),
	      "kup_user_wait() for more ends when the kernel's side closes", "state %u",
	      peer_state(&peer));
	peer_stop_wait(&peer);
	peer_need(&peer, ANY);
	announce(&peer, peer.tail + 4 * SPACE);
	send_echo(&peer);
	comes(&peer, SPACE);
	peer_set_head(&peer, peer.head + 4);
	peer_kick(&peer);
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == (POLLIN | POLLHUP | POLLERR),
	      "kup_user_wait() for more ends when the channel breaks", "state %u",
	      peer_state(&peer));
	peer_stop_wait(&peer);
}

/* ---- GAP records ---- */

/* A message that is too long for any ring is lost in an empty one. */
static void test_gap_wakes(void)
{
	const struct echo_produce produce = { .count = 1,
					      .length = 1u << 30,
					      .context = ECHO_TRYING };
	const struct echo_pause pause = { .milliseconds = 50 };
	struct record record;
	struct peer peer;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail + peer.attach.to_user_bytes / 2);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN && peer_soon(&peer, &record) &&
		      record_is(&record, KUP_CONTROL_GAP),
	      "kup_user_wait() for more ends with a GAP record", "%u bytes are there",
	      word_get(&peer.kernel->to_user_head.value));
	peer_stop_wait(&peer);
}

/* The kernel's side sleeps for room for its next record, and is not woken. */
static void test_pending_gap(void)
{
	struct echo_produce produce = { .count = 2000, .length = 1000, .context = ECHO_TRYING };
	struct record record;
	struct peer peer;
	uint64_t fits;

	peer_need(&peer, ANY);
	while ((peer.attach.to_user_bytes - KUP_RECORD_HEADER) % KUP_RECORD_SPACE(produce.length) >=
	       KUP_RECORD_HEADER)
		produce.length += KUP_RECORD_ALIGN;
	fits = (peer.attach.to_user_bytes - KUP_RECORD_HEADER) / KUP_RECORD_SPACE(produce.length);
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	/* Only a kick wakes the kernel's side again. */
	need(EVENTUALLY(PATIENCE_MS,
			peer.kernel->dropped_no_space == produce.count - fits &&
				word_get(&peer.kernel->to_user_producer_event.value) != 0),
	     "records are lost, and the kernel's side sleeps for room");
	for (; peer_look(&peer, &record); fits--)
		peer.tail += record.space;
	word_set(&peer.user->to_user_tail.value, peer.tail);
	check(fits == 0 && peer_poll(&peer, POLLIN, 0) == POLLIN && peer_look(&peer, &record) &&
		      record_is(&record, KUP_CONTROL_GAP),
	      "kup_user_wait() lets the kernel's side write a GAP record that is pending", "%llu",
	      (long long)fits);
	peer_kick(&peer);
	peer_release(&peer, &record);
	check(peer_receive(&peer, &record) == 0 && record.type == ECHO_PRODUCE,
	      "kup_user_wait() lets it write one GAP record, and the next record follows",
	      "type %x, flags %x", record.type, record.flags);
	peer_stop_wait(&peer);
}

/* ---- Kicks ---- */

/* The poll has armed a wake-up, and the event position lies ahead of no record. */
static void test_kick(void)
{
	struct peer peer;
	uint64_t before;

	peer_need(&peer, ANY);
	announce(&peer, peer.tail - KUP_RECORD_ALIGN);
	peer_poll(&peer, POLLIN, 0);
	before = wakeups(&peer);
	for (int i = 0; i < 3; i++)
		peer_kick(&peer);
	check(wakeups(&peer) == before, "KICK wakes no user", "%llu wake-ups",
	      (long long)(wakeups(&peer) - before));
	send_echo(&peer);
	check(comes(&peer, SPACE) && EVENTUALLY(PATIENCE_MS, wakeups(&peer) == before + 1),
	      "a record wakes the user that KICK did not wake", "%llu",
	      (long long)(wakeups(&peer) - before));
	peer_stop_wait(&peer);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_inside(0, "the next record wakes a user that sleeps for its first byte");
	test_inside(8, "the next record wakes a user whose event position lies within it");
	test_inside(SPACE - 8,
		    "the next record wakes a user whose event position is its last word");
	test_ahead();
	test_level();
	test_asleep();
	test_no_room();
	test_close();
	test_gap_wakes();
	test_pending_gap();
	test_kick();
	return finish();
}
