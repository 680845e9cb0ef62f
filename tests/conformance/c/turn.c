/* SPDX-License-Identifier: BSD-3-Clause */
/* Turn mode, written from the contract's text: the user's side by hand, and lies about turns. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* ---- Turns, as the contract explains them ---- */

/* The next record, without a check whose turn it is. */
static void put(struct peer *peer, uint32_t flags, uint32_t type, const void *data, uint32_t length)
{
	peer_wake(peer, peer_write(peer, flags, type, data, length));
}

static void pass(struct peer *peer)
{
	put(peer, KUP_RECORD_CONTROL, KUP_CONTROL_PASS, NULL, 0);
}

/* Waits for the turn, which comes with a record, and releases the record at once. */
static bool take(struct peer *peer, struct record *record)
{
	if (peer_receive(peer, record) != 0)
		return false;
	peer_release(peer, record);
	return true;
}

/* The kernel has the first turn, and passes it. */
static void start(struct peer *peer, uint32_t channel)
{
	struct record record;

	peer_need(peer, channel);
	need(take(peer, &record) && record_is(&record, KUP_CONTROL_PASS),
	     "the kernel passes its first turn");
}

/* A message there and back. This side has the turn. */
static bool echoes(struct peer *peer, uint32_t type)
{
	struct record record;

	put(peer, 0, type, &type, sizeof(type));
	return take(peer, &record) && record.type == type && record.flags == 0 &&
	       record.length == sizeof(type) && memcmp(record.data, &type, sizeof(type)) == 0;
}

static void pause_kernel(struct peer *peer, uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };

	put(peer, 0, ECHO_PAUSE, &pause, sizeof(pause));
}

/* ---- Who has the turn ---- */

static void test_first_turn(void)
{
	struct peer peer;
	struct record record = { 0 };
	uint32_t good = 0;
	bool passed;

	peer_need(&peer, ANY);
	check(peer.kernel->mode == KUP_MODE_TURN && peer.info.mode == KUP_MODE_TURN,
	      "the kernel page and INFO contain KUP_MODE_TURN", "%u", peer.kernel->mode);
	passed = peer_receive(&peer, &record) == 0 && record_is(&record, KUP_CONTROL_PASS);
	check(passed && record.length == 0,
	      "the kernel's side has the first turn, and sends a PASS record", "flags %x, type %u",
	      record.flags, record.type);
	peer_release(&peer, &record);
	while (good < 20 && echoes(&peer, good))
		good++;
	check(good == 20,
	      "the kernel's side gets the turn with a message, and its answer gives it back", "%u",
	      good);
	check(word_get(&peer.kernel->to_user_head.value) == peer.tail,
	      "the kernel's side keeps turns out of its head word", "%x, not %x",
	      word_get(&peer.kernel->to_user_head.value), peer.tail);
	peer_stop_wait(&peer);
}

/* The kernel releases the record that brought its turn before it gives the turn. */
static void test_empty_ring(void)
{
	static const uint8_t bytes[3000];
	struct peer peer;
	struct record record;
	uint32_t rounds = 0;

	for (start(&peer, ANY); rounds < 500; rounds++) {
		put(&peer, 0, rounds & 0xffff, bytes, sizeof(bytes));
		if (!take(&peer, &record) ||
		    word_get(&peer.kernel->to_kernel_tail.value) != peer.head)
			break;
	}
	check(rounds == 500, "the side that has the turn has an empty ring", "not in round %u",
	      rounds);
	peer_stop_wait(&peer);
}

static void test_pass(void)
{
	struct peer peer;
	struct record record;
	uint32_t passes = 0;

	for (start(&peer, ANY); passes < 3000; passes++) {
		pass(&peer);
		if (!take(&peer, &record) || !record_is(&record, KUP_CONTROL_PASS) ||
		    record.length != 0)
			break;
	}
	check(passes == 3000 && peer.kernel->to_user_records == 0 &&
		      peer.kernel->to_kernel_records == 0,
	      "the kernel's side returns each PASS record, and counts none as a message",
	      "%u, %llu", passes, (long long)peer.kernel->to_user_records);
	peer_stop_wait(&peer);
}

static void test_discard(void)
{
	struct peer peer;
	struct record record;

	start(&peer, ANY);
	for (uint32_t i = 0; i < 100; i++)
		put(&peer, KUP_RECORD_DISCARD, 0, NULL, i);
	/* The kernel's side has skipped them all. */
	EVENTUALLY(PATIENCE_MS, word_get(&peer.kernel->to_kernel_tail.value) == peer.head);
	check(!peer_look(&peer, &record) && peer_state(&peer) == KUP_STATE_OPEN,
	      "the kernel's side gets no turn by a discarded record", "state %u",
	      peer_state(&peer));
	check(echoes(&peer, 9), "the kernel's side skips a discarded record at its turn",
	      "state %u, error %u", peer_state(&peer), peer.kernel->error);
	pause_kernel(&peer, 50);
	put(&peer, KUP_RECORD_DISCARD, 0, NULL, 16);
	check(take(&peer, &record) && echoes(&peer, 10),
	      "the kernel's side skips a discarded record that was sent out of turn",
	      "state %u, error %u", peer_state(&peer), peer.kernel->error);
	peer_stop_wait(&peer);
}

/* ---- Lies ---- */

/* In milliseconds: the kernel's side has the turn for so long. */
static uint32_t lie_pause;

static void out_of_turn(struct peer *peer)
{
	pause_kernel(peer, lie_pause);
	put(peer, 0, 1, "x", 1);
}

static void pass_out_of_turn(struct peer *peer)
{
	pause_kernel(peer, lie_pause);
	pass(peer);
}

/*
 * The second message is there when the first one is finished. Otherwise it might belong to the next
 * turn.
 */
static void two_at_once(struct peer *peer)
{
	uint32_t from = peer_write(peer, UNFINISHED, 1, "x", 1);

	peer_write(peer, 0, 2, "y", 1);
	peer_finish(peer, from);
}

static void message_behind_pass(struct peer *peer)
{
	uint32_t from =
		peer_write(peer, UNFINISHED | KUP_RECORD_CONTROL, KUP_CONTROL_PASS, NULL, 0);

	peer_write(peer, 0, 2, "y", 1);
	peer_finish(peer, from);
}

static void behind_discarded(struct peer *peer)
{
	uint32_t from = peer_write(peer, UNFINISHED, 1, "x", 1);

	peer_write(peer, KUP_RECORD_DISCARD, 0, NULL, 24);
	peer_write(peer, 0, 2, "y", 1);
	peer_finish(peer, from);
}

static void pass_with_payload(struct peer *peer)
{
	put(peer, KUP_RECORD_CONTROL, KUP_CONTROL_PASS, "x", 1);
}

static void gap(struct peer *peer)
{
	put(peer, KUP_RECORD_CONTROL, KUP_CONTROL_GAP, "0123456789abcdef", 16);
}

static void unknown_kind(struct peer *peer)
{
	put(peer, KUP_RECORD_CONTROL, 32 + KUP_CONTROL_PASS, NULL, 0);
}

static void optional_kind(struct peer *peer)
{
	put(peer, KUP_RECORD_CONTROL, KUP_CONTROL_OPTIONAL | KUP_CONTROL_PASS, NULL, 0);
}

static void too_long(struct peer *peer)
{
	uint32_t from = peer_write(peer, UNFINISHED, 1, NULL, 16);

	word_set(peer_header(peer, from), (peer->attach.to_kernel_bytes - 15) | KUP_RECORD_READY);
	peer_wake(peer, from);
}

/* The kernel's side receives the message. Its next sleep finds the lie. */
static void head_inside(struct peer *peer)
{
	uint32_t from = peer_write(peer, UNFINISHED, 1, "0123456789abcdef", 16);

	peer_set_head(peer, from + 16);
	peer_finish(peer, from);
}

static void end(struct peer *peer)
{
	peer_wake(peer, peer_write(peer, KUP_RECORD_CONTROL, KUP_CONTROL_END, NULL, 0));
}

static void move_head(struct peer *peer, uint32_t by)
{
	peer_set_head(peer, peer->head + by);
	peer_kick(peer);
}

static void head_back(struct peer *peer)
{
	move_head(peer, -8u);
}

static void head_beyond(struct peer *peer)
{
	move_head(peer, peer->attach.to_kernel_bytes + 8);
}

static void head_unaligned(struct peer *peer)
{
	peer_write(peer, 0, 1, "x", 1);
	move_head(peer, 1);
}

static const struct lie {
	const char *what;
	uint32_t error;
	void (*write)(struct peer *peer);
} lies[] = {
	{ "the kernel's side breaks a channel at a message out of turn", KUP_ERROR_TURN,
	  out_of_turn },
	{ "the kernel's side breaks a channel at a PASS record out of turn", KUP_ERROR_TURN,
	  pass_out_of_turn },
	{ "the kernel's side breaks a channel at two messages in one turn", KUP_ERROR_TURN,
	  two_at_once },
	{ "the kernel's side breaks a channel at a message behind a PASS record", KUP_ERROR_TURN,
	  message_behind_pass },
	{ "the kernel's side breaks a channel at two messages with a discarded record between them",
	  KUP_ERROR_TURN, behind_discarded },
	{ "the kernel's side breaks a channel at a PASS record with a payload", KUP_ERROR_TURN,
	  pass_with_payload },
	{ "the kernel's side breaks a channel at a user's GAP record", KUP_ERROR_FLAGS, gap },
	{ "the kernel's side breaks a channel at a user's END record", KUP_ERROR_FLAGS, end },
	{ "the kernel's side breaks a channel at a control record of an unknown kind",
	  KUP_ERROR_FLAGS, unknown_kind },
	{ "the kernel's side breaks a channel at a control record of an optional kind",
	  KUP_ERROR_FLAGS, optional_kind },
	{ "the kernel's side breaks a channel at a record as long as the ring", KUP_ERROR_LENGTH,
	  too_long },
	{ "the kernel's side breaks a channel whose head is inside a record", KUP_ERROR_HEAD,
	  head_inside },
	{ "the kernel's side breaks a channel whose head goes back", KUP_ERROR_HEAD, head_back },
	{ "the kernel's side breaks a channel whose head is beyond the ring", KUP_ERROR_HEAD,
	  head_beyond },
	{ "the kernel's side breaks a channel whose head is not aligned", KUP_ERROR_HEAD,
	  head_unaligned },
};

/* Writes the lie. Returns whether it was written within the pause. */
static bool start_and_lie(const struct lie *lie, struct peer *peer)
{
	uint64_t began;

	start(peer, ANY);
	for (uint32_t i = 0; i < 5; i++)
		echoes(peer, i);
	began = now_ms();
	lie->write(peer);
	return now_ms() - began < lie_pause;
}

static void try_lie(const struct lie *lie, struct peer *witness)
{
	struct peer peer, next;
	bool broken, good;

	for (lie_pause = 50; !start_and_lie(lie, &peer); lie_pause *= 4) {
		need(lie_pause <= LONGEST_PAUSE_MS / 4, "a lie can be written during a pause");
		peer_stop_wait(&peer);
	}
	broken = EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN);
	good = broken && peer.kernel->error == lie->error &&
	       peer_poll(&peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT | POLLHUP | POLLERR) &&
	       kup_user_kick(peer.fd) == -EPIPE;
	check(good && echoes(witness, 1), lie->what, "state %u, error %u, not %u",
	      peer_state(&peer), peer.kernel->error, lie->error);
	peer_stop(&peer);
	start(&next, peer.attach.channel);
	if (!echoes(&next, 3))
		check(false, "the kernel's side plays with the next owner of a broken channel",
		      "no");
	peer_stop(&next);
}

/* ---- Unusual, but not a lie ---- */

static void test_unfinished(struct peer *witness)
{
	struct peer peer;
	struct record record = { 0 };
	uint32_t from;

	start(&peer, ANY);
	from = peer_write(&peer, UNFINISHED, 1, "open", 4);
	peer_kick(&peer);
	check(echoes(witness, 2) && !peer_look(&peer, &record) &&
		      peer_state(&peer) == KUP_STATE_OPEN,
	      "the kernel's side gets no turn by a record that is not finished", "state %u",
	      peer_state(&peer));
	peer_finish(&peer, from);
	check(take(&peer, &record) && record.type == 1,
	      "the kernel's side gets the turn when the record is finished", "no");
	pause_kernel(&peer, 50);
	from = peer_write(&peer, UNFINISHED, 2, "early", 5);
	check(take(&peer, &record) && record_is(&record, KUP_CONTROL_PASS),
	      "the user may reserve a record out of turn", "state %u, error %u", peer_state(&peer),
	      peer.kernel->error);
	peer_finish(&peer, from);
	check(take(&peer, &record) && record.type == 2 && record.length == 5,
	      "the user may send that record when it has the turn", "state %u", peer_state(&peer));
	peer_stop_wait(&peer);
}

/* ---- poll ---- */

static void test_poll(void)
{
	struct peer peer;
	struct record record;

	start(&peer, ANY);
	check(peer_poll(&peer, POLLIN | POLLOUT, 0) == POLLOUT,
	      "kup_user_wait() at the user's own turn reports room, and nothing to read", "%x",
	      peer_poll(&peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&peer, POLLIN, 50) == 0,
	      "kup_user_wait() at the user's own turn reports no record later", "no");
	pause_kernel(&peer, 200);
	check(peer_poll(&peer, POLLIN, PATIENCE_MS) == POLLIN && peer_soon(&peer, &record),
	      "kup_user_wait() for a record returns when the turn is back", "no");
	check(peer_poll(&peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT),
	      "kup_user_wait() reports room when the turn is back", "%x",
	      peer_poll(&peer, POLLIN | POLLOUT, 0));
	peer_stop_wait(&peer);
}

/* ---- Sleeping ---- */

/* Waits for a record with poll's own arming alone: the event position is another one. */
static int receive_polling(struct peer *peer, struct record *record)
{
	while (!peer_look(peer, record)) {
		word_set(&peer->user->to_user_consumer_event.value, peer->tail - 8);
		if (peer_poll(peer, POLLIN, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
		peer->idle_wakes += !peer_look(peer, record);
	}
	return 0;
}

/* Sleeps of random length on both sides, which meet in every way. */
static void test_alternation(int (*receive)(struct peer *peer, struct record *record),
			     uint32_t rounds, const char *sentence)
{
	struct peer peer;
	struct kup_stats before, after;
	struct record record = { 0 };
	uint32_t round;

	start(&peer, ANY);
	stats_get(peer.fd, peer.attach.channel, &before);
	for (round = 0; round < rounds; round++) {
		bool passes = dice(4) == 0;

		dawdle();
		peer.spins = dice(3) * dice(500);
		if (passes)
			pass(&peer);
		else
			put(&peer, 0, round & 0xffff, &round, sizeof(round));
		if (receive(&peer, &record) != 0)
			break;
		if (passes ? !record_is(&record, KUP_CONTROL_PASS)
			   : record.type != (round & 0xffff) || record.flags != 0)
			break;
		peer_release(&peer, &record);
	}
	stats_get(peer.fd, peer.attach.channel, &after);
	check(round == rounds, sentence, "round %u of %u, state %u", round, rounds,
	      peer_state(&peer));
	check(peer.kicks <= (after.sleeps - before.sleeps) * 11 / 10 + 10,
	      "KICK is needed once per sleep of the kernel's side at most",
	      "%llu kicks, %llu sleeps", (long long)peer.kicks,
	      (long long)(after.sleeps - before.sleeps));
	check(peer.idle_wakes <= rounds / 100, "kup_user_wait() does not return without an event",
	      "%llu times", (long long)peer.idle_wakes);
	printf("# %llu polls, %llu kicks, %llu sleeps\n", (long long)peer.polls,
	       (long long)peer.kicks, (long long)(after.sleeps - before.sleeps));
	peer_stop_wait(&peer);
}

int main(int count, char **arguments)
{
	struct peer witness;

	begin(count, arguments, 240);
	need_unload();
	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	test_first_turn();
	test_empty_ring();
	test_pass();
	test_discard();
	start(&witness, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		try_lie(&lies[i], &witness);
	test_unfinished(&witness);
	peer_stop_wait(&witness);
	test_poll();
	test_alternation(
		peer_receive, 2000,
		"kup_user_wait() with an event position loses no wake-up in thousands of turns");
	test_alternation(
		receive_polling, 2000,
		"kup_user_wait() without an event position loses no wake-up in thousands of turns");
	need_unload();
	reload();
	return finish();
}
