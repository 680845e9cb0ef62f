/* SPDX-License-Identifier: BSD-3-Clause */
/* The contract's turn mode from the user's side, by hand: turns, lies about them, poll, and sleeping for them. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* A peer that counts its sends. */
struct player {
	struct peer peer;
	uint32_t sends;
};

/* ---- Turns, as the contract tells them ---- */

static uint32_t kernel_word(const struct player *player)
{
	return word_get(&player->peer.kernel->to_user_head.value);
}

/* How many sends the kernel is ahead: 1, the user's turn; 0, the kernel's. */
static uint32_t ahead(const struct player *player)
{
	return (kernel_word(player) - player->sends) & KUP_HEAD_SENDS;
}

static void publish(struct player *player, uint32_t from)
{
	struct peer *peer = &player->peer;

	word_set(&peer->user->to_kernel_head.value, peer->head | (player->sends & KUP_HEAD_SENDS));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (word_get(&peer->kernel->to_kernel_consumer_event.value) == from)
		peer_kick(peer);
}

/* A record and, unless `counts` is 0, so many sends with it; whoever's turn it is. */
static void put(struct player *player, uint32_t counts, uint32_t flags, uint32_t type,
		const void *data, uint32_t length)
{
	uint32_t from = peer_write(&player->peer, flags, type, data, length);

	player->sends += counts;
	publish(player, from);
}

static bool look(struct player *player, struct record *record)
{
	struct peer *peer = &player->peer;
	const uint8_t *place = peer->in + peer->tail % peer->info.to_user_bytes;
	uint32_t word;

	if ((kernel_word(player) & ~KUP_HEAD_SENDS) == peer->tail)
		return false;
	word = word_get((const kup_u32 *)(const void *)place);
	record->type = ((const struct kup_record_header *)(const void *)place)->type;
	record->length = word & KUP_RECORD_LENGTH;
	record->flags = word & ~KUP_RECORD_LENGTH;
	record->data = place + KUP_RECORD_HEADER;
	record->space = KUP_RECORD_SPACE(record->length);
	return true;
}

/* What the kernel's side has said so far; how many messages that were. */
static uint32_t drain(struct player *player)
{
	struct record record;
	uint32_t messages = 0;

	while (look(player, &record)) {
		messages += !(record.flags & KUP_RECORD_PASS);
		peer_release(&player->peer, &record);
	}
	return messages;
}

static bool users_turn(struct player *player)
{
	return EVENTUALLY(PATIENCE_MS, ahead(player) == 1);
}

static void start(struct player *player, uint32_t channel)
{
	memset(player, 0, sizeof(*player));
	peer_need(&player->peer, channel);
	need(users_turn(player), "the kernel's first turn is passed");
	drain(player);
}

/* A message there and back, however long that takes. */
static bool echoes(struct player *player, uint32_t type)
{
	struct record record = { 0 };
	bool good = users_turn(player);

	drain(player);
	put(player, 1, 0, type, &type, sizeof(type));
	good = good && users_turn(player) && look(player, &record) && record.type == type &&
	       record.length == sizeof(type) && record.flags == 0 &&
	       memcmp(record.data, &type, sizeof(type)) == 0;
	drain(player);
	return good;
}

/* ---- Who has it ---- */

static void test_first_turn(void)
{
	struct player player = { 0 };
	struct record record;
	bool there;

	peer_need(&player.peer, ANY);
	check(player.peer.kernel->mode == KUP_MODE_TURN && player.peer.info.mode == KUP_MODE_TURN,
	      "page and INFO tell that this is turn mode", "%u", player.peer.kernel->mode);
	need(users_turn(&player), "the kernel's first turn is passed");
	there = look(&player, &record);
	check(there && record.flags == KUP_RECORD_PASS && record.length == 0 &&
		      (kernel_word(&player) & KUP_HEAD_SENDS) == 1,
	      "the kernel begins: a PASS record, and one send", "flags %x", record.flags);
	check(echoes(&player, 5), "a send passes the turn, and the answer brings it back", "no");
	for (uint32_t i = 0; i < 20; i++)
		if (!echoes(&player, i))
			there = false;
	check(there && (player.sends & KUP_HEAD_SENDS) == (21 & KUP_HEAD_SENDS),
	      "the counts go on modulo 8", "no");
	peer_stop_wait(&player.peer);
}

static void test_pass(void)
{
	struct player player;
	struct record record;
	uint32_t passes = 0;

	start(&player, ANY);
	for (; passes < 3000; passes++) {
		put(&player, 1, KUP_RECORD_PASS, 0, NULL, 0);
		if (!users_turn(&player) || !look(&player, &record) ||
		    record.flags != KUP_RECORD_PASS)
			break;
		peer_release(&player.peer, &record);
	}
	check(passes == 3000 && player.peer.kernel->to_user_records == 0 &&
		      player.peer.kernel->to_kernel_records == 0,
	      "passes go there and back, and are no messages", "%u, %llu", passes,
	      (long long)player.peer.kernel->to_user_records);
	peer_stop_wait(&player.peer);
}

static void test_discard(void)
{
	struct player player;

	start(&player, ANY);
	for (uint32_t i = 0; i < 100; i++)
		put(&player, 0, KUP_RECORD_DISCARD, 0, NULL, i);
	sleep_ms(20);
	check(ahead(&player) == 1 && peer_state(&player.peer) == KUP_STATE_OPEN,
	      "a discarded record is no send: the turn stays", "%u", ahead(&player));
	check(echoes(&player, 9), "and is skipped", "state %u, error %u", peer_state(&player.peer),
	      player.peer.kernel->error);
	peer_stop_wait(&player.peer);
}

/* ---- Lies ---- */

static void pause_kernel(struct player *player, uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };

	put(player, 1, 0, ECHO_PAUSE, &pause, sizeof(pause));
}

static void out_of_turn(struct player *player)
{
	pause_kernel(player, 50);
	put(player, 1, 0, 1, "x", 1);
}

static void pass_out_of_turn(struct player *player)
{
	pause_kernel(player, 50);
	put(player, 1, KUP_RECORD_PASS, 0, NULL, 0);
}

static void seven_out_of_turn(struct player *player)
{
	pause_kernel(player, 50);
	put(player, 6, 0, 1, "x", 1);
}

static void two_at_once(struct player *player)
{
	put(player, 2, 0, 1, "x", 1);
}

static void back_in_time(struct player *player)
{
	put(player, 7, 0, 1, "x", 1);
}

static void four_without_record(struct player *player)
{
	player->sends += 4;
	publish(player, player->peer.head);
	peer_kick(&player->peer);
}

static void pass_with_payload(struct player *player)
{
	put(player, 1, KUP_RECORD_PASS, 0, "x", 1);
}

static void gap(struct player *player)
{
	put(player, 1, KUP_RECORD_GAP, 0, "0123456789abcdef", 16);
}

static void longer(struct player *player)
{
	peer_write(&player->peer, 0, 1, "0123456789abcdef", 16);
	player->peer.head -= 8;
	player->sends++;
	publish(player, 0);
	peer_kick(&player->peer);
}

static void head_back(struct player *player)
{
	player->peer.head -= 8;
	player->sends++;
	publish(player, 0);
	peer_kick(&player->peer);
}

static void head_beyond(struct player *player)
{
	player->peer.head += player->peer.info.to_kernel_bytes + 8;
	player->sends++;
	publish(player, 0);
	peer_kick(&player->peer);
}

static const struct lie {
	const char *what;
	uint32_t error;
	void (*tell)(struct player *player);
} lies[] = {
	{ "a send out of turn breaks its channel", KUP_ERROR_TURN, out_of_turn },
	{ "a pass out of turn does", KUP_ERROR_TURN, pass_out_of_turn },
	{ "and six sends at once", KUP_ERROR_TURN, seven_out_of_turn },
	{ "a record that counts for two does", KUP_ERROR_TURN, two_at_once },
	{ "a count that goes back does", KUP_ERROR_TURN, back_in_time },
	{ "a count of four without a record does", KUP_ERROR_TURN, four_without_record },
	{ "a PASS record with a payload does", KUP_ERROR_FLAGS, pass_with_payload },
	{ "a user's GAP record does", KUP_ERROR_FLAGS, gap },
	{ "a record that is longer than what is there does", KUP_ERROR_LENGTH, longer },
	{ "a head that goes back does", KUP_ERROR_HEAD, head_back },
	{ "a head beyond the ring does", KUP_ERROR_HEAD, head_beyond },
};

static void try_lie(const struct lie *lie, struct player *witness)
{
	struct player player, next;
	bool broken, good;

	start(&player, ANY);
	for (uint32_t i = 0; i < 5; i++)
		echoes(&player, i);
	lie->tell(&player);
	broken = EVENTUALLY(PATIENCE_MS, peer_state(&player.peer) == KUP_STATE_BROKEN);
	good = broken && player.peer.kernel->error == lie->error &&
	       peer_poll(&player.peer, POLLIN | POLLOUT, 0) ==
		       (POLLIN | POLLOUT | POLLHUP | POLLERR) &&
	       kup_user_kick(player.peer.fd) == -EPIPE;
	check(good && echoes(witness, 1), lie->what, "state %u, error %u, not %u",
	      peer_state(&player.peer), player.peer.kernel->error, lie->error);
	peer_stop(&player.peer);
	start(&next, player.peer.attach.channel);
	if (!echoes(&next, 3))
		check(false, "the next owner plays", "it doesn't");
	peer_stop(&next.peer);
}

/* ---- What looks odd but is no lie ---- */

static void test_turn_without_record(void)
{
	struct player player;
	struct record record = { 0 };

	start(&player, ANY);
	player.sends++;
	publish(&player, player.peer.head);
	peer_kick(&player.peer);
	check(users_turn(&player) && look(&player, &record) && record.flags == KUP_RECORD_PASS,
	      "a turn that comes without a record is a turn", "state %u, flags %x",
	      peer_state(&player.peer), record.flags);
	check(echoes(&player, 4), "and the game goes on", "it doesn't");
	peer_stop_wait(&player.peer);
}

static void test_record_without_turn(void)
{
	struct player player;
	struct record record = { 0 };

	start(&player, ANY);
	put(&player, 0, 0, 6, "early", 5);
	sleep_ms(50);
	check(ahead(&player) == 1 && !look(&player, &record) &&
		      peer_state(&player.peer) == KUP_STATE_OPEN,
	      "a record without the turn is not answered", "it is");
	player.sends++;
	publish(&player, player.peer.head);
	peer_kick(&player.peer);
	check(users_turn(&player) && look(&player, &record) && record.type == 6,
	      "until the turn follows", "state %u", peer_state(&player.peer));
	peer_stop_wait(&player.peer);
}

static void test_busy(struct player *witness)
{
	struct player player;
	struct record record = { 0 };
	uint32_t from;

	start(&player, ANY);
	from = peer_write(&player.peer, KUP_RECORD_BUSY, 1, "busy", 4);
	player.sends++;
	publish(&player, from);
	peer_kick(&player.peer);
	check(users_turn(&player) && look(&player, &record) && record.flags == KUP_RECORD_PASS &&
		      echoes(witness, 2),
	      "a record that isn't finished keeps nobody waiting but its user", "state %u",
	      peer_state(&player.peer));
	drain(&player);
	word_set((kup_u32 *)(void *)(player.peer.out + from), 4);
	peer_kick(&player.peer);
	put(&player, 1, KUP_RECORD_PASS, 0, NULL, 0);
	check(users_turn(&player) && look(&player, &record) && record.type == 1,
	      "when it is finished it is answered in the next turn", "no");
	peer_stop_wait(&player.peer);
}

static void test_stream_heads(void)
{
	uint32_t wrong = 0;

	for (uint32_t bits = 1; bits < 8; bits++) {
		struct peer peer;

		peer_need(&peer, ANY);
		peer_write(&peer, 0, 1, "x", 1);
		word_set(&peer.user->to_kernel_head.value, peer.head | bits);
		peer_kick(&peer);
		wrong += !EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN) ||
			 peer.kernel->error != KUP_ERROR_HEAD;
		peer_stop_wait(&peer);
	}
	check(wrong == 0, "in stream mode a head that counts is a lie", "%u were not", wrong);
}

/* ---- poll ---- */

static void test_poll(void)
{
	struct player player;

	start(&player, ANY);
	check(peer_poll(&player.peer, POLLIN | POLLOUT, 0) == POLLOUT,
	      "at its turn a user has room, and nothing to read", "%x",
	      peer_poll(&player.peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&player.peer, POLLIN, 50) == 0, "and nothing comes", "it does");
	pause_kernel(&player, 200);
	check(peer_poll(&player.peer, POLLIN | POLLOUT, 0) == 0,
	      "at the kernel's turn it has neither", "%x",
	      peer_poll(&player.peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&player.peer, POLLOUT, PATIENCE_MS) == POLLOUT && ahead(&player) == 1,
	      "poll for room returns when the turn is back", "%u", ahead(&player));
	check(peer_poll(&player.peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT),
	      "which came with a record", "%x", peer_poll(&player.peer, POLLIN | POLLOUT, 0));
	drain(&player);
	pause_kernel(&player, 100);
	check(peer_poll(&player.peer, POLLIN, PATIENCE_MS) == POLLIN,
	      "poll for a record returns at the same time", "no");
	peer_stop_wait(&player.peer);
}

static void test_poll_full(void)
{
	struct player player;

	start(&player, ANY);
	/* Taken at once; the kernel's side can't answer before it gets the turn. */
	put(&player, 0, 0, 1, "x", 1);
	need(EVENTUALLY(PATIENCE_MS, player.peer.kernel->sleeps > 0), "the kernel's side waits");
	while (peer_room(&player.peer, 1024))
		put(&player, 0, 0, ECHO_SAMPLE, NULL, 1008);
	while (peer_room(&player.peer, 8))
		put(&player, 0, 0, ECHO_SAMPLE, NULL, 0);
	check(peer_poll(&player.peer, POLLOUT, 0) == 0, "a turn without room is no room",
	      "poll says it is");
	player.sends++;
	publish(&player, player.peer.head);
	peer_kick(&player.peer);
	check(peer_poll(&player.peer, POLLOUT, PATIENCE_MS) == POLLOUT && ahead(&player) == 1,
	      "until the kernel's side has answered and read", "%u", ahead(&player));
	peer_stop_wait(&player.peer);
}

/* ---- Sleeping ---- */

/* For its turn: by the event position that the contract names, or by poll's own arming. */
static bool sleep_for_turn(struct player *player, bool announce)
{
	struct peer *peer = &player->peer;

	for (uint32_t spins = dice(3) * dice(500); spins > 0; spins--)
		if (ahead(player) == 1)
			return true;
	while (ahead(player) != 1) {
		word_set(&peer->user->to_user_consumer_event.value,
			 announce ? kernel_word(player) & ~KUP_HEAD_SENDS : peer->tail - 8);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (ahead(player) == 1)
			break;
		if (peer_poll(peer, announce || dice(2) ? POLLIN : POLLOUT, PATIENCE_MS) == 0)
			return false;
		peer->idle_wakes += ahead(player) != 1;
	}
	return true;
}

/* Sleeps of random length on both sides, which meet in every way. */
static void test_alternation(bool announce, uint32_t rounds, const char *sentence)
{
	struct player player;
	struct kup_stats before, after;
	struct record record = { 0 };
	uint32_t round;

	start(&player, ANY);
	stats_get(player.peer.fd, player.peer.attach.channel, &before);
	for (round = 0; round < rounds; round++) {
		bool passes = dice(4) == 0;

		dawdle();
		if (passes)
			put(&player, 1, KUP_RECORD_PASS, 0, NULL, 0);
		else
			put(&player, 1, 0, round & 0xffff, &round, sizeof(round));
		if (!sleep_for_turn(&player, announce) || !look(&player, &record))
			break;
		if (passes ? record.flags != KUP_RECORD_PASS
			   : record.type != (round & 0xffff) || record.flags != 0)
			break;
		peer_release(&player.peer, &record);
	}
	stats_get(player.peer.fd, player.peer.attach.channel, &after);
	check(round == rounds, sentence, "round %u of %u, ahead %u, state %u", round, rounds,
	      ahead(&player), peer_state(&player.peer));
	check(player.peer.kicks <= (after.sleeps - before.sleeps) * 11 / 10 + 10,
	      "the kernel's side is kicked once per sleep at most", "%llu kicks, %llu sleeps",
	      (long long)player.peer.kicks, (long long)(after.sleeps - before.sleeps));
	check(player.peer.idle_wakes <= rounds / 100, "poll does not return for nothing",
	      "%llu times", (long long)player.peer.idle_wakes);
	printf("# %llu polls, %llu kicks, %llu sleeps\n", (long long)player.peer.polls,
	       (long long)player.peer.kicks, (long long)(after.sleeps - before.sleeps));
	peer_stop_wait(&player.peer);
}

int main(int count, char **arguments)
{
	struct player witness;

	begin(count, arguments, 240);
	test_stream_heads();
	need_unload();
	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	test_first_turn();
	test_pass();
	test_discard();
	start(&witness, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		try_lie(&lies[i], &witness);
	test_turn_without_record();
	test_record_without_turn();
	test_busy(&witness);
	peer_stop_wait(&witness.peer);
	test_poll();
	test_poll_full();
	test_alternation(true, 6000, "no wake-up is lost in thousands of turns");
	test_alternation(false, 6000, "nor where poll alone waits");
	need_unload();
	reload();
	return finish();
}
