/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting by kqueue: every kind of knote, before and after ATTACH, and what becomes of knotes at the end. */
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

/* One event, or a filter of 0 when there is none in time. */
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
	       "a handle without a channel takes a knote");
	check(happens(queue, EVFILT_READ, 0), "which tells that a channel is free", "no");
	for (int i = 0; i < 8; i++)
		peer_need(&peers[i], ANY);
	check(next_event(queue, 50).filter == 0, "and nothing while none is", "it does");
	peer_stop(&peers[3]);
	check(happens(queue, EVFILT_READ, PATIENCE_MS), "and tells when one is free again", "no");
	worked(change(queue, bare, EVFILT_WRITE, EV_ADD), "it takes a knote for writing, too");
	check(next_event(queue, 0).filter == EVFILT_READ, "which tells nothing", "it does");
	refused(change(queue, bare, EVFILT_VNODE, EV_ADD), EINVAL,
		"a knote for something else is refused with EINVAL");
	for (int i = 0; i < 8; i++)
		if (i != 3)
			peer_stop_wait(&peers[i]);
	close(bare);
	check(next_event(queue, 0).filter == 0, "closing the handle takes its knotes away", "no");
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
	check(next_event(queue, 50).filter == 0, "an idle channel isn't readable", "it is");
	peer_send(&peer, 1, "x", 1);
	event = next_event(queue, PATIENCE_MS);
	check(event.filter == EVFILT_READ && event.data > 0 && !(event.flags & EV_EOF),
	      "a record makes it readable", "%d, %lld, %x", event.filter, (long long)event.data,
	      event.flags);
	check(happens(queue, EVFILT_READ, 0), "for as long as it is there", "no");
	consume(&peer);
	check(next_event(queue, 0).filter == 0, "and no longer", "it does");
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD);
	check(happens(queue, EVFILT_WRITE, 0), "an empty ring can be written", "no");
	close(queue);
	peer_stop_wait(&peer);
}

/* The kernel's side pauses, the ring is full, and the knote is to tell when all of it is empty. */
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
	peer_show(&peer, 0);
	peer_kick(&peer);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT);
	check(next_event(queue, 0).filter == 0, "a full ring can't be written", "it can");
	check(happens(queue, EVFILT_WRITE, PATIENCE_MS) &&
		      word_get(&peer.kernel->to_kernel_tail.value) == peer.head,
	      "a knote tells when the tail has reached the position that was asked for", "no");
	close(queue);
	peer_stop_wait(&peer);
}

/* An edge that was registered before ATTACH, and never touched again. */
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
	check(got == rounds, "an edge that is older than ATTACH loses no wake-up",
	      "record %u of %u was not reported", got, rounds);
	close(queue);
	peer_stop_wait(&peer);
}

/* No event position: enabling looks, and arms a wake-up, as poll does. The native library waits like this. */
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
	check(got == rounds, "a knote that is enabled for each record loses none",
	      "record %u of %u was not reported", got, rounds);
	check(late == 0, "and tells each time once, and nothing of others that are disabled",
	      "%u times", late);
	close(queue);
	peer_stop_wait(&peer);
}

/* A record is reported an instant before its header says that it is finished. */
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
	check(got == rounds, "a one-shot knote for each record loses none", "record %u of %u", got,
	      rounds);
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
	      "EV_EOF tells that the kernel's side has closed the channel", "%d, %x, %u",
	      event.filter, event.flags, event.fflags);
	check(next_event(disabled, 0).filter == 0, "a knote that is disabled tells nothing", "no");
	change(disabled, peer.fd, EVFILT_READ, EV_ENABLE);
	check(next_event(disabled, 0).flags & EV_EOF, "until it is enabled", "no");
	change(disabled, peer.fd, EVFILT_WRITE, EV_ADD);
	check(next_event(disabled, 0).flags & EV_EOF, "a new one tells it at once", "no");
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
	check(event.flags & EV_EOF && event.fflags == EPROTO, "EPROTO tells of a lie", "%x, %u",
	      event.flags, event.fflags);
	close(queue);
	peer_stop_wait(&peer);
	/* The knote's own look finds this one: nobody else reads an idle ring's tail. */
	peer_need(&peer, ANY);
	queue = kqueue();
	word_set(&peer.user->to_user_tail.value, 12345);
	change(queue, peer.fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
	change(queue, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR);
	check(EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN),
	      "a lie that the look of a knote finds ends the channel, too", "state %u",
	      peer_state(&peer));
	close(queue);
	peer_stop_wait(&peer);
}

/* ---- Files and queues in any order ---- */

/* A child that ends with knotes registered; the queue's number is above or below the handle's. */
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
	      "processes that end with knotes give their channels back", "%u are free",
	      channels_free(fd));
	close(fd);
}

/* A dup keeps the file, not the knote. */
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
	check(next_event(queue, 100).filter == 0, "closing a descriptor takes its knotes away",
	      "no");
	change(queue, copy, EVFILT_READ, EV_ADD);
	check(happens(queue, EVFILT_READ, PATIENCE_MS), "a dup takes new ones", "no");
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
	check(victim_flags & EV_EOF, "who sleeps in kevent is woken when the device goes", "%x",
	      victim_flags);
	peer_stop(&victim);
	reload();
}

/* One that nobody looks at until later, one that is disabled, one of a handle that waits for a channel. */
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
	/* devfs takes the file's vnode away when somebody looks. */
	access(echo_path(), F_OK);
	check(next_event(queue, 0).flags & EV_EOF, "a knote tells later that the device went",
	      "no");
	change(disabled, peer.fd, EVFILT_READ, EV_ENABLE);
	check(next_event(disabled, 0).flags & EV_EOF,
	      "one that was disabled tells when it is enabled", "no");
	check(next_event(waiting, 0).flags & EV_EOF, "and one that waits for a channel", "no");
	check(change(waiting, peer.fd, EVFILT_WRITE, EV_ADD) == 0 &&
		      next_event(waiting, 0).flags & EV_EOF,
	      "a new one tells it at once", "no");
	reload();
	for (int i = 0; i < CHANNELS; i++)
		close(held[i]);
	close(disabled);
	close(bare);
	peer_stop(&peer);
	check(next_event(queue, 0).filter == 0, "a knote goes with its handle", "no");
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
	test_oneshot(3000);
	test_close_by_kernel();
	test_broken();
	test_ends(50);
	test_dup();
	test_sleeper_is_woken();
	test_knotes_stay();
	return finish();
}
