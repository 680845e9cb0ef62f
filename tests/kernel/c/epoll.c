/* SPDX-License-Identifier: BSD-3-Clause */
/* A handle in an epoll: edges, one-shot registrations, and an epoll that outlives the handle. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "kup_user_turn.h"
#include "peer.h"

static int wait_epoll(int epoll, int timeout_ms)
{
	struct epoll_event event = { 0 };

	return epoll_wait(epoll, &event, 1, timeout_ms) == 1 ? (int)event.events : 0;
}

/* Uses an edge-triggered registration that is made before ATTACH, and never changes it. */
static void test_epoll_edges(uint32_t rounds)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLET };
	struct peer peer = { .fd = echo_open() };
	struct record record;
	int epoll = epoll_create1(0);
	uint32_t got = 0;

	need(epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &wanted) == 0, "epoll takes a handle");
	check(wait_epoll(epoll, PATIENCE_MS) & EPOLLIN, "epoll_wait() reports a free channel",
	      "no");
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
	check(got == rounds,
	      "epoll_wait() with EPOLLET loses no wake-up when the registration is older than "
	      "ATTACH",
	      "record %u of %u was not reported", got, rounds);
	close(epoll);
	peer_stop_wait(&peer);
}

/* ---- The same with kup_user_prepare_wait() ---- */

struct loop {
	struct kup_user_channel *channel;
	int epoll;
};

/* Makes one registration, and takes the event that it reports at first. */
static struct loop loop_open(uint32_t events)
{
	struct epoll_event wanted = { .events = events | EPOLLET };
	struct loop loop = { .epoll = epoll_create1(0) };

	need(kup_user_channel_open(path_of(ECHO_NAME), ANY, PATIENCE_MS, &loop.channel) == 0 &&
		     epoll_ctl(loop.epoll, EPOLL_CTL_ADD, kup_user_channel_file(loop.channel),
			       &wanted) == 0,
	     "a channel in an epoll");
	while (wait_epoll(loop.epoll, 20) != 0)
		;
	return loop;
}

static void loop_close(struct loop *loop)
{
	close(loop->epoll);
	kup_user_channel_close(loop->channel);
}

static int loop_receive(struct loop *loop, struct kup_user_message *message)
{
	int error;

	while ((error = kup_user_receive(loop->channel, message, 0)) == -EAGAIN)
		if (kup_user_prepare_wait(loop->channel, POLLIN, 0) == 0 &&
		    wait_epoll(loop->epoll, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
	return error;
}

static int loop_send(struct loop *loop, uint32_t type, const void *data, uint32_t length)
{
	int error;

	while ((error = kup_user_send(loop->channel, type, data, length, 0)) == -EAGAIN)
		if (kup_user_prepare_wait(loop->channel, POLLOUT, length) == 0 &&
		    wait_epoll(loop->epoll, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
	return error;
}

static void test_prepared_receives(uint32_t rounds)
{
	struct loop loop = loop_open(EPOLLIN);
	struct kup_user_message message;
	uint32_t round;

	for (round = 0; round < rounds; round++) {
		dawdle();
		if (kup_user_send(loop.channel, round, &round, sizeof(round), PATIENCE_MS) ||
		    loop_receive(&loop, &message) || message.type != round)
			break;
	}
	check(round == rounds,
	      "kup_user_prepare_wait() for POLLIN loses no wake-up in an event loop of the "
	      "program's own",
	      "message %u of %u", round, rounds);
	loop_close(&loop);
}

static void test_prepared_sends(uint32_t rounds)
{
	static const uint8_t bytes[3000];
	const struct echo_pause pause = { .milliseconds = 1 };
	struct loop loop = loop_open(EPOLLOUT);
	uint32_t round;

	/* Samples are not answered. */
	for (round = 0; round < rounds; round++)
		if (loop_send(&loop, ECHO_SAMPLE, bytes, sizeof(bytes)) ||
		    (round % 16 == 0 && loop_send(&loop, ECHO_PAUSE, &pause, sizeof(pause))))
			break;
	check(round == rounds,
	      "kup_user_prepare_wait() for POLLOUT loses no wake-up in an event loop of the "
	      "program's own",
	      "message %u of %u", round, rounds);
	loop_close(&loop);
}

static bool echoed(struct loop *loop, uint64_t records)
{
	struct kup_stats stats = { .channel = kup_user_channel_number(loop->channel) };

	return kup_user_stats(kup_user_channel_file(loop->channel), &stats) == 0 &&
	       stats.to_user_records == records;
}

/* Sends messages of 56 bytes, 64 with their headers, whose echoes are the next ones. */
static bool echo_more(struct loop *loop, uint32_t count, uint64_t *records)
{
	static const uint8_t bytes[56];

	*records += count;
	while (count > 0 && !kup_user_send(loop->channel, 1, bytes, sizeof(bytes), PATIENCE_MS))
		count--;
	return count == 0 && EVENTUALLY(PATIENCE_MS, echoed(loop, *records));
}

static void test_watermarks(uint32_t rounds)
{
	struct loop loop = loop_open(EPOLLIN);
	struct kup_stats stats = { .channel = kup_user_channel_number(loop.channel) };
	uint32_t round, early = 0, late = 0, short_ones = 0;
	uint64_t records;

	need(kup_user_stats(kup_user_channel_file(loop.channel), &stats) == 0, "STATS works");
	records = stats.to_user_records;
	for (round = 0; round < rounds && !late; round++) {
		uint32_t count = 2 + dice(40), got = 0;
		struct kup_user_message message;

		early += kup_user_prepare_watermark(loop.channel, count * 64) != 0;
		if (!echo_more(&loop, count - 1, &records))
			break;
		early += wait_epoll(loop.epoll, 0) != 0;
		early += kup_user_prepare_watermark(loop.channel, count * 64) != 0;
		if (!echo_more(&loop, 1, &records))
			break;
		late += !(wait_epoll(loop.epoll, PATIENCE_MS) & EPOLLIN);
		while (!kup_user_receive(loop.channel, &message, 0))
			got++;
		short_ones += got != count;
	}
	check(round == rounds && !early && !late && !short_ones,
	      "epoll_wait() reports EPOLLIN at the watermark of kup_user_prepare_watermark()",
	      "round %u: %u early, %u late, %u short", round, early, late, short_ones);
	loop_close(&loop);
}

/* Waits for the turn, and leaves the messages that come with it in the ring. */
static int loop_take(struct loop *loop, struct kup_user_turn *turn)
{
	while (!kup_user_turn_is_mine(turn))
		if (kup_user_turn_prepare_wait(turn) == 0 &&
		    wait_epoll(loop->epoll, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
	return 0;
}

static void test_prepared_turns(uint32_t rounds)
{
	struct loop loop = loop_open(EPOLLIN);
	struct kup_user_message message;
	struct kup_user_turn turn;
	uint32_t round;
	int error = kup_user_turn_begin(&turn, loop.channel);

	for (round = 0; round < rounds && !error; round++) {
		dawdle();
		error = loop_take(&loop, &turn);
		if (!error && round > 0)
			error = kup_user_turn_receive(&turn, &message, 0);
		if (!error && round > 0 && message.type != round - 1)
			error = -EBADMSG;
		if (!error)
			error = kup_user_turn_send(&turn, round, &round, sizeof(round), 0, 0);
	}
	check(!error && round == rounds,
	      "kup_user_turn_prepare_wait() loses no wake-up in an event loop of the program's own",
	      "%d, turn %u of %u", error, round, rounds);
	loop_close(&loop);
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
		/*
		 * Does not set an event position: rearming looks at the ring, and arms a wake-up,
		 * as poll does.
		 */
		epoll_ctl(epoll, EPOLL_CTL_MOD, peer.fd, &wanted);
		if (wait_epoll(epoll, PATIENCE_MS) == EPOLLIN && peer_soon(&peer, &record)) {
			peer_release(&peer, &record);
			got++;
		}
	}
	check(got == rounds,
	      "epoll_ctl() with EPOLLONESHOT, rearmed for each record, loses no wake-up",
	      "record %u of %u", got, rounds);
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	epoll_ctl(epoll, EPOLL_CTL_MOD, peer.fd, &wanted);
	check(wait_epoll(epoll, PATIENCE_MS) & EPOLLHUP,
	      "epoll_wait() reports EPOLLHUP when the kernel's side closes", "no");
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
	check(wait_epoll(epoll, PATIENCE_MS) & EPOLLHUP,
	      "epoll_wait() reports EPOLLHUP to a process that waits for a channel when the device "
	      "goes",
	      "no");
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
	      "epoll_wait() reports nothing of a handle and a device that are gone", "no");
	close(epoll);
	reload();
}

int main(int count, char **arguments)
{
	begin(count, arguments, 120);
	test_epoll_edges(1500);
	test_prepared_receives(1500);
	test_prepared_sends(1500);
	test_watermarks(500);
	need_unload();
	need(module_load("mode=2") == 0, "the echo client can be loaded in turn mode");
	test_prepared_turns(1500);
	need_unload();
	reload();
	test_epoll_oneshot(1500);
	test_waiting_for_channel();
	test_epoll_stays();
	return finish();
}
