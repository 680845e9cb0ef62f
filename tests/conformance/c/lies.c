/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that break the protocol. Each lie breaks its own channel only, with the right error.
 * Here each kick makes the kernel's side look at head; publish.c has the heads that it finds by
 * itself.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

struct lie {
	const char *what;
	uint32_t error;
	void (*write)(struct peer *peer);
};

/* Some traffic: 32 records of 24 bytes each way, so both positions are 1024. */
static void warm_up(struct peer *peer)
{
	for (uint32_t i = 0; i < 32; i++)
		if (peer_echo(peer, i, 24) != NULL)
			need(false, "a channel echoes before the lie");
	/* The kernel's tail shows that it has read everything. */
	EVENTUALLY(PATIENCE_MS, word_get(&peer->kernel->to_kernel_tail.value) == peer->head);
}

static void set_head(struct peer *peer, uint32_t head)
{
	peer_set_head(peer, head);
	peer_kick(peer);
}

/* The kernel loads the user's tail only when it wants to send and knows of no room. */
static void set_tail(struct peer *peer, uint32_t tail)
{
	static const uint8_t bytes[20000];

	word_set(&peer->user->to_user_tail.value, tail);
	for (uint32_t sent = 0; sent <= peer->attach.to_user_bytes + sizeof(bytes);
	     sent += sizeof(bytes))
		if (peer_send(peer, 1, bytes, sizeof(bytes)) != 0)
			break;
	peer_kick(peer);
}

/* Writes a record with this header, and a head that covers this much of the ring. */
static void set_record(struct peer *peer, uint32_t length_flags, uint32_t space)
{
	kup_u32 *header = peer_header(peer, peer->head);

	peer_set_head(peer, peer->head + space);
	header[1] = 1;
	word_set(header, length_flags | KUP_RECORD_READY);
	peer_kick(peer);
}

static void head_unaligned(struct peer *peer)
{
	set_head(peer, peer->head + 4);
}

static void head_by_one(struct peer *peer)
{
	set_head(peer, peer->head + 1);
}

static void head_backwards(struct peer *peer)
{
	set_head(peer, peer->head - 8);
}

static void head_far_back(struct peer *peer)
{
	set_head(peer, peer->head - 1024);
}

static void head_beyond(struct peer *peer)
{
	set_head(peer, peer->head + peer->attach.to_kernel_bytes + 8);
}

static void head_opposite(struct peer *peer)
{
	set_head(peer, peer->head + 0x80000000u);
}

static void head_last(struct peer *peer)
{
	set_head(peer, 0xfffffff8u);
}

static void tail_unaligned(struct peer *peer)
{
	set_tail(peer, peer->tail + 4);
}

static void tail_beyond(struct peer *peer)
{
	set_tail(peer, peer->tail + peer->attach.to_user_bytes);
}

/* The kernel has loaded the tail before; otherwise it would not know of the room. */
static void tail_backwards(struct peer *peer)
{
	for (uint32_t sent = 0; sent <= peer->attach.to_user_bytes + 20000; sent += 20000)
		peer_echo(peer, sent, 20000);
	set_tail(peer, 1024 - 8);
}

static void tail_opposite(struct peer *peer)
{
	set_tail(peer, peer->tail + 0x80000000u);
}

static void record_longer(struct peer *peer)
{
	set_record(peer, 17, 24);
}

static void record_longest(struct peer *peer)
{
	set_record(peer, KUP_RECORD_LENGTH, 64);
}

static void record_discarded_longest(struct peer *peer)
{
	set_record(peer, KUP_RECORD_LENGTH | KUP_RECORD_DISCARD, 64);
}

/* There is no place for the header behind this record. One byte less would leave one. */
static void record_ring(struct peer *peer)
{
	set_record(peer, peer->attach.to_kernel_bytes - 15, peer->attach.to_kernel_bytes);
}

static void record_discarded_ring(struct peer *peer)
{
	set_record(peer, (peer->attach.to_kernel_bytes - 15) | KUP_RECORD_DISCARD,
		   peer->attach.to_kernel_bytes);
}

#define UNKNOWN_FLAG 0x10000000u

static void record_unknown_flag(struct peer *peer)
{
	set_record(peer, 16 | UNKNOWN_FLAG, 24);
}

static void record_discarded_unknown_flag(struct peer *peer)
{
	set_record(peer, 16 | UNKNOWN_FLAG | KUP_RECORD_DISCARD, 24);
}

static void control(struct peer *peer, uint32_t kind, uint32_t length)
{
	peer_wake(peer, peer_write(peer, KUP_RECORD_CONTROL, kind, NULL, length));
}

static void control_gap(struct peer *peer)
{
	control(peer, KUP_CONTROL_GAP, sizeof(struct kup_gap));
}

static void control_pass(struct peer *peer)
{
	control(peer, KUP_CONTROL_PASS, 0);
}

static void control_end_payload(struct peer *peer)
{
	control(peer, KUP_CONTROL_END, 8);
}

static void control_end_twice(struct peer *peer)
{
	control(peer, KUP_CONTROL_END, 0);
	control(peer, KUP_CONTROL_END, 0);
}

static void record_behind_end(struct peer *peer)
{
	control(peer, KUP_CONTROL_END, 0);
	peer_wake(peer, peer_write(peer, 0, 1, "late", 4));
}

static void control_zero(struct peer *peer)
{
	control(peer, 0, 8);
}

/* A reader that shifts by the kind modulo 32 would take this for KUP_CONTROL_GAP. */
static void control_unknown(struct peer *peer)
{
	control(peer, 32 + KUP_CONTROL_GAP, 8);
}

static void control_optional(struct peer *peer)
{
	control(peer, KUP_CONTROL_OPTIONAL | 5, 8);
}

static const struct lie lies[] = {
	{ "the kernel's side breaks a channel whose head is not aligned to 8", KUP_ERROR_HEAD,
	  head_unaligned },
	{ "the kernel's side breaks a channel whose head is one byte ahead", KUP_ERROR_HEAD,
	  head_by_one },
	{ "the kernel's side breaks a channel whose head went back", KUP_ERROR_HEAD,
	  head_backwards },
	{ "the kernel's side breaks a channel whose head went back to the start", KUP_ERROR_HEAD,
	  head_far_back },
	{ "the kernel's side breaks a channel whose head is beyond the ring", KUP_ERROR_HEAD,
	  head_beyond },
	{ "the kernel's side breaks a channel whose head is 2 GiB ahead", KUP_ERROR_HEAD,
	  head_opposite },
	{ "the kernel's side breaks a channel whose head is the last position", KUP_ERROR_HEAD,
	  head_last },
	{ "the kernel's side breaks a channel whose tail is not aligned", KUP_ERROR_TAIL,
	  tail_unaligned },
	{ "the kernel's side breaks a channel whose tail went back", KUP_ERROR_TAIL,
	  tail_backwards },
	{ "the kernel's side breaks a channel whose tail is beyond head", KUP_ERROR_TAIL,
	  tail_beyond },
	{ "the kernel's side breaks a channel whose tail is 2 GiB ahead", KUP_ERROR_TAIL,
	  tail_opposite },
	{ "the kernel's side breaks a channel whose head is inside a record", KUP_ERROR_HEAD,
	  record_longer },
	{ "the kernel's side breaks a channel at a record of the longest length", KUP_ERROR_LENGTH,
	  record_longest },
	{ "the kernel's side breaks a channel at a discarded record of the longest length",
	  KUP_ERROR_LENGTH, record_discarded_longest },
	{ "the kernel's side breaks a channel at a record as long as the ring", KUP_ERROR_LENGTH,
	  record_ring },
	{ "the kernel's side breaks a channel at a discarded record as long as the ring",
	  KUP_ERROR_LENGTH, record_discarded_ring },
	{ "the kernel's side breaks a channel at a record with an unknown flag", KUP_ERROR_FLAGS,
	  record_unknown_flag },
	{ "the kernel's side breaks a channel at a discarded record with an unknown flag",
	  KUP_ERROR_FLAGS, record_discarded_unknown_flag },
	{ "a GAP record", KUP_ERROR_FLAGS, control_gap },
	{ "a PASS record", KUP_ERROR_FLAGS, control_pass },
	{ "the kernel's side breaks a channel at an END with a payload", KUP_ERROR_END,
	  control_end_payload },
	{ "the kernel's side breaks a channel at a second END", KUP_ERROR_END, control_end_twice },
	{ "the kernel's side breaks a channel at a record behind an END", KUP_ERROR_END,
	  record_behind_end },
	{ "the kernel's side breaks a channel at a control record of kind 0", KUP_ERROR_FLAGS,
	  control_zero },
	{ "the kernel's side breaks a channel at a control record of an unknown kind",
	  KUP_ERROR_FLAGS, control_unknown },
	{ "the kernel's side breaks a channel at a control record of an optional kind",
	  KUP_ERROR_FLAGS, control_optional },
};

/* Returns NULL, or what is wrong with the channel that was lied to. */
static const char *aftermath(struct peer *peer, uint32_t wanted)
{
	static char why[128];
	struct kup_stats stats;
	struct kup_attach attach;

	if (peer_state(peer) != KUP_STATE_BROKEN || peer->kernel->error != wanted)
		snprintf(why, sizeof(why), "state %u, error %u instead of %u", peer_state(peer),
			 peer->kernel->error, wanted);
	else if (peer_poll(peer, POLLIN | POLLOUT, 0) != (POLLIN | POLLOUT | POLLHUP | POLLERR))
		snprintf(why, sizeof(why), "poll says %x", peer_poll(peer, POLLIN | POLLOUT, 0));
	else if (peer_poll(peer, 0, 0) != (POLLHUP | POLLERR))
		snprintf(why, sizeof(why), "poll for no events returned %x", peer_poll(peer, 0, 0));
	else if (peer_kick(peer) != -EPIPE)
		snprintf(why, sizeof(why), "KICK says %s", error_name(peer_kick(peer)));
	else if (attach_to(peer->fd, ANY, 0, &attach) != -EISCONN)
		snprintf(why, sizeof(why), "ATTACH did not return EISCONN");
	else if (stats_get(peer->fd, peer->attach.channel, &stats) != 0 ||
		 stats.state != KUP_STATE_BROKEN || stats.error != wanted)
		snprintf(why, sizeof(why), "STATS has state %u, error %u", stats.state,
			 stats.error);
	else
		return NULL;
	return why;
}

static void try_lie(const struct lie *lie, struct peer *witness)
{
	struct peer peer, next;
	const char *why;
	int error;

	peer_need(&peer, ANY);
	warm_up(&peer);
	lie->write(&peer);
	EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN);
	why = aftermath(&peer, lie->error);
	if (why == NULL && peer_echo(witness, 1, 700) != NULL)
		why = "another channel no longer echoes";
	peer_stop(&peer);
	/* The channel may drain for longer than ATTACH waits. */
	EVENTUALLY(PATIENCE_MS, (error = peer_start(&next, peer.attach.channel)) != -EBUSY);
	if (why == NULL && error != 0)
		why = "the channel can't be attached again";
	else if (why == NULL && (peer_state(&next) != KUP_STATE_OPEN || next.kernel->error != 0))
		why = "the next owner sees the lie's error";
	else if (why == NULL && peer_echo(&next, 2, 800) != NULL)
		why = "the channel does not work for the next owner";
	if (error == 0)
		peer_stop(&next);
	check(why == NULL, lie->what, "%s", why);
}

/* ---- Unusual, but not a lie ---- */

static void test_discard(void)
{
	struct peer peer;
	struct record record;

	peer_need(&peer, ANY);
	for (uint32_t i = 0; i < 100; i++)
		peer_wake(&peer, peer_write(&peer, KUP_RECORD_DISCARD, i, NULL, i));
	for (uint32_t i = 0; i < 100; i++)
		peer_wake(&peer,
			  peer_write(&peer, KUP_RECORD_DISCARD | KUP_RECORD_CONTROL, i, NULL, i));
	check(peer_send(&peer, 7, "seven", 5) == 0 && peer_receive(&peer, &record) == 0 &&
		      record.type == 7,
	      "the kernel's side skips discarded records of all kinds", "state %u, error %u",
	      peer_state(&peer), peer.kernel->error);
	peer_stop_wait(&peer);
}

static void test_unfinished(void)
{
	struct peer peer;
	struct record record;
	uint32_t first;

	peer_need(&peer, ANY);
	first = peer_write(&peer, UNFINISHED, 1, "first", 5);
	peer_wake(&peer, peer_write(&peer, 0, 2, "second", 6));
	peer_kick(&peer);
	sleep_ms(50);
	check(!peer_look(&peer, &record) && peer_state(&peer) == KUP_STATE_OPEN,
	      "the kernel's side stops at a record that is not finished", "it continued");
	peer_finish(&peer, first);
	check(peer_receive(&peer, &record) == 0 && record.type == 1,
	      "the kernel's side continues when the record is finished", "no");
	peer_release(&peer, &record);
	check(peer_receive(&peer, &record) == 0 && record.type == 2,
	      "the kernel's side continues with the second record", "no");
	peer_release(&peer, &record);
	peer_wake(&peer, peer_write(&peer, UNFINISHED, 1, "never", 5));
	peer_stop_wait(&peer);
	peer_need(&peer, peer.attach.channel);
	check(peer_echo(&peer, 1, 10) == NULL, "close() drops a record that is never finished",
	      "no");
	peer_stop_wait(&peer);
}

/* Writes the smallest records until no more fit. All become readable at once. */
static uint32_t fill_with_smallest(struct peer *peer)
{
	uint32_t count = 1, first = peer_write(peer, UNFINISHED, 3, NULL, 0);

	for (; peer_room(peer, 8); count++)
		peer_write(peer, 0, 3, NULL, 0);
	peer_finish(peer, first);
	return count;
}

/* Fills the whole ring with one record, and then with the smallest ones. */
static void test_full_ring(void)
{
	struct peer peer;
	struct record record;
	uint32_t count, ring;

	peer_need(&peer, ANY);
	ring = peer.attach.to_kernel_bytes;
	need(ring < peer.attach.to_user_bytes, "the ring to the user is the larger one");
	check(peer_echo(&peer, 5, KUP_MAX_PAYLOAD(ring)) == NULL,
	      "the kernel's side echoes the longest record that fits both rings", "no");
	check(EVENTUALLY(PATIENCE_MS, peer_room(&peer, ring - KUP_RECORD_HEADER)),
	      "the kernel's side empties the ring after the longest record", "no");
	check(peer_echo(&peer, 6, ring - 16) == NULL,
	      "the kernel's side echoes a record that leaves just the room for the next header",
	      "state %u, error %u", peer_state(&peer), peer.kernel->error);
	EVENTUALLY(PATIENCE_MS, peer_room(&peer, ring - KUP_RECORD_HEADER));
	count = fill_with_smallest(&peer);
	check(count == ring / 8 - 1, "an empty ring takes as many empty records as fit, less one",
	      "%u", count);
	while (count > 0 && peer_receive(&peer, &record) == 0 && record.type == 3 &&
	       record.length == 0) {
		peer_release(&peer, &record);
		count--;
	}
	check(count == 0, "the kernel's side echoes all the smallest records",
	      "%u are missing, state %u, error %u", count, peer_state(&peer), peer.kernel->error);
	peer_stop_wait(&peer);
}

/* The bytes in to_user, the event words and the rest of the user page are the user's own. */
static void test_harmless(void)
{
	struct peer peer;
	uint32_t seed = 99;
	const char *why = NULL;

	peer_need(&peer, ANY);
	for (int round = 0; round < 200 && why == NULL; round++) {
		for (uint32_t at = 0; at < 2 * peer.attach.to_user_bytes; at += 4096)
			*(uint32_t *)(peer.in + at + random_next(&seed) % 1024 * 4) =
				random_next(&seed);
		memset((uint8_t *)peer.user + 0x200, (int)random_next(&seed),
		       peer.info.page_size - 0x200);
		for (uint32_t at = 4; at < KUP_LINE; at += 4)
			for (uint32_t line = 0; line < 4; line++)
				*(uint32_t *)((uint8_t *)peer.user + line * KUP_LINE + at) =
					random_next(&seed);
		word_set(&peer.user->to_kernel_producer_event.value, random_next(&seed));
		word_set(&peer.user->to_user_consumer_event.value, random_next(&seed));
		why = peer_echo(&peer, (uint32_t)round, random_next(&seed) % 3000);
	}
	check(why == NULL,
	      "the kernel's side ignores all bytes between the words, and those in the ring to the "
	      "user",
	      "%s", why);
	peer_stop_wait(&peer);
}

/* ---- Scribblers ---- */

static volatile bool scribble;
static uint64_t scribbled;

/* Overwrites one word of the user page or of the ring, which may be a header; or moves head. */
static void scribble_once(struct peer *peer, uint32_t *seed)
{
	uint32_t dice = random_next(seed), *ring = (uint32_t *)peer->out;
	uint32_t *user = (uint32_t *)peer->user;
	uint32_t value = dice & 1 ? random_next(seed) % 4096 * 8 : random_next(seed);

	if (dice % 4 == 1)
		value = value % 256 | KUP_RECORD_READY;
	if (dice % 8 == 2)
		user[dice / 64 % 4 * (KUP_LINE / 4)] = value;
	else
		ring[dice / 8 % (peer->attach.to_kernel_bytes / 4)] = value;
	if (dice % 16 == 3) {
		peer->head += 8 * (1 + dice / 4096 % 64);
		peer_set_head(peer, peer->head);
	}
	peer_kick(peer);
}

static void *scribbler(void *channel)
{
	uint32_t seed = 12345 + (uint32_t)(uintptr_t)channel;
	struct peer peer;

	while (scribble) {
		if (peer_start(&peer, (uint32_t)(uintptr_t)channel) != 0)
			continue;
		for (int step = 0; step < 3000 && peer_state(&peer) == KUP_STATE_OPEN; step++)
			scribble_once(&peer, &seed);
		peer_stop(&peer);
		__atomic_fetch_add(&scribbled, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A scribbler that keeps head valid and writes many records of random bytes. */
static void *flooder(void *channel)
{
	struct peer peer;

	while (scribble) {
		if (peer_start(&peer, (uint32_t)(uintptr_t)channel) != 0)
			continue;
		for (int step = 0; step < 200000 && scribble; step++) {
			peer_write(&peer, KUP_RECORD_DISCARD, 0, NULL, 0);
			if (!peer_room(&peer, 8))
				peer_kick(&peer);
			while (!peer_room(&peer, 8) && scribble &&
			       peer_state(&peer) == KUP_STATE_OPEN)
				;
		}
		peer_stop(&peer);
	}
	return NULL;
}

static void test_scribblers(struct peer *witness)
{
	pthread_t threads[3];
	uint32_t seed = 4711;
	const char *why = NULL;
	uint64_t end = now_ms() + 3000;
	uint32_t rounds = 0;
	int fd = echo_open();

	scribble = true;
	pthread_create(&threads[0], NULL, scribbler, (void *)5);
	pthread_create(&threads[1], NULL, scribbler, (void *)6);
	pthread_create(&threads[2], NULL, flooder, (void *)7);
	while (why == NULL && now_ms() < end)
		why = peer_echo(witness, rounds++, random_next(&seed) % 20000);
	scribble = false;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	check(why == NULL,
	      "the kernel's side keeps an honest channel's records intact beside scribblers", "%s",
	      why);
	printf("# %u round trips, %llu scribblers\n", rounds, (long long)scribbled);
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == CHANNELS - 1),
	      "close() frees the scribblers' channels", "%u free", channels_free(fd));
	for (uint32_t channel = 5; channel < 8; channel++) {
		struct peer peer;

		peer_need(&peer, channel);
		why = peer_echo(&peer, channel, 5000);
		check(why == NULL,
		      "ATTACH gives the scribblers' channels to the next owners, and they work",
		      "%s", why);
		peer_stop(&peer);
	}
	kup_user_close(fd);
}

int main(int count, char **arguments)
{
	struct peer witness;

	begin(count, arguments, 60);
	peer_need(&witness, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		try_lie(&lies[i], &witness);
	test_discard();
	test_unfinished();
	test_full_ring();
	test_harmless();
	test_scribblers(&witness);
	peer_stop_wait(&witness);
	return finish();
}
