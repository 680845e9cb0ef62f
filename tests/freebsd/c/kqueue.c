/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting by kqueue: every kind of knote, before and after ATTACH, and what happens to knotes at
 * the end.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

static long change(int queue, int fd, short filter, unsigned int flags)
{
	struct kevent event;

	EV_SET(&event, fd, filter, flags, 0, 0, NULL);
	return sys(kevent(queue, &event, 1, NULL, 0, NULL));
}

/* One event, or a filter of 0 if none comes in time. */
static struct kevent next_event(int queue, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	struct kevent event = { 0 };

	if (kevent(queue, NULL, 0, &event, 1, &timeout) != 1)
		event.filter = 0;
	return event;
}

static bool happens(int queue, short filter, int timeout_ms)
{
	return next_event(queue, timeout_ms).filter == filter;
}

static void consume(struct peer *peer)
{
	struct record record;

	while (peer_look(peer, &record))
		peer_release(peer, &record);
}

/* ---- Before ATTACH ---- */

static void test_free_channels(void)
{
	struct peer peers[8];
	int queue = kqueue();
	int bare = echo_open();

	worked(change(queue, bare, EVFILT_READ, EV_ADD),
	       "kevent() registers EVFILT_READ on a handle without a channel");
	check(happens(queue, EVFILT_READ, 0), "kevent() reports a free channel", "no");
	for (int i = 0; i < 8; i++)
		peer_need(&peers[i], ANY);
	check(next_event(queue, 50).filter == 0,
	      "kevent() reports nothing while no channel is free", "no");
	peer_stop(&peers[3]);
	check(happens(queue, EVFILT_READ, PATIENCE_MS),
	      "kevent() reports a channel when it is free again", "no");
	worked(change(queue, bare, EVFILT_WRITE, EV_ADD),
	       "kevent() registers EVFILT_WRITE on a handle without a channel");
	check(next_event(queue, 0).filter == EVFILT_READ,
	      "kevent() never reports EVFILT_WRITE before ATTACH", "no");
	refused(change(queue, bare, EVFILT_VNODE, EV_ADD), EINVAL,
		"kevent() refuses another filter with EINVAL");
	for (int i = 0; i < 8; i++)
		if (i != 3)
			peer_stop_wait(&peers[i]);
	close(bare);
	check(next_event(queue, 0).filter == 0, "close() of a handle removes its knotes", "no");
	close(queue);
}

/* ---- Records and room ---- */

static void test_level(void)
{
	struct peer peer;
	struct kevent event;
	int queue = kqueue();

	peer_need(&peer, ANY);
	change(queue, peer.fd, EVFILT_READ, EV_ADD);
	check(next_event(queue, 50).filter == 0,
	      "kevent() does not report EVFILT_READ on an idle channel", "no");
	peer_send(&peer, 1, "x", 1);
	event = next_event(queue, PATIENCE_MS);
	check(event.filter == EVFILT_READ && event.data > 0 && !(event.flags & EV_EOF),
	      "kevent() reports EVFILT_READ when a record is there", "%d, %lld, %x", event.filter,
	      (long long)event.data, event.flags);
	check(happens(queue, EVFILT_READ, 0),
	      "kevent() reports EVFILT_READ again while the record is there", "no");
	consume(&peer);
	check(next_event(queue, 0).filter == 0,
	      "kevent() does not report EVFILT_READ when the record is consumed", "no");
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD);
	check(happens(queue, EVFILT_WRITE, 0), "kevent() reports EVFILT_WRITE on an empty ring",
	      "no");
	close(queue);
	peer_stop_wait(&peer);
}

/* The kernel's side pauses, the ring is full, and the knote waits until all of it is empty. */
static void test_room(void)
{
	const struct echo_pause pause = { .milliseconds = 200 };
	const uint8_t bytes[1000] = { 0 };
	struct peer peer;
	int queue = kqueue();

	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	while (peer_room(&peer, KUP_RECORD_SPACE(sizeof(bytes))))
		peer_write(&peer, 0, ECHO_SAMPLE, bytes, sizeof(bytes));
	word_set(&peer.user->to_kernel_producer_event.value, peer.head);
	peer_wake(&peer, 0);
	peer_kick(&peer);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
	check(next_event(queue, 0).filter == 0,
	      "kevent() does not report EVFILT_WRITE on a full ring", "it can");
	check(happens(queue, EVFILT_WRITE, PATIENCE_MS) &&
		      word_get(&peer.kernel->to_kernel_tail.value) == peer.head,
	      "kevent() reports EVFILT_WRITE when the tail has reached the position that was asked "
	      "for",
	      "no");
	close(queue);
	peer_stop_wait(&peer);
}

/* Uses a knote with EV_CLEAR that was registered before ATTACH, and never changes it. */
static void test_edges(uint32_t rounds)
{
	struct peer peer = { .fd = echo_open() };
	int queue = kqueue();
	uint32_t got = 0;

	need(change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR) == 0, "a knote");
	next_event(queue, PATIENCE_MS);
	kup_user_info(peer.fd, &peer.info);
	need(attach_to(peer.fd, ANY, 0, &peer.attach) == 0 && peer_map(&peer) == 0, "ATTACH");
	while (next_event(queue, 20).filter != 0)
		;
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		struct record record;

		word_set(&peer.user->to_user_consumer_event.value, peer.tail);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		dawdle();
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		while (!peer_look(&peer, &record) && happens(queue, EVFILT_READ, PATIENCE_MS))
			;
		got += peer_look(&peer, &record);
		consume(&peer);
	}
	check(got == rounds,
	      "kevent() with EV_CLEAR loses no wake-up when the knote is older than ATTACH",
	      "record %u of %u was not reported", got, rounds);
	close(queue);
	peer_stop_wait(&peer);
}

/*
 * Sets no event position: enabling looks at the ring, and arms a wake-up, as poll does. The native
 * library waits like this.
 */
static void test_dispatch(uint32_t rounds)
{
	struct peer peer;
	int queue = kqueue();
	uint32_t got = 0, late = 0, early = 0;

	peer_need(&peer, ANY);
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_DISPATCH | EV_DISABLE);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_DISPATCH | EV_DISABLE);
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		struct record record;

		word_set(&peer.user->to_user_consumer_event.value, peer.tail - 8);
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		dawdle();
		do
			change(queue, peer.fd, EVFILT_READ, EV_ENABLE);
		while (happens(queue, EVFILT_READ, PATIENCE_MS) && !peer_look(&peer, &record) &&
		       early++ < 1000);
		late += next_event(queue, 0).filter != 0;
		got += peer_look(&peer, &record);
		consume(&peer);
	}
	check(got == rounds, "kevent() with EV_DISPATCH, enabled for each record, loses no wake-up",
	      "record %u of %u was not reported", got, rounds);
	check(late == 0,
	      "kevent() with EV_DISPATCH reports each record once, and nothing of disabled knotes",
	      "%u times", late);
	close(queue);
	peer_stop_wait(&peer);
}

/* Announces a position `count` records of 64 bytes ahead, as kup_user_prepare_watermark does. */
static void announce(struct peer *peer, uint32_t count)
{
	word_set(&peer->user->to_user_consumer_event.value, peer->tail + count * 64 - 8);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool echo_more(struct peer *peer, uint32_t count, uint64_t *records)
{
	static const uint8_t bytes[56];
	struct kup_stats stats;

	*records += count;
	while (count > 0 && peer_send(peer, 1, bytes, sizeof(bytes)) == 0)
		count--;
	return count == 0 &&
	       EVENTUALLY(PATIENCE_MS, stats_get(peer->fd, peer->attach.channel, &stats) == 0 &&
					       stats.to_user_records == *records);
}

static void test_watermarks(uint32_t rounds, unsigned int flags, const char *sentence)
{
	uint32_t round, early = 0, late = 0;
	struct kup_stats stats;
	uint64_t records;
	struct peer peer;
	int queue = kqueue();

	peer_need(&peer, ANY);
	need(change(queue, peer.fd, EVFILT_READ, EV_ADD | flags) == 0, "a knote");
	stats_get(peer.fd, peer.attach.channel, &stats);
	records = stats.to_user_records;
	for (round = 0; round < rounds && !late; round++) {
		uint32_t count = 2 + dice(40);

		announce(&peer, count);
		if (!echo_more(&peer, count - 1, &records))
			break;
		early += next_event(queue, 0).filter != 0;
		if (!echo_more(&peer, 1, &records))
			break;
		late += !happens(queue, EVFILT_READ, PATIENCE_MS);
		consume(&peer);
	}
	check(round == rounds && !early && !late, sentence, "round %u: %u early, %u late", round,
	      early, late);
	close(queue);
	peer_stop_wait(&peer);
}

/* A record may be reported just before its header says that it is finished. */
static void test_oneshot(uint32_t rounds)
{
	struct peer peer;
	int queue = kqueue();
	uint32_t got = 0, early = 0;

	peer_need(&peer, ANY);
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		struct record record;

		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		dawdle();
		do
			change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_ONESHOT);
		while (happens(queue, EVFILT_READ, PATIENCE_MS) && !peer_look(&peer, &record) &&
		       early++ < 1000);
		got += peer_look(&peer, &record);
		consume(&peer);
	}
	check(got == rounds,
	      "kevent() with EV_ONESHOT, registered for each record, loses no wake-up",
	      "record %u of %u", got, rounds);
	printf("# %u early\n", early);
	close(queue);
	peer_stop_wait(&peer);
}

/* ---- The end ---- */

static void test_close_by_kernel(void)
{
	struct peer peer;
	struct kevent event;
	int queue = kqueue(), disabled = kqueue();

	peer_need(&peer, ANY);
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	change(disabled, peer.fd, EVFILT_READ, EV_ADD | EV_DISPATCH | EV_DISABLE);
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	event = next_event(queue, PATIENCE_MS);
	check(event.filter == EVFILT_READ && event.flags & EV_EOF && event.fflags == 0,
	      "kevent() reports EV_EOF when the kernel's side has closed the channel", "%d, %x, %u",
	      event.filter, event.flags, event.fflags);
	check(next_event(disabled, 0).filter == 0, "kevent() reports nothing of a disabled knote",
	      "no");
	change(disabled, peer.fd, EVFILT_READ, EV_ENABLE);
	check(next_event(disabled, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF when that knote is enabled", "no");
	change(disabled, peer.fd, EVFILT_WRITE, EV_ADD);
	check(next_event(disabled, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF at once to a new knote", "no");
	close(queue);
	close(disabled);
	peer_stop_wait(&peer);
}

static void test_broken(void)
{
	struct peer peer;
	struct kevent event;
	int queue = kqueue();

	peer_need(&peer, ANY);
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	word_set(&peer.user->to_kernel_head.value, 12345);
	peer_kick(&peer);
	event = next_event(queue, PATIENCE_MS);
	check(event.flags & EV_EOF && event.fflags == EPROTO,
	      "kevent() reports EV_EOF with EPROTO on a broken channel", "%x, %u", event.flags,
	      event.fflags);
	close(queue);
	peer_stop_wait(&peer);
	/*
	 * Only the knote's own look finds this lie: the kernel's side does not read an idle ring's
	 * tail.
	 */
	peer_need(&peer, ANY);
	queue = kqueue();
	word_set(&peer.user->to_user_tail.value, 12345);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	check(EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN),
	      "kevent() that finds a lie breaks the channel", "state %u", peer_state(&peer));
	close(queue);
	peer_stop_wait(&peer);
}

/* ---- Files and queues in any order ---- */

/* A child that ends with knotes registered. The queue's number is above or below the handle's. */
static void end_with_knotes(bool queue_first)
{
	int queue = queue_first ? kqueue() : -1;
	struct peer peer;

	peer_need(&peer, ANY);
	if (!queue_first)
		queue = kqueue();
	change(queue, peer.fd, EVFILT_READ, EV_ADD);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
	peer_send(&peer, 1, "x", 1);
	_exit(0);
}

static void test_ends(int rounds)
{
	int fd = echo_open();

	for (int round = 0; round < rounds; round++) {
		pid_t child = fork();

		if (child == 0)
			end_with_knotes(round & 1);
		waitpid(child, NULL, 0);
	}
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == 8),
	      "exit() with knotes frees the channels", "%u are free", channels_free(fd));
	close(fd);
}

/* A dup keeps the file, but not the knote. */
static void test_dup(void)
{
	struct peer peer;
	int queue = kqueue();
	int copy;

	peer_need(&peer, ANY);
	copy = dup(peer.fd);
	change(queue, peer.fd, EVFILT_READ, EV_ADD);
	close(peer.fd);
	peer.fd = copy;
	peer_send(&peer, 1, "x", 1);
	check(next_event(queue, 100).filter == 0, "close() of a descriptor removes its knotes",
	      "no");
	change(queue, copy, EVFILT_READ, EV_ADD);
	check(happens(queue, EVFILT_READ, PATIENCE_MS), "kevent() registers new knotes on a dup",
	      "no");
	close(queue);
	peer_stop_wait(&peer);
}

/* ---- Devices that go ---- */

static struct peer victim;
static unsigned int victim_flags;

static void *in_kevent(void *unused)
{
	int queue = kqueue();

	change(queue, victim.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	victim_flags = next_event(queue, PATIENCE_MS).flags;
	close(queue);
	return unused;
}

static void test_sleeper_is_woken(void)
{
	pthread_t thread;

	peer_need(&victim, ANY);
	pthread_create(&thread, NULL, in_kevent, NULL);
	sleep_ms(200);
	need_unload();
	pthread_join(thread, NULL);
	check(victim_flags & EV_EOF, "kevent() that sleeps is woken when the device goes", "%x",
	      victim_flags);
	peer_stop(&victim);
	reload();
}

/*
 * One knote that is read only later, one that is disabled, and one of a handle that waits for a
 * channel.
 */
static void test_knotes_stay(void)
{
	int queue = kqueue(), disabled = kqueue(), waiting = kqueue();
	int bare = echo_open();
	int held[CHANNELS];
	struct peer peer;

	peer_need(&peer, ANY);
	for (int i = 0; i < CHANNELS; i++) {
		held[i] = echo_open();
		attach_to(held[i], ANY, 0, NULL);
	}
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	change(disabled, peer.fd, EVFILT_READ, EV_ADD | EV_DISPATCH | EV_DISABLE);
	change(waiting, bare, EVFILT_READ, EV_ADD | EV_CLEAR);
	need(next_event(waiting, 0).filter == 0, "no channel is free");
	need_unload();
	/* devfs takes the file's vnode away when the file is looked at. */
	access(echo_path(), F_OK);
	check(next_event(queue, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF later when the device is gone", "no");
	change(disabled, peer.fd, EVFILT_READ, EV_ENABLE);
	check(next_event(disabled, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF when a disabled knote is enabled after the device went",
	      "no");
	check(next_event(waiting, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF on a handle that waits for a channel when the device is "
	      "gone",
	      "no");
	check(change(waiting, peer.fd, EVFILT_WRITE, EV_ADD) == 0 &&
		      next_event(waiting, 0).flags & EV_EOF,
	      "kevent() reports EV_EOF at once to a new knote when the device is gone", "no");
	reload();
	for (int i = 0; i < CHANNELS; i++)
		close(held[i]);
	close(disabled);
	close(bare);
	peer_stop(&peer);
	check(next_event(queue, 0).filter == 0,
	      "close() of a handle whose device is gone removes its knotes", "no");
	close(queue);
	close(waiting);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 120);
	test_free_channels();
	test_level();
	test_room();
	test_edges(3000);
	test_dispatch(3000);
	test_watermarks(500, 0, "kevent() reports EVFILT_READ at the position that was announced");
	test_watermarks(500, EV_CLEAR,
			"kevent() with EV_CLEAR reports EVFILT_READ at the position that was "
			"announced");
	test_oneshot(3000);
	test_close_by_kernel();
	test_broken();
	test_ends(50);
	test_dup();
	test_sleeper_is_woken();
	test_knotes_stay();
	return finish();
}
