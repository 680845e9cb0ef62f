/* SPDX-License-Identifier: BSD-3-Clause */
/* A handle in an epoll: edges, one-shot registrations, and what outlives what. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static uint32_t seed = 2463534242u;

static uint32_t dice(uint32_t sides)
{
	return random_next(&seed) % sides;
}

/* Nothing, a few instructions, a yield's worth, or longer than the kernel's side looks. */
static void dawdle(void)
{
	switch (dice(8)) {
	case 0:
		sleep_us(dice(400));
		break;
	case 1:
	case 2:
		for (volatile uint32_t i = 0; i < seed % 20000; i++)
			;
		break;
	default:
		break;
	}
}

static int wait_epoll(int epoll, int timeout_ms)
{
	struct epoll_event event = { 0 };

	return epoll_wait(epoll, &event, 1, timeout_ms) == 1 ? (int)event.events : 0;
}

/* An edge-triggered registration that was made before ATTACH and never touched again. */
static void test_epoll_edges(uint32_t rounds)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLET };
	struct peer peer = { .fd = echo_open() };
	struct record record;
	int epoll = epoll_create1(0);
	uint32_t got = 0;

	need(epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &wanted) == 0, "epoll takes a handle");
	check(wait_epoll(epoll, 1000) & EPOLLIN, "epoll reports a free channel", "no");
	kup_user_info(peer.fd, &peer.info);
	need(attach_to(peer.fd, ANY, 0, &peer.attach) == 0 && peer_map(&peer) == 0,
	     "ATTACH in an epoll");
	while (wait_epoll(epoll, 20) != 0)
		;
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		word_set(&peer.user->to_user_consumer_event.value, peer.tail);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		dawdle();
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		while (!peer_look(&peer, &record) && wait_epoll(epoll, PATIENCE_MS) != 0)
			;
		if (!peer_look(&peer, &record))
			break;
		peer_release(&peer, &record);
		got++;
	}
	check(got == rounds, "an edge-triggered epoll that is older than ATTACH loses no wake-up",
	      "record %u of %u was not reported", got, rounds);
	close(epoll);
	peer_stop_wait(&peer);
}

static void test_epoll_oneshot(uint32_t rounds)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLONESHOT };
	struct peer peer;
	struct record record;
	int epoll = epoll_create1(0);
	uint32_t got = 0;

	peer_need(&peer, ANY);
	wanted.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &wanted);
	for (uint32_t round = 0; round < rounds && got == round; round++) {
		peer_send(&peer, round & 0xffff, &round, sizeof(round));
		dawdle();
		/* No event position: rearming looks, and arms a wake-up, as poll does. */
		epoll_ctl(epoll, EPOLL_CTL_MOD, peer.fd, &wanted);
		if (wait_epoll(epoll, PATIENCE_MS) == EPOLLIN && peer_soon(&peer, &record)) {
			peer_release(&peer, &record);
			got++;
		}
	}
	check(got == rounds, "a one-shot epoll that is rearmed for each record loses none",
	      "record %u of %u", got, rounds);
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	epoll_ctl(epoll, EPOLL_CTL_MOD, peer.fd, &wanted);
	check(wait_epoll(epoll, PATIENCE_MS) & EPOLLHUP,
	      "epoll reports that the kernel's side closed", "no");
	close(epoll);
	peer_stop_wait(&peer);
}

/* ---- When the device goes ---- */

static void test_waiting_for_channel(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int held[CHANNELS], fd = echo_open();
	int epoll = epoll_create1(0);

	for (int i = 0; i < CHANNELS; i++) {
		held[i] = echo_open();
		attach_to(held[i], ANY, 0, NULL);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	while (wait_epoll(epoll, 50) != 0)
		;
	need_unload();
	check(wait_epoll(epoll, 5000) & EPOLLHUP,
	      "epoll tells who waits for a channel that the device is gone", "no");
	close(epoll);
	close(fd);
	for (int i = 0; i < CHANNELS; i++)
		close(held[i]);
	reload();
}

/* An epoll that outlives the handle and the device. */
static void test_epoll_stays(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	struct peer peer;

	peer_need(&peer, ANY);
	epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &event);
	epoll_wait(epoll, &event, 1, 10);
	peer_stop(&peer);
	check(module_unload() == 0 && epoll_wait(epoll, &event, 1, 10) == 0,
	      "an epoll that outlives its handle knows nothing of it", "it does");
	close(epoll);
	reload();
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_epoll_edges(1500);
	test_epoll_oneshot(1500);
	test_waiting_for_channel();
	test_epoll_stays();
	return finish();
}
