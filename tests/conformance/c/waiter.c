/* SPDX-License-Identifier: BSD-3-Clause */
/* The waiter: each event that is asked for is told once, on the pipe that was named. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static int32_t fds[2]; /* the pipe that most tests use */

/* The next id that is told, within so long; 0: none. */
static int32_t told_on(int pipe, int timeout_ms)
{
	struct pollfd entry = { .fd = pipe, .events = POLLIN };
	int32_t id;

	if (poll(&entry, 1, timeout_ms) != 1 || read(pipe, &id, sizeof(id)) != sizeof(id))
		return 0;
	return id;
}

static int32_t told(int timeout_ms)
{
	return told_on(fds[0], timeout_ms);
}

static int32_t add(int fd)
{
	int32_t id = kup_user_waiter_add(fd, fds[1]);

	need(id > 0, "the waiter takes a file");
	/* One event may come before the first arm. */
	told(20);
	return id;
}

/* Takes what an event announced; the waiter of the host driver may have told too early. */
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
	check(told(50) == 0, "nothing is told before it is asked for", "something is");
	arm(&peer, id, POLLIN);
	check(told(PATIENCE_MS) == id, "what is so already is told at once", "it isn't");
	check(told(50) == 0, "and once", "it is told again");
	arm(&peer, id, POLLIN);
	check(told(PATIENCE_MS) == id, "and once more if it is asked for again", "it isn't");
	take(&peer);
	arm(&peer, id, POLLIN);
	check(told(50) == 0, "what isn't so is not told", "it is");
	peer_send(&peer, 1, "y", 1);
	check(told(PATIENCE_MS) == id && take(&peer), "until it is", "it isn't");
	peer_send(&peer, 1, "z", 1);
	peer_poll(&peer, POLLIN, PATIENCE_MS);
	check(told(50) == 0, "and then no more", "something is told");
	take(&peer);
	arm(&peer, id, POLLOUT);
	check(told(PATIENCE_MS) == id, "room is told, too", "it isn't");
	arm(&peer, id, POLLIN | POLLOUT);
	check(told(PATIENCE_MS) == id, "and if it is one of two events", "it isn't");
	worked(kup_user_waiter_remove(peer.fd, id), "a file can be removed");
	peer_stop_wait(&peer);
}

static void test_removed(void)
{
	struct peer peer;
	int32_t id, next;

	peer_need(&peer, ANY);
	id = add(peer.fd);
	arm(&peer, id, POLLIN);
	worked(kup_user_waiter_remove(peer.fd, id), "a file that is armed can be removed");
	peer_send(&peer, 1, "x", 1);
	peer_poll(&peer, POLLIN, PATIENCE_MS);
	check(told(50) == 0, "then nothing of it is told", "something is");
	refused(kup_user_waiter_remove(peer.fd, id), ENOENT,
		"a file can't be removed twice: ENOENT");
	refused(kup_user_waiter_arm(peer.fd, id, POLLIN), ENOENT,
		"nor armed after it was removed: ENOENT");
	next = add(peer.fd);
	check(next != id, "but added again, under another id", "it is the same");
	arm(&peer, next, POLLIN);
	check(told(PATIENCE_MS) == next, "which works", "it doesn't");
	kup_user_waiter_remove(peer.fd, next);
	peer_stop_wait(&peer);
}

static void test_refusals(void)
{
	struct peer peer;
	int32_t id;

	peer_need(&peer, ANY);
	refused(kup_user_waiter_add(peer.fd, -1), EBADF, "a pipe that is none is refused: EBADF");
	refused(kup_user_waiter_add(-1, fds[1]), EBADF, "and a file that is none: EBADF");
	id = add(peer.fd);
	refused(kup_user_waiter_add(peer.fd, fds[1]), EEXIST,
		"a file that is known already is refused: EEXIST");
	arm(&peer, id, POLLOUT);
	check(told(PATIENCE_MS) == id, "which leaves it as it was", "it doesn't");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

/* A wake-up of the file for something else than what was asked for. */
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
	EVENTUALLY(PATIENCE_MS, peer.kernel->to_kernel_records == 2);
	stats_get(peer.fd, peer.attach.channel, &after);
	check(after.wakeups > before.wakeups, "the kernel's side has woken the user, for room",
	      "it hasn't");
	early = told(50);
	if (!differs("waiter-may-be-early"))
		check(early == 0, "who waits for a record isn't told of room", "it is");
	if (early != 0)
		arm(&peer, id, POLLIN);
	check(told(50) == 0, "who asks again waits on", "it is told again");
	peer_send(&peer, 1, "x", 1);
	check(told(PATIENCE_MS) == id && take(&peer), "and is told of the record when it comes",
	      "it isn't");
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
	check(told(PATIENCE_MS) == id, "the kernel's close is told", "it isn't");
	arm(&peer, id, 0);
	check(told(PATIENCE_MS) == id, "also to who asks for no event", "it isn't");
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
	peer_need(&peer, ANY);
	id = add(peer.fd);
	arm(&peer, id, 0);
	word_set(&peer.user->to_kernel_head.value, 4);
	peer_kick(&peer);
	check(told(PATIENCE_MS) == id, "that a channel broke is told", "it isn't");
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
	seen[0] = told(PATIENCE_MS);
	seen[1] = told(PATIENCE_MS);
	check((seen[0] == attached && seen[1] == waiting) ||
		      (seen[0] == waiting && seen[1] == attached),
	      "that the device is gone is told, with a channel and without", "%d and %d", seen[0],
	      seen[1]);
	worked(kup_user_waiter_remove(peer.fd, attached), "then the files can be removed");
	worked(kup_user_waiter_remove(bare.fd, waiting), "both of them");
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
	check(told(PATIENCE_MS) == id, "a free channel is told", "it isn't");
	for (uint32_t i = 0; i < CHANNELS; i++)
		peer_need(&peers[i], ANY);
	arm(&late, id, POLLIN);
	check(told(50) == 0, "none while there is none", "one is");
	peer_stop(&peers[3]);
	check(told(PATIENCE_MS) == id, "until there is one", "it isn't told");
	worked(attach_to(late.fd, ANY, KUP_ATTACH_NOWAIT, NULL), "which can be attached");
	arm(&late, id, POLLOUT);
	check(told(PATIENCE_MS) == id, "the same id then tells of the channel", "it doesn't");
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
	told_on(other[0], 20);
	check(second > 0 && first != second, "two files have two ids", "%d and %d", first, second);
	arm(&one, first, POLLIN);
	arm(&two, second, POLLIN);
	peer_send(&two, 1, "x", 1);
	check(told_on(other[0], PATIENCE_MS) == second, "each file's events come on its own pipe",
	      "no");
	check(told(50) == 0, "and not on another", "they do");
	peer_send(&one, 1, "x", 1);
	check(told(PATIENCE_MS) == first && told_on(other[0], 50) == 0, "each time", "no");
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
	check(told(PATIENCE_MS) == other, "a pipe that is full keeps nobody else waiting",
	      "it does");
	while (words > 0 && read(full[0], &word, sizeof(word)) == sizeof(word))
		words--;
	check(told_on(full[0], PATIENCE_MS) == id, "and its own event comes when it is read",
	      "it doesn't");
	kup_user_waiter_remove(peer.fd, id);
	kup_user_waiter_remove(fast.fd, other);
	peer_stop_wait(&peer);
	peer_stop_wait(&fast);
	kup_user_close(full[0]);
	kup_user_close(full[1]);
}

/* ---- Lost wake-ups ---- */

/* No event position: arming looks, and asks for a wake-up, as poll does. */
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
		while (told(PATIENCE_MS) == id) {
			if (take(&peer)) {
				got++;
				break;
			}
			arm(&peer, id, POLLIN);
		}
		/* Armed twice, it may be told twice. */
		while (told(0) != 0)
			;
	}
	check(got == rounds, "a waiter that is armed for each record loses none",
	      "record %u of %u was not told", got, rounds);
	kup_user_waiter_remove(peer.fd, id);
	peer_stop_wait(&peer);
}

/* Adding, arming and removing against the traffic of other threads. */
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
		while (told(0) != 0)
			;
		/* After the removal nothing may come. */
		if (round % 50 == 0)
			strays += told(5) != 0;
		kup_user_close(file);
	}
	busy = false;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	kup_user_info(fd, &info);
	check(failures == 0 && strays == 0 && all_free(fd),
	      "files come and go while others wake theirs", "%u failures, %u strays", failures,
	      strays);
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
