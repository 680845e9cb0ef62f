/* SPDX-License-Identifier: BSD-3-Clause */
/* The waiter: it reports each event that was asked for once, on the pipe that was named. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static int32_t fds[2]; /* the pipe that most tests use */

/* The next id that the waiter reports, within this many milliseconds; 0: none. */
static int32_t next_event_on(int pipe, int timeout_ms)
{
	struct pollfd entry = { .fd = pipe, .events = POLLIN };
	int32_t id;

	if (poll(&entry, 1, timeout_ms) != 1 || read(pipe, &id, sizeof(id)) != sizeof(id))
		return 0;
	return id;
}

static int32_t next_event(int timeout_ms)
{
	return next_event_on(fds[0], timeout_ms);
}

static int32_t add(int fd)
{
	int32_t id = kup_user_waiter_add(fd, fds[1]);

	need(id > 0, "the waiter takes a file");
	/* One event may come before the first arm. */
	next_event(20);
	return id;
}

/* Consumes what an event reported. The host driver's waiter may have reported it too early. */
static bool take(struct peer *peer)
{
	struct record record;

	if (!peer_look(peer, &record))
		return false;
	peer_release(peer, &record);
	return true;
}

static void arm(const struct peer *peer, int32_t id, uint32_t events)
{
	need(kup_user_waiter_arm(peer->fd, id, events) == 0, "the waiter can be armed");
}

/* ---- One file ---- */

static void test_once(void)
{
	struct peer peer;
	int32_t id;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	peer_send(&peer, 1, "x", 1);
	peer_poll(&peer, POLLIN, PATIENCE_MS);
	check(next_event(50) == 0, "kup_user_waiter_add() alone reports nothing", "no");
	arm(&peer, id, POLLIN);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() reports at once an event that is there already", "no");
	check(next_event(50) == 0, "kup_user_waiter_arm() reports it once", "it reported it again");
	arm(&peer, id, POLLIN);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() reports it once more when it is called again", "no");
	take(&peer);
	arm(&peer, id, POLLIN);
	check(next_event(50) == 0, "kup_user_waiter_arm() reports nothing while there is no record",
	      "no");
	peer_send(&peer, 1, "y", 1);
	check(next_event(PATIENCE_MS) == id && take(&peer),
	      "kup_user_waiter_arm() reports a record when it comes", "no");
	peer_send(&peer, 1, "z", 1);
	peer_poll(&peer, POLLIN, PATIENCE_MS);
	check(next_event(50) == 0, "kup_user_waiter_arm() reports the record once",
	      "it reported a second event");
	take(&peer);
	arm(&peer, id, POLLOUT);
	check(next_event(PATIENCE_MS) == id, "kup_user_waiter_arm() reports room", "no");
	arm(&peer, id, POLLIN | POLLOUT);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() for two events reports one of them", "no");
	worked(kup_user_waiter_remove(peer.fd, id), "kup_user_waiter_remove() removes a file");
	peer_stop_wait(&peer);
}

static void test_removed(void)
{
	struct peer peer;
	int32_t id, next;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	arm(&peer, id, POLLIN);
	worked(kup_user_waiter_remove(peer.fd, id),
	       "kup_user_waiter_remove() removes a file that is armed");
	peer_send(&peer, 1, "x", 1);
	peer_poll(&peer, POLLIN, PATIENCE_MS);
	check(next_event(50) == 0, "kup_user_waiter_remove() lets no event follow", "no");
	refused(kup_user_waiter_remove(peer.fd, id), ENOENT,
		"kup_user_waiter_remove() of a file that was removed returns ENOENT");
	refused(kup_user_waiter_arm(peer.fd, id, POLLIN), ENOENT,
		"kup_user_waiter_arm() of a file that was removed returns ENOENT");
	next = add(peer.fd);
	check(next != id, "kup_user_waiter_add() gives another id to a file that was removed",
	      "it is the same");
	arm(&peer, next, POLLIN);
	check(next_event(PATIENCE_MS) == next,
	      "kup_user_waiter_arm() reports an event of the file that was added again", "no");
	kup_user_waiter_remove(peer.fd, next);
	peer_stop_wait(&peer);
}

static void test_refusals(void)
{
	struct peer peer;
	int32_t id;

	peer_need(&peer, ANY);
	refused(kup_user_waiter_add(peer.fd, -1), EBADF,
		"kup_user_waiter_add() refuses a number that is no pipe with EBADF");
	refused(kup_user_waiter_add(-1, fds[1]), EBADF,
		"kup_user_waiter_add() refuses a number that is no file with EBADF");
	id = add(peer.fd);
	refused(kup_user_waiter_add(peer.fd, fds[1]), EEXIST,
		"kup_user_waiter_add() refuses a file that it has already with EEXIST");
	arm(&peer, id, POLLOUT);
	check(next_event(PATIENCE_MS) == id, "kup_user_waiter_add() leaves such a file usable",
	      "no");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

/* Wakes the file for another event than the one that was asked for. */
static void test_other_event(void)
{
	struct kup_stats before, after;
	struct peer peer;
	int32_t id, early;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	word_set(&peer.user->to_kernel_producer_event.value, 16);
	arm(&peer, id, POLLIN);
	stats_get(peer.fd, peer.attach.channel, &before);
	peer_send(&peer, ECHO_SAMPLE, NULL, 0);
	peer_send(&peer, ECHO_SAMPLE, NULL, 0);
	check(EVENTUALLY(PATIENCE_MS, stats_get(peer.fd, peer.attach.channel, &after) == 0 &&
					      after.wakeups > before.wakeups),
	      "STATS counts the wake-up for room", "no");
	early = next_event(50);
	if (!differs("waiter-may-be-early"))
		check(early == 0, "kup_user_waiter_arm() for a record does not report room", "no");
	if (early != 0)
		arm(&peer, id, POLLIN);
	check(next_event(50) == 0,
	      "kup_user_waiter_arm() for a record reports nothing when it is called again",
	      "it reported an event");
	peer_send(&peer, 1, "x", 1);
	check(next_event(PATIENCE_MS) == id && take(&peer),
	      "kup_user_waiter_arm() reports the record when it comes", "no");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

/* ---- The ends ---- */

static void test_ends(void)
{
	struct peer peer;
	int32_t id;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	arm(&peer, id, POLLIN);
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() reports that the kernel's side has closed", "no");
	arm(&peer, id, 0);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() for no event reports that the kernel's side has closed", "no");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
	peer_need(&peer, ANY);
	id = add(peer.fd);
	arm(&peer, id, 0);
	word_set(&peer.user->to_kernel_head.value, 4);
	peer_kick(&peer);
	check(next_event(PATIENCE_MS) == id, "kup_user_waiter_arm() reports that a channel broke",
	      "no");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

static void test_device_goes(void)
{
	struct peer peer, bare = { .fd = echo_open() };
	int32_t attached, waiting, seen[2];

	peer_need(&peer, ANY);
	attached = add(peer.fd);
	waiting = add(bare.fd);
	arm(&peer, attached, POLLIN);
	arm(&bare, waiting, 0);
	need_unload();
	seen[0] = next_event(PATIENCE_MS);
	seen[1] = next_event(PATIENCE_MS);
	check((seen[0] == attached && seen[1] == waiting) ||
		      (seen[0] == waiting && seen[1] == attached),
	      "kup_user_waiter_arm() reports that the device is gone, with a channel and without "
	      "one",
	      "%d and %d", seen[0], seen[1]);
	worked(kup_user_waiter_remove(peer.fd, attached),
	       "kup_user_waiter_remove() removes an attached file when the device is gone");
	worked(kup_user_waiter_remove(bare.fd, waiting),
	       "kup_user_waiter_remove() removes a waiting file when the device is gone");
	peer_stop(&peer);
	kup_user_close(bare.fd);
	reload();
}

/* ---- Waiting for a channel ---- */

static void test_free_channel(void)
{
	struct peer peers[CHANNELS], late = { .fd = echo_open() };
	int32_t id = add(late.fd);

	arm(&late, id, POLLIN);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() before ATTACH reports a free channel", "no");
	for (uint32_t i = 0; i < CHANNELS; i++)
		peer_need(&peers[i], ANY);
	arm(&late, id, POLLIN);
	check(next_event(50) == 0,
	      "kup_user_waiter_arm() before ATTACH reports nothing while no channel is free", "no");
	peer_stop(&peers[3]);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() before ATTACH reports a channel when it becomes free",
	      "it reported nothing");
	worked(attach_to(late.fd, ANY, KUP_ATTACH_NOWAIT, NULL),
	       "ATTACH takes the channel that the waiter reported");
	arm(&late, id, POLLOUT);
	check(next_event(PATIENCE_MS) == id,
	      "kup_user_waiter_arm() after ATTACH reports the channel's events under the same id",
	      "no");
	kup_user_waiter_remove(late.fd, id);
	kup_user_close(late.fd);
	for (uint32_t i = 0; i < CHANNELS; i++)
		if (i != 3)
			peer_stop_wait(&peers[i]);
}

/* ---- Several ---- */

static void test_two_pipes(void)
{
	struct peer one, two;
	int32_t first, second, other[2];

	need(kup_user_pipe(other) == 0, "a pipe");
	peer_need(&one, ANY);
	peer_need(&two, ANY);
	first = add(one.fd);
	second = kup_user_waiter_add(two.fd, other[1]);
	next_event_on(other[0], 20);
	check(second > 0 && first != second, "kup_user_waiter_add() gives two files two ids",
	      "%d and %d", first, second);
	arm(&one, first, POLLIN);
	arm(&two, second, POLLIN);
	peer_send(&two, 1, "x", 1);
	check(next_event_on(other[0], PATIENCE_MS) == second,
	      "kup_user_waiter_arm() reports each file's events on its own pipe", "no");
	check(next_event(50) == 0, "kup_user_waiter_arm() reports them on no other pipe", "no");
	peer_send(&one, 1, "x", 1);
	check(next_event(PATIENCE_MS) == first && next_event_on(other[0], 50) == 0,
	      "kup_user_waiter_arm() reports on its own pipe each time", "no");
	kup_user_waiter_remove(one.fd, first);
	kup_user_waiter_remove(two.fd, second);
	peer_stop_wait(&one);
	peer_stop_wait(&two);
	kup_user_close(other[0]);
	kup_user_close(other[1]);
}

static void test_full_pipe(void)
{
	struct peer peer, fast;
	int32_t full[2], id, other, word;
	uint32_t words = 0;

	need(kup_user_pipe(full) == 0, "a pipe");
	while (write(full[1], "full", sizeof(word)) == sizeof(word))
		words++;
	peer_need(&peer, ANY);
	peer_need(&fast, ANY);
	id = kup_user_waiter_add(peer.fd, full[1]);
	other = add(fast.fd);
	arm(&peer, id, POLLOUT);
	arm(&fast, other, POLLOUT);
	check(next_event(PATIENCE_MS) == other,
	      "kup_user_waiter_arm() works for other pipes while one pipe is full", "no");
	while (words > 0 && read(full[0], &word, sizeof(word)) == sizeof(word))
		words--;
	check(next_event_on(full[0], PATIENCE_MS) == id,
	      "kup_user_waiter_arm() reports the event of a full pipe when the pipe is read", "no");
	kup_user_waiter_remove(peer.fd, id);
	kup_user_waiter_remove(fast.fd, other);
	peer_stop_wait(&peer);
	peer_stop_wait(&fast);
	kup_user_close(full[0]);
	kup_user_close(full[1]);
}

/* ---- Lost wake-ups ---- */

/* Sets no event position: arming looks at the ring, and asks for a wake-up, as poll does. */
static void test_records(uint32_t rounds)
{
	struct peer peer;
	uint32_t got = 0, seed = 77;
	int32_t id;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		/* Before the record is sent, or after it. */
		if (random_next(&seed) % 2)
			arm(&peer, id, POLLIN);
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		if (random_next(&seed) % 4 == 0)
			sleep_us(random_next(&seed) % 300);
		arm(&peer, id, POLLIN);
		while (next_event(PATIENCE_MS) == id) {
			if (take(&peer)) {
				got++;
				break;
			}
			arm(&peer, id, POLLIN);
		}
		/* Armed twice, the file may be reported twice. */
		while (next_event(0) != 0)
			;
	}
	check(got == rounds, "kup_user_waiter_arm() for each record loses none",
	      "record %u of %u was not reported", got, rounds);
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

/* Adds, arms and removes files during the traffic of other threads. */
static volatile bool busy;

static void *traffic(void *unused)
{
	struct peer peer;

	while (busy) {
		if (peer_start(&peer, ANY) != 0)
			continue;
		for (int i = 0; i < 20; i++)
			peer_echo(&peer, 1, 100);
		peer_stop(&peer);
	}
	return unused;
}

static void test_against_traffic(uint32_t rounds)
{
	struct kup_info info;
	pthread_t threads[2];
	uint32_t strays = 0, failures = 0;
	int fd = echo_open();

	busy = true;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, traffic, NULL);
	for (uint32_t round = 0; round < rounds; round++) {
		int file = echo_open();
		int32_t id = kup_user_waiter_add(file, fds[1]);

		failures += id <= 0 || kup_user_waiter_arm(file, id, POLLIN) != 0;
		failures += kup_user_waiter_remove(file, id) != 0;
		while (next_event(0) != 0)
			;
		/* After the removal no event may come. */
		if (round % 50 == 0)
			strays += next_event(5) != 0;
		kup_user_close(file);
	}
	busy = false;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	kup_user_info(fd, &info);
	check(failures == 0 && strays == 0 && all_free(fd),
	      "kup_user_waiter_add() and _remove() work while other threads wake their files",
	      "%u failures, %u strays", failures, strays);
	kup_user_close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 90);
	need(kup_user_pipe(fds) == 0, "a pipe");
	test_once();
	test_removed();
	test_refusals();
	test_other_event();
	test_ends();
	test_device_goes();
	test_free_channel();
	test_two_pipes();
	test_full_pipe();
	test_records(2000);
	test_against_traffic(500);
	return finish();
}
